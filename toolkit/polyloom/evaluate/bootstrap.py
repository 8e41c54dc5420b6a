"""Confidence intervals by the bootstrap (Efron, 1979): what if other texts of the same kind had been drawn?

Units of text are drawn with replacement, as many as there are, a thousand times over; a figure is worked out from each
draw, and its interval is where 95 % of them lie.  Units are sums, so that a draw is a matrix product.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DRAWS = 1000
LEVEL = 0.95
AT_ONCE = 2**22  # weights held together


def draws(units: Floats, seed: int) -> Floats:
    """Sums of units (U, C), drawn anew: (DRAWS, C)."""
    return np.concatenate([weights @ units for weights in _weights(len(units), np.random.default_rng(seed))])


def interval(values: Floats) -> tuple[float, float]:
    """Where the middle 95 % of values lie, infinite ones included."""
    ordered, outside = np.sort(values), (1 - LEVEL) / 2 * (len(values) - 1)
    return float(ordered[int(np.floor(outside))]), float(ordered[int(np.ceil(len(values) - 1 - outside))])


def _weights(units: int, random: np.random.Generator) -> Iterator[Floats]:
    """How often each unit is drawn, some draws at a time, (n, U)."""
    left = DRAWS
    while left:
        now = min(left, max(1, AT_ONCE // units))
        picked = random.integers(0, units, (now, units)) + units * np.arange(now)[:, None]
        yield np.bincount(picked.ravel(), minlength=now * units).reshape(now, units).astype(np.float64)
        left -= now
