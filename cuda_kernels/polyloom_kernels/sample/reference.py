"""The definition of `sample` in NumPy: everything sorted, and sums of whole numbers along the order."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.sample.asked import Asked
from polyloom_kernels.sample.weights import (
    CLOSED,
    FARTHEST,
    HALVING,
    LIFT,
    MANTISSA,
    ONE,
    SHIFT,
    Longs,
    Reals,
    Settings,
    Words,
    dice,
)

Numbers = NDArray[Any]


def sample(rows: Numbers, asked: Asked) -> tuple[Longs, Reals]:
    """The token of each row, −1 for a row that is no distribution, and how likely it was; see `operation.sample`."""
    found, chances = list[int](), list[float]()
    for b, row in enumerate(rows):
        order, w = left(changed(row, asked, b), Settings(*(part[b] for part in asked.settings)))
        place = sum(w) * dice(int(asked.seeds[b]), int(asked.places[b])) >> 64
        at = int(np.searchsorted(np.cumsum(w, dtype=np.uint64), place, "right"))
        found.append(int(order[at]) if len(order) else -1)
        chances.append(float(w[at]) / float(sum(w)) if len(order) else 0.0)
    return np.array(found, np.int64), np.array(chances)


def changed(row: Numbers, asked: Asked, b: int) -> Numbers:
    """The numbers of row b as they are compared, in the dtype of the row."""
    x, said, allowed, mark = row.copy(), asked.spoken[b], asked.allowed[b], asked.watermark
    repetition, presence, frequency = asked.penalties[b]
    tokens, times = np.unique(said[said >= 0], return_counts=True)
    old, every = x[tokens], np.arange(len(x))
    x[tokens] = np.where(old > 0, old / repetition, old * repetition) - (presence + frequency * times.astype(x.dtype))
    if mark is not None and asked.last[b] >= 0:
        x[mark.green(int(asked.last[b]), every)] += x.dtype.type(mark.boost)
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
