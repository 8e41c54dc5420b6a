"""The top of a concave function of a few weights, by Newton steps; and a proof of how far below it they stopped.

    maximise  F(w)   over a region:  low ≤ w ≤ high, and Σ w = total where that is given

A round looks for the top of the quadratic that has F's value, slope and curve (`quadratic`: sequential quadratic
programming), and goes there, or half the way, or a quarter, until F is higher.  Since F lies below its tangents,
F(v) − F(w) ≤ max over the region of slope · (v − w): the duality gap of Frank and Wolfe ("An algorithm for quadratic
programming", 1956), which says when to stop and what others may at most gain.

Here K is the number of weights.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyloom.quadratic import summit

Floats = NDArray[np.float64]

ROUNDS = 200
TOLERANCE = 1e-9  # of F
ROUNDING = 1e-12  # of F: near the top it moves less than it rounds, and the gap judges alone
ENOUGH = 1e-4  # of what the tangent promises must come true
HALVINGS = 40


@dataclass(frozen=True)
class Point:
    """Weights (K,), F there, its slope (K,), and its curve (K, K): minus the second derivative."""

    weights: Floats
    value: float
    slope: Floats
    curve: Floats


@dataclass(frozen=True)
class Optimum:
    """Weights float64 (K,), F there, the most that any others in the region gain on them, and the rounds it took."""

    weights: Floats
    objective: float
    gain: float
    rounds: int


@dataclass(frozen=True)
class Region:
    """Where weights may be: from `low` to `high`, both (K,); with a `total`, no bound above is needed or looked at.

    Near 0 the logarithm of a weight is unlike any quadratic.  A step leaves each weight `kept` of what it has; it can
    still become 0 in the limit.
    """

    low: Floats
    high: Floats
    total: float | None = None
    kept: float = 0.0

    def gap(self, point: Point) -> float:
        """The most that F can still gain, by its tangent."""
        return float(point.slope @ (self.best(point.slope) - point.weights))

    def best(self, slope: Floats) -> Floats:
        """The corner that is highest along a slope."""
        if self.total is None:
            return np.where(slope > 0, self.high, self.low)
        found = self.low.copy()
        found[slope.argmax()] += self.total - self.low.sum()
        return found

    def into(self, weights: Floats) -> Floats:
        """The same, but for what rounding put outside."""
        if self.total is None:
            return np.clip(weights, self.low, self.high)
        above = np.maximum(weights - self.low, 0.0)
        return self.low + above * ((self.total - self.low.sum()) / above.sum())

    def step(self, point: Point) -> Floats:
        """Where a Newton step goes."""
        least = np.maximum(self.low, self.kept * point.weights) - point.weights
        most = np.full_like(least, np.inf) if self.total is not None else self.high - point.weights
        return summit(point.curve, point.slope, least, most, self.total is not None)


def simplex(size: int, kept: float = 0.0) -> Region:
    """Weights of 0 or more that sum to 1."""
    return Region(np.zeros(size), np.ones(size), 1.0, kept)


def maximise(judge: Callable[[Floats], Point], start: Floats, region: Region, enough: float = TOLERANCE) -> Optimum:
    """The top of a concave function, from a start in the region where it is finite; never below its value there.

    It stops where the rest of the region gains at most `enough`, or where rounding leaves no step that helps.
    """
    first = point = judge(start)
    rounds = 0
    while region.gap(point) > enough and rounds < ROUNDS:
        rounds += 1
        found = _climbed(judge, point, region)
        if found is None:
            break
        point = found
    point = first if first.value > point.value else point
    return Optimum(point.weights, point.value, max(0.0, region.gap(point)), rounds)


def _climbed(judge: Callable[[Floats], Point], point: Point, region: Region) -> Point | None:
    """A higher point, by a step that is halved until it helps; None if rounding leaves no step that does."""
    step, before = region.step(point), region.gap(point)
    for halving in range(HALVINGS):
        weights = region.into(point.weights + 0.5**halving * step)
        if np.array_equal(weights, point.weights):
            return None
        found = judge(weights)
        if found.value >= point.value + ENOUGH * float(point.slope @ (weights - point.weights)):
            return found
        if found.value >= point.value - ROUNDING and region.gap(found) < before:
            return found
    return None
