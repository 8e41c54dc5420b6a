"""Expectation–maximisation for the weights of a linear mixture: the one place where such weights are learned.

    maximise  Σ_t ln Σ_k w_k p_k(t)   over  w ≥ 0, Σ w = 1

The objective is concave, so what is found is the optimum; each round multiplies a weight by the mean share its
component had in the probabilities, and never makes the likelihood worse (Dempster, Laird and Rubin, 1977).
"""

import numpy as np
from numpy.typing import NDArray

ROUNDS = 2_000
TOLERANCE = 1e-9  # nats a token: what another round may still gain when it stops


def mixture_weights(log_likelihoods: NDArray[np.float64]) -> NDArray[np.float64]:
    """The best weights, float64 (K,) summing to 1, for ln p_k(t) of shape (K, T); equal ones if T is 0."""
    components, places = log_likelihoods.shape
    weights = np.full(components, 1.0 / components)
    if not places:
        return weights
    chance = np.exp(log_likelihoods - log_likelihoods.max(0))  # (K, T), each place scaled by its best component
    for _ in range(ROUNDS):
        gain = (chance / (weights @ chance)).mean(1)  # (K,), 1 at the optimum, at most 1 for a weight of 0
        weights = weights * gain
        weights /= weights.sum()
        if np.log(gain.max()) < TOLERANCE:  # bounds what is left to gain in the mean log-likelihood
            break
    return weights
