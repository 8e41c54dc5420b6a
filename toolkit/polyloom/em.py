"""Expectation–maximisation for the weights of a linear mixture: the one place where such weights are learned.

    maximise  Σ_t ln Σ_k w_k p_k(t)   over  w ≥ 0, Σ w = 1

A round multiplies each weight by its *gain*, the mean of p_k(t) / p(t), and never makes the likelihood worse (Dempster,
Laird and Rubin, 1977).  The objective is concave.  At its optimum no gain exceeds 1; before, ln max gain bounds what is
left.

Components that nearly agree have gains near 1, and plain rounds would creep.  So the gain is raised to a power, the
stride, that grows while the likelihood does and falls back to the plain round, which is always safe (Salakhutdinov and
Roweis, "Adaptive overrelaxed bound optimization methods", 2003).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ROUNDS = 10_000
TOLERANCE = 1e-9  # nats a token: what another round may still gain when it stops
LEAST = 1e-15  # a weight that a long stride brought to 0 could never come back


def mixture_weights(log_likelihoods: Floats) -> Floats:
    """The best weights, float64 (K,) summing to 1, for ln p_k(t) of shape (K, T); equal ones if T is 0."""
    components, places = log_likelihoods.shape
    weights = np.full(components, 1.0 / components)
    if not places:
        return weights
    chance = np.exp(log_likelihoods - log_likelihoods.max(0))  # (K, T), each place scaled by its best component
    value, gain = _judged(weights, chance)
    stride = 1.0
    for _ in range(ROUNDS):
        if np.log(gain.max()) < TOLERANCE:
            break
        trial = np.maximum(weights * (gain / gain.max()) ** stride, LEAST)
        trial /= trial.sum()
        reached, then = _judged(trial, chance)
        if reached >= value or stride == 1:
            weights, value, gain, stride = trial, reached, then, 2 * stride
        else:
            stride = max(1.0, stride / 4)
    return weights


def _judged(weights: Floats, chance: Floats) -> tuple[float, Floats]:
    """The mean log-likelihood, and the gain of each component, float64 (K,)."""
    mixed = weights @ chance
    return float(np.log(mixed).mean()), (chance / mixed).mean(1)
