"""How likely a text is under each set of layers: all 2^K of them, without asking for each.

    linear    F(S) = mean_t ln Σ_{k∈S} w_k p_k(t) / Σ_{k∈S} w_k
    log       F(S) = mean_t [ Σ_{k∈S} w_k ln p_k(y_t) − ln Z_S(t) ]       Z_S(t) = Σ_y Π_{k∈S} p_k(y)^w_k

A set without a layer that speaks gives every token 1/V.  Set s, an integer, holds layer k if its bit k is 1, so that
the sums over all sets with one layer more stand beside those without it, plus one number: they *double* K times.

Z_S needs every token for every set.  Halve the layers into A and B: Π over S is a product of a part in A and one in B,
so that all Z_S at a place are one product of matrices, (2^{K/2}, V) by (V, 2^{K/2}), and only K rows of exponentials
are needed instead of 2^K.
"""

from collections.abc import Callable, Iterable

import numpy as np

from polyloom.compose.exponents import Block, Floats, pooled

STRIP = 2**20  # bytes of sums that are at hand together: they should stay in the processor's cache
FAINT = 600.0  # nats below the best layer of a place: beyond it, likelihoods are added as logarithms
LOST = 1e-200  # of a sum of products of numbers that are 1 at most: below it, too much may have been lost
PIECE = 512  # tokens of a product of matrices: too little to be shared among threads, which would wait for each other


def linear(found: Floats, shares: Floats, size: int, done: Callable[[int], None]) -> Floats:
    """F of each set, float64 (2^K,), from ln p of each token under each layer, (K, T); V is `size`.

    A set whose layers find a token impossible has −∞.  `done` is told how many places more are done.
    """
    best = found.max(0)
    with np.errstate(divide="ignore"):
        voices = found - best + np.log(shares)[:, None]
        parts = doubled(np.log(shares)[:, None], np.logaddexp)[:, 0]
    total = np.zeros(len(parts))
    far = (found - best).min(0) < -FAINT
    for columns, add in ((voices[:, ~far], _chances), (voices[:, far], _logarithms)):
        for strip in np.array_split(columns, max(1, -(-8 * len(parts) * columns.shape[1] // STRIP)), axis=1):
            total += add(strip)
            done(strip.shape[1])
    silent = np.isneginf(parts)
    parts[silent] = 0.0
    total = total / found.shape[1] + best.mean() - parts
    total[silent] = -np.log(size)
    return total


def log(blocks: Iterable[Block], weights: Floats, done: Callable[[int], None]) -> Floats:
    """F of each set, float64 (2^K,), from all log-probabilities; `done` is told how many places more are done."""
    total, places = np.zeros(2 ** len(weights)), 0
    for logs, targets in blocks:
        for at, token in enumerate(targets.tolist()):
            voices = weights[:, None] * logs[:, at]  # (K, V)
            total += doubled(voices[:, token, None], np.add)[:, 0] - _normalisers(voices)
            done(1)
        places += len(targets)
    return total / places


def doubled(rows: Floats, add: np.ufunc) -> Floats:
    """The sum of each set of rows (K, n), or what else `add` makes of them, float64 (2^K, n)."""
    found = np.empty((2 ** len(rows), rows.shape[1]))
    found[0] = add.identity
    for k, row in enumerate(rows):
        add(found[: 2**k], row, out=found[2**k : 2 ** (k + 1)])
    return found


def _chances(voices: Floats) -> Floats:
    """Σ over places of the logarithm of each set's sum, float64 (2^K,), from ln w p (K, n) of no great spread."""
    with np.errstate(divide="ignore"):
        sums = doubled(np.exp(voices), np.add)
        return np.log(sums, out=sums).sum(1)


def _logarithms(voices: Floats) -> Floats:
    return doubled(voices, np.logaddexp).sum(1)


def _normalisers(voices: Floats) -> Floats:
    """ln Z of each set at one place, float64 (2^K,), from w ln p of each layer, (K, V)."""
    (layers, size), tops = voices.shape, voices.max(1)
    chance = np.zeros((layers, -(-size // PIECE) * PIECE))  # what is added gives nothing
    np.exp(voices - tops[:, None], out=chance[:, :size])
    low, high = (
        doubled(part, np.multiply).reshape(2 ** len(part), -1, PIECE).transpose(1, 0, 2)
        for part in (chance[: layers // 2], chance[layers // 2 :])
    )  # (pieces, 2^A, PIECE), (pieces, 2^B, PIECE)
    sums = (high @ low.transpose(0, 2, 1)).sum(0).ravel()
    with np.errstate(divide="ignore"):
        found = np.log(sums) + doubled(tops[:, None], np.add)[:, 0]
    for lost in np.flatnonzero(~(sums > LOST)).tolist():
        found[lost] = pooled([(float(lost >> k & 1), voice) for k, voice in enumerate(voices)])[1]
    return found
