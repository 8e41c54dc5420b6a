"""The weights of a log pool as exponents: how likely they make a text, and which way is up.

    F(w) = mean_t [ Σ_k w_k ln p_k(y_t) − ln Z_t(w) ]

    slope    g_k  = mean_t [ ln p_k(y_t) − m_k(t) ]                 m_k = E[ln p_k] under the mix at place t
    curve    H_kj = mean_t [ E[ln p_k · ln p_j] − m_k m_j ]         the mean covariance, so F is concave

Z needs every token, so F reads the whole vocabulary at each place.  Where F is highest `polyloom.concave` finds.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from polyloom.concave import Point
from polyloom.errors import InputError

Floats = NDArray[np.float64]
Block = tuple[Floats, NDArray[np.int64]]  # ln p of every layer, place and token, (K, n, V); the tokens that came, (n,)

STRIP = 2**18  # bytes of rows that are read together: they should stay in the processor's cache


def judged(weights: Floats, blocks: Iterable[Block]) -> Point:
    """F, its slope and its curve, over all blocks."""
    value, slope, curve, places = 0.0, np.zeros(len(weights)), np.zeros((len(weights),) * 2), 0
    for logs, targets in blocks:
        at = np.arange(len(targets))
        scores, normaliser = pooled(list(zip(weights.tolist(), logs, strict=True)))
        mean, moments = _moments(np.exp(scores - normaliser[:, None]), logs)
        value += float((scores[at, targets] - normaliser).sum())
        slope += (logs[:, at, targets] - mean.T).sum(1)
        curve += moments - mean.T @ mean
        places += len(targets)
    return Point(weights, value / places, slope / places, curve / places)


def _moments(chance: Floats, logs: Floats) -> tuple[Floats, Floats]:
    """E[ln p_k] at each place, float64 (n, K), and the sum over places of E[ln p_k · ln p_j], float64 (K, K)."""
    (size, places, tokens), mean, total = logs.shape, list[Floats](), np.zeros((len(logs),) * 2)
    step = max(1, STRIP // (8 * size * tokens))
    for start in range(0, places, step):
        rows = logs[:, start : start + step].transpose(1, 0, 2)  # (s, K, V)
        weighted = rows * chance[start : start + step, None]
        mean.append(weighted.sum(-1))
        total += (weighted @ rows.transpose(0, 2, 1)).sum(0)
    return np.concatenate(mean), total


def pooled(voices: Sequence[tuple[float | Floats, Floats]]) -> tuple[Floats, Floats]:
    """Σ_k w_k ln p_k, float64 (…, V), and ln Z, float64 (…), of weights with rows (…, V) of log-probabilities.

    A weight may be an array (…, 1), another one for each row.  A weight of 0 is not read.  Raises InputError where that
    is no distribution: no token is possible, or one that a layer with a negative weight finds impossible has no end, or
    the numbers are too large.
    """
    scores = np.zeros_like(voices[0][1])
    with np.errstate(over="ignore", invalid="ignore"):
        for weight, row in voices:
            if np.all(weight):
                scores += weight * row
            elif np.any(weight):
                scores += np.where(weight, weight * row, 0.0)  # 0 · −∞ is no number
        top = scores.max(-1)
        if not np.isfinite(top).all():
            raise InputError(
                "The log pool is no distribution here: a weight is too large, no token is possible for all layers, or "
                "a layer with a negative weight gives a token no chance at all. Use smaller or positive weights."
            )
        return scores, top + np.log(np.exp(scores - top[..., None]).sum(-1))
