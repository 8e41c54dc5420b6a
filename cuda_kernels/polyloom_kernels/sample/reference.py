"""The definition of `sample` in NumPy: everything sorted, and sums of whole numbers along the order."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.sample.watermark import Watermark
from polyloom_kernels.sample.weights import (
    CLOSED,
    FARTHEST,
    HALVING,
    LIFT,
    MANTISSA,
    ONE,
    SHIFT,
    Longs,
    Settings,
    Words,
    dice,
)

Numbers = NDArray[Any]


def sample(
    rows: Numbers,
    settings: Settings,
    seeds: Words,
    places: Words,
    said: Longs,
    penalties: Numbers,
    allowed: Numbers,
    last: Longs,
    watermark: Watermark | None,
) -> Longs:
    """One token for each row, −1 for a row that is no distribution; see `operation.sample`."""
    found: list[int] = []
    for b, row in enumerate(rows):
        x = changed(row, said[b], penalties[b], allowed[b], int(last[b]), watermark)
        order, w = left(x, Settings(*(part[b] for part in settings)))
        place = sum(w) * dice(int(seeds[b]), int(places[b])) >> 64
        at = int(np.searchsorted(np.cumsum(w, dtype=np.uint64), place, "right"))
        found.append(int(order[at]) if len(order) else -1)
    return np.array(found, np.int64)


def changed(
    row: Numbers, said: Longs, penalties: Numbers, allowed: Numbers, last: int, watermark: Watermark | None
) -> Numbers:
    """Numbers as they are compared, in the dtype of the row."""
    x, (repetition, presence, frequency) = row.copy(), penalties
    tokens, times = np.unique(said[said >= 0], return_counts=True)
    old = x[tokens]
    x[tokens] = np.where(old > 0, old / repetition, old * repetition) - (presence + frequency * times.astype(row.dtype))
    every = np.arange(len(x))
    if watermark is not None and last >= 0:
        x[watermark.green(last, every)] += row.dtype.type(watermark.boost)
    if len(allowed):
        x[(allowed[every >> 5] >> (every & 31).astype(np.uint32) & np.uint32(1)) == 0] = -np.inf
    return x


def left(x: Numbers, settings: Settings) -> tuple[Longs, list[int]]:
    """The tokens that are left, likeliest first and ties by smaller id, and their weights; none if x is odd."""
    scale, most, part, reach = settings
    if np.isnan(x).any() or np.isinf(x.max()):
        return np.empty(0, np.int64), []
    q = distances(x, float(scale))
    order = np.lexsort((np.arange(len(q)), q))
    order = order[q[order] <= FARTHEST * ONE][: int(most)]
    w: list[int] = weights(q[order]).tolist()
    target = max(1, sum(w) * int(part) >> 32) if part < ONE else math.inf
    before = np.cumsum([0, *w], dtype=np.uint64)[:-1]
    kept = (before < target) & (q[order] <= reach)
    return order[kept], [weight for weight, stays in zip(w, kept, strict=True) if stays]


def distances(x: Numbers, scale: float) -> Words:
    """q of every number, uint64: octaves below the largest, times 2^32."""
    with np.errstate(over="ignore"):
        d = (float(x.max()) - x.astype(np.float64)) * scale
    t = np.where(d < np.inf, np.minimum(d, FARTHEST), CLOSED)
    return (t + SHIFT).view(np.uint64) & np.uint64(MANTISSA)


def weights(q: Words) -> Words:
    """w of every distance: 2^40 · 2^-q, rounded down a little."""
    half, f = np.uint64(32), q & np.uint64(ONE - 1)
    h = np.full(q.shape, HALVING[-1], np.uint64)
    for c in HALVING[-2::-1]:
        h = np.uint64(c) - (f * h >> half)
    return (h << np.uint64(LIFT)) >> np.minimum(q >> half, np.uint64(63))
