"""The top of a concave quadratic between bounds: what one Newton step aims at.

    maximise  s·d − ½ dᵀ C d   over  low ≤ d ≤ high, and Σ d = 0 where the sum must stay

An active set (Nocedal and Wright, "Numerical Optimization", 2006, section 16.5): what presses against a bound is held
there, the others go to the top of what is left, until no bound should be let go.  It is exact, and for the few dozen
unknowns that a mix has it takes microseconds.  C is (K, K), all else (K,), float64; low ≤ 0 ≤ high.  Where the sum must
stay, nothing is bounded above.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RIDGE = 1e-9, 1e-12  # of each unknown's own curve, and beside it: unknowns that agree leave a direction without a curve
PATIENCE = 10  # exchanges for each unknown; more would mean that bounds are let go and held in a circle


def summit(curve: Floats, slope: Floats, low: Floats, high: Floats, level: bool) -> Floats:
    """The best step, float64 (K,); `level` says that the sum must stay."""
    own = np.maximum(curve.diagonal(), 0.0)
    curve = curve + np.diag(RIDGE[0] * own + RIDGE[1])
    step, held = np.zeros_like(slope), (low >= 0) | (high <= 0)
    for _ in range(PATIENCE * (1 + len(slope))):
        way, price = _way(curve, slope - curve @ step, ~held, level)
        part, stop = _reach(step, way, low, high)
        step = step + part * way
        if stop is not None:
            step[stop], held[stop] = (low if way[stop] < 0 else high)[stop], True
            continue
        pull = (slope - curve @ step - price) * held
        pull = np.where(step <= low, pull, -pull) * (low < high)  # into the bounds
        if not pull.max() > 0:
            break
        held[pull.argmax()] = False
    return step


def _way(curve: Floats, rest: Floats, free: NDArray[np.bool_], level: bool) -> tuple[Floats, float]:
    """To the top for those that are free, and what a unit of the sum is worth there."""
    way, at = np.zeros_like(rest), np.flatnonzero(free)
    scale = 1 / np.sqrt(curve.diagonal()[at])  # curves may differ by many orders of magnitude
    curve, rest = curve[np.ix_(at, at)] * np.outer(scale, scale), rest[at] * scale
    basis = _across(scale) if level and len(at) else np.eye(len(at))
    found = basis @ np.linalg.solve(basis.T @ curve @ basis, basis.T @ rest)
    way[at] = scale * found
    return way, float(scale @ (rest - curve @ found) / (scale @ scale)) if level and len(at) else 0.0


def _across(direction: Floats) -> Floats:
    """An orthonormal basis of what is at right angles to a direction of positive numbers, (n, n − 1) (Householder)."""
    mirror = direction / np.linalg.norm(direction)
    mirror[0] += 1.0
    return (np.eye(len(mirror)) - np.outer(mirror, 2 * mirror / (mirror @ mirror)))[:, 1:]


def _reach(step: Floats, way: Floats, low: Floats, high: Floats) -> tuple[float, int | None]:
    """How much of the way the bounds allow, and which of them stops it."""
    room = np.where(way < 0, low - step, high - step)
    part = np.divide(room, way, out=np.full_like(way, np.inf), where=way != 0)
    stop = int(part.argmin())
    return (max(0.0, float(part[stop])), stop) if part[stop] < 1 else (1.0, None)
