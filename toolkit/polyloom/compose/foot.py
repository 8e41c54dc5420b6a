"""The foot of a perpendicular: the nearest point of a region that lies in a plane, and where a function is 0.

    minimise  ‖v − start‖   over a region, where slope · v = slope · start + change

The answer is the nearest point of the region to start + λ · slope for the right λ: how much the slope has gained there
grows with λ, in straight pieces, so that its root is found exactly.
"""

import math
from collections.abc import Callable

import numpy as np

from polyloom.concave import Floats, Region

ROUNDING = 1e-12  # of how far a plane is away
TURNS = 200  # of a search; each gains a binary digit at the worst
FAR = 1e12  # where a search for the other side of a root ends


def foot(region: Region, start: Floats, slope: Floats, change: float) -> Floats | None:
    """The nearest point of the region at which slope · w has changed by so much; None if it cannot."""
    way, wanted = math.copysign(1.0, change) * slope, abs(change)
    if not np.isfinite(way).all() or way @ (region.best(way) - start) < wanted:
        return None

    def above(length: float) -> float:
        return float(way @ (_into(region, start + length * way) - start)) - wanted

    return _into(region, start + root(above, 0.0, -wanted, wanted / float(way @ way), ROUNDING * wanted) * way)


def _into(region: Region, weights: Floats) -> Floats:
    """The nearest point of the region: cut off at its bounds, or at 0 after a shift (Held, Wolfe and Crowder, 1974)."""
    if region.total is None:
        return np.clip(weights, region.low, region.high)
    ordered = np.sort(weights - region.low)[::-1]
    shifts = (np.cumsum(ordered) - (region.total - region.low.sum())) / np.arange(1, len(ordered) + 1)
    return region.low + np.maximum(weights - region.low - shifts[np.flatnonzero(ordered > shifts)[-1]], 0.0)


def root(above: Callable[[float], float], low: float, value: float, step: float, close: float) -> float:
    """Where a growing function is 0, from a place where it is less."""
    while (found := above(low + step)) < -close and low + step < FAR:
        low, value, step = low + step, found, 3 * (low + step)
    return low + step if abs(found) <= close else between(above, (low, value), (low + step, found), close)


def between(above: Callable[[float], float], one: tuple[float, float], two: tuple[float, float], close: float) -> float:
    """Where a function is 0 between two places with values of different signs: false position, as in the Illinois way.

    Where the value at one end is not finite, halves.
    """
    kept = 0
    (a, low), (b, high) = one, two
    at = b
    for _ in range(TURNS):
        at = b - high * (b - a) / (high - low) if math.isfinite(high - low) else (a + b) / 2
        found = above(at)
        if abs(found) <= close or at in (a, b):
            break
        if (found > 0) == (high > 0):
            b, high, low, kept = at, found, low / 2 if kept == 1 else low, 1
        else:
            a, low, high, kept = at, found, high / 2 if kept == -1 else high, -1
    return at
