"""The weights of a linear mixture: the one place where such weights are learned.

    maximise  F(w) = mean_t ln Σ_k w_k p_k(t)   over  w ≥ 0, Σ w = 1

    slope    g_k  = mean_t r_k(t)              r_k(t) = p_k(t) / p(t), p the mixture
    curve    H_kj = mean_t r_k(t) r_j(t)       so F is concave

F goes to `concave`, with the curve: Newton steps as in Kim, Carbonetto, Stephens and Anitescu ("A fast algorithm for
maximum likelihood estimation of mixture proportions using sequential quadratic programming", 2020), where a round costs
what one of expectation–maximisation (Dempster, Laird and Rubin, 1977) does, and about ten are enough however much the
components agree.  g are the *gains* by which expectation–maximisation would multiply the weights; at the optimum none
exceeds 1.  At any weights at all, F(v) − F(w) = mean_t ln Σ v_k p_k(t) / p(t) ≤ ln Σ v_k g_k ≤ ln max g: what any
others can still gain is bounded, a little closer than by the gap of Frank and Wolfe, max g − 1.
"""

import numpy as np
from numpy.typing import NDArray

from polyloom.concave import Optimum, Point, maximise, simplex

Floats = NDArray[np.float64]

STRIP = 2**17  # multiplications in a strip of H: all stays in the cache, and is too little to be shared among threads
KEPT = 0.01  # of a weight that a Newton step leaves, however much it wants to be rid of it: see `Region`


def mixture_weights(log_likelihoods: Floats) -> Floats:
    """The best weights, float64 (K,) summing to 1, for ln p_k(t) of shape (K, T); equal ones if T is 0."""
    components, places = log_likelihoods.shape
    return mixture_optimum(log_likelihoods).weights if places else np.ones(components) / components


def mixture_optimum(log_likelihoods: Floats) -> Optimum:
    """The best weights and how good they are, for ln p_k(t) of shape (K, T), T at least 1."""
    return Mixture(log_likelihoods).optimum()


class Mixture:
    """F with slope and curve at any weights (K,), for ln p_k(t) of shape (K, T), T at least 1; nats a token."""

    def __init__(self, log_likelihoods: Floats) -> None:
        best = log_likelihoods.max(0)
        self.size, self.places = len(log_likelihoods), len(best)
        self._best = float(best.mean())
        parts = -(-(self.size**2) * self.places // STRIP)
        chance = np.exp(log_likelihoods - best)  # (K, T), each place scaled by its best component
        self._strips = np.array_split(chance, parts, axis=1)

    def __call__(self, weights: Floats) -> Point:
        """Weights of 0 or more that find a token impossible have the value −∞, and slope and curve mean nothing."""
        value, slope, curve = 0.0, np.zeros(self.size), np.zeros((self.size, self.size))
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for strip in self._strips:
                mixed = weights @ strip
                parts = strip / mixed  # (K, n)
                value += float(np.log(mixed).sum())
                slope += parts.sum(1)
                curve += parts @ parts.T
        return Point(weights, value / self.places + self._best, slope / self.places, curve / self.places)

    def optimum(self) -> Optimum:
        """The best weights and how good they are."""
        found = maximise(self, np.full(self.size, 1 / self.size), simplex(self.size, KEPT))
        return Optimum(found.weights, found.objective, float(np.log1p(found.gain)), found.rounds)
