"""Expectation–maximisation for the weights of a linear mixture: the one place where such weights are learned.

    maximise  F(w) = mean_t ln Σ_k w_k p_k(t)   over  w ≥ 0, Σ w = 1

A round multiplies each weight by its *gain*, g_k = mean_t p_k(t) / p(t), and never makes the likelihood worse
(Dempster, Laird and Rubin, 1977).  The objective is concave, and at its optimum no gain exceeds 1.  At any weights at
all, F(v) − F(w) = mean_t ln Σ v_k p_k(t) / p(t) ≤ ln Σ v_k g_k ≤ ln max g: what any others can still gain is bounded.

Components that nearly agree have gains near 1, and plain rounds would creep.  So the gain is raised to a power, the
stride, that grows while the likelihood does and falls back to the plain round, which is always safe (Salakhutdinov and
Roweis, "Adaptive overrelaxed bound optimization methods", 2003).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 10_000
TOLERANCE = 1e-9  # nats a token: what another round may still gain when it stops
LEAST = 1e-15  # a weight that a long stride brought to 0 could never come back


@dataclass(frozen=True)
class Optimum:
    """Weights float64 (K,), F there in nats a token, the most that any others gain on them, and the rounds it took."""

    weights: Floats
    objective: float
    gain: float
    rounds: int


def mixture_weights(log_likelihoods: Floats) -> Floats:
    """The best weights, float64 (K,) summing to 1, for ln p_k(t) of shape (K, T); equal ones if T is 0."""
    components, places = log_likelihoods.shape
    return mixture_optimum(log_likelihoods).weights if places else np.ones(components) / components


def mixture_optimum(log_likelihoods: Floats) -> Optimum:
    """The best weights and how good they are, for ln p_k(t) of shape (K, T), T at least 1."""
    best = log_likelihoods.max(0)
    chance = np.exp(log_likelihoods - best)  # (K, T), each place scaled by its best component
    weights = np.full(len(chance), 1.0 / len(chance))
    value, gain = _judged(weights, chance)
    stride, rounds = 1.0, 0
    while np.log(gain.max()) >= TOLERANCE and rounds < ROUNDS:
        rounds += 1
        trial = np.maximum(weights * (gain / gain.max()) ** stride, LEAST)
        trial /= trial.sum()
        reached, then = _judged(trial, chance)
        if reached >= value or stride == 1:
            weights, value, gain, stride = trial, reached, then, 2 * stride
        else:
            stride = max(1.0, stride / 4)
    return Optimum(weights, value + float(best.mean()), max(0.0, float(np.log(gain.max()))), rounds)


def judged(weights: Floats, log_likelihoods: Floats) -> tuple[float, float]:
    """F at given weights (summing to 1), and the most that any others gain on it; nats a token, perhaps infinite."""
    best = log_likelihoods.max(0)
    with np.errstate(divide="ignore", invalid="ignore"):  # these weights may find a token impossible
        value, gain = _judged(weights, np.exp(log_likelihoods - best))
        most = float(np.log(gain.max()))
    return value + float(best.mean()), max(0.0, np.inf if np.isnan(most) else most)


def _judged(weights: Floats, chance: Floats) -> tuple[float, Floats]:
    """The mean log-likelihood, and the gain of each component, float64 (K,)."""
    mixed = weights @ chance
    return float(np.log(mixed).mean()), (chance / mixed).mean(1)
