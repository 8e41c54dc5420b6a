"""The nearest weights at which a concave function has a given value.

    minimise  ‖w − start‖   over a region, where F(w) = target          F concave, K weights

*Upwards*, the weights with F ≥ target are a convex set.  For a price λ, L(w) = λ (F(w) − target) − ½ ‖w − start‖² is
concave and its top has F the larger, the larger λ; the right price is where it is the target.  No w with F ≥ target is
nearer than √(−2 max L), whatever λ: a proof (Lagrange; Boyd and Vandenberghe, "Convex Optimization", 2004, chapter 5).

*Downwards*, they are no convex set, and what is found is nearest among its neighbours.  But F lies below its tangents:
a plane that touches F at the target has only weights with F ≤ target beyond it.  The nearest point beyond the plane is
therefore nearer than the point of contact; the way back from it to the start crosses the target once, nearer still, and
there the next plane touches (Yuille and Rangarajan, "The concave-convex procedure", 2003).  Where F is flat, a function
of one linear form, the first such plane holds all weights with F = target, and both directions are exact.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np

from polyloom.compose.foot import TURNS, between, foot, root
from polyloom.concave import Floats, Point, Region, maximise

CLOSE = 1e-8  # of F: so near to the target, it is met
ROUNDING = 1e-12  # of F: where two places differ by less, the search along a line ends
SAME = 1e-6  # of the way: planes that bring less than this are enough
INSIDE = 0.01  # of an even mix, from which a search starts: on the edge of the region the slope may be without bound
CORNERS = 2**12  # of a region that are all tried
WAYS = 4  # corners that a search downwards sets out for


@dataclass(frozen=True)
class Nearest:
    """Weights (K,), F there, and how far they are from the start; no weights with F as asked are nearer than `least`.

    `most` is the furthest that F was seen to go towards the target, `bound` what it certainly does not pass, perhaps
    without bound: past it, the target is out of reach.  If it is not `reached`, the weights are those of `most`.
    """

    weights: Floats
    value: float
    reached: bool
    most: float
    bound: float
    distance: float = 0.0
    least: float = 0.0


def nearest_weights(
    judge: Callable[[Floats], Point], start: Floats, target: float, region: Region, flat: bool
) -> Nearest:
    """The nearest weights at which F is the target, or those that come closest to it."""
    here = judge(start)
    up = target > here.value
    ends, bound = _highest(judge, start, region) if up else _lowest(judge, here, target, region)
    far = ends[0]
    short = target - far.value if up else far.value - target
    found = Nearest(far.weights, far.value, short <= CLOSE, far.value, bound)
    if abs(here.value - target) <= CLOSE:
        return replace(found, weights=start, value=here.value, reached=True)
    if short > CLOSE:
        return _at(found, far, start)
    if up and not flat:
        point, least = _priced(judge, start, target, region)
    else:
        touched = (_touching(judge, here, target, region, way) for way in _ways(here, target, region, ends))
        point = min(touched, key=lambda one: float(np.linalg.norm(one.weights - start)))
        least = float(np.linalg.norm(point.weights - start)) if flat else 0.0
    return _at(found, point, start, least)


def _at(found: Nearest, point: Point, start: Floats, least: float = 0.0) -> Nearest:
    distance = float(np.linalg.norm(point.weights - start))
    return replace(found, weights=point.weights, value=point.value, distance=distance, least=min(least, distance))


def _highest(judge: Callable[[Floats], Point], start: Floats, region: Region) -> tuple[list[Point], float]:
    """Where F is highest, and what it certainly does not pass."""
    top = maximise(judge, _inside(start, region), region)
    point = judge(top.weights)
    corner = judge(region.best(point.slope))
    return [max(point, corner, key=lambda one: one.value)], top.objective + top.gain


def _lowest(judge: Callable[[Floats], Point], here: Point, target: float, region: Region) -> tuple[list[Point], float]:
    """Corners, from the lowest, and what F certainly does not pass: a concave function is least at one of them.

    In a box, which has many, the one that lies deepest along the slope will do if it is past the target.
    """
    if region.total is None and (deep := judge(region.best(-here.slope))).value <= target:
        return [deep], -math.inf
    corners = list(itertools.islice(_corners(region), CORNERS + 1))
    found = sorted(map(judge, corners[:CORNERS]), key=lambda point: point.value)
    return found, found[0].value if len(corners) <= CORNERS else -math.inf


def _corners(region: Region) -> Iterator[Floats]:
    if region.total is None:
        yield from map(np.array, itertools.product(*zip(region.low.tolist(), region.high.tolist(), strict=True)))
    else:
        yield from region.low + (region.total - region.low.sum()) * np.eye(len(region.low))


def _inside(start: Floats, region: Region) -> Floats:
    return start if region.total is None else (1 - INSIDE) * start + INSIDE * region.total / len(start)


def _priced(judge: Callable[[Floats], Point], start: Floats, target: float, region: Region) -> tuple[Point, float]:
    """The nearest point with F at the target or above, and how near any such point can be at most."""
    size = len(start)
    tops: dict[float, tuple[Point, float]] = {0.0: (judge(_inside(start, region)), 0.0)}

    def above(price: float) -> float:
        """F − target at the top of L, which is divided by the price so that its unit is that of F."""

        def priced(weights: Floats) -> Point:
            point, way = judge(weights), weights - start
            value = point.value - 0.5 * float(way @ way) / price
            return Point(weights, value, point.slope - way / price, point.curve + np.eye(size) / price)

        known = min(tops, key=lambda other: abs(other - price))
        top = maximise(priced, tops[known][0].weights, region, 1e-3 * CLOSE)
        tops[price] = judge(top.weights), price * (top.objective + top.gain - target)
        return tops[price][0].value - target

    here = judge(start)
    near = foot(region, start, here.slope, target - here.value)  # as if F had no curve: not far enough
    step = 1.0 if near is None else float(np.sum((near - start) ** 2)) / (target - here.value)
    price = root(above, 0.0, here.value - target, step, CLOSE)
    point, most = tops[price]
    return point, math.sqrt(max(0.0, -2 * most))


def _ways(here: Point, target: float, region: Region, ends: list[Point]) -> Iterator[Floats]:
    """Where to go first, past the target: where F shall fall, to its own tangent, and to the nearest corners."""
    start, up = here.weights, target > here.value
    plane = None if up else foot(region, start, here.slope, target - here.value)
    if plane is not None:
        yield plane
    past = [end for end in ends if up or end.value <= target]
    past.sort(key=lambda end: float(np.linalg.norm(end.weights - start)))
    yield from (end.weights for end in past[:WAYS])


def _touching(judge: Callable[[Floats], Point], here: Point, target: float, region: Region, beyond: Floats) -> Point:
    """A point with F at the target such that none of its neighbours past it is nearer, found from one `beyond`."""
    start = here.weights
    best = _crossed(judge, here, beyond, target)
    for _ in range(TURNS):
        plane = foot(region, start, best.slope, float(best.slope @ (best.weights - start)))
        if plane is None:
            break
        found = _crossed(judge, here, plane, target)
        before, now = np.linalg.norm(best.weights - start), np.linalg.norm(found.weights - start)
        best = found if now < before else best
        if now >= (1 - SAME) * before:
            break
    return best


def _crossed(judge: Callable[[Floats], Point], here: Point, end: Floats, target: float) -> Point:
    """Where the way from here to an end past the target meets it."""
    way, point = end - here.weights, judge(end)

    def above(part: float) -> float:
        return judge(here.weights + part * way).value - target

    if here.value < target < point.value - ROUNDING:  # upwards, where F is flat
        ends = (0.0, here.value - target), (1.0, point.value - target)
        return judge(here.weights + between(above, *ends, ROUNDING) * way)
    part, rise = 1.0, float(point.slope @ way)
    while here.value > target > point.value + ROUNDING and rise < 0:  # Newton's steps from below never pass a target
        part = max(0.0, part + (target - point.value) / rise)
        point = judge(here.weights + part * way)
        rise = float(point.slope @ way)
    return point
