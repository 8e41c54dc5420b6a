"""A lane: a number that changes along a text, drawn through breakpoints.

    value(t) = a + (b − a) · shape((t − t_a) / (t_b − t_a))        between breakpoints (t_a, a) and (t_b, b)

    linear       shape(u) = u
    smoothstep   shape(u) = u² (3 − 2 u)                            starts and ends without a slope

t counts tokens: the value at t is the one that predicts token t.  Token 0 is the first after the prompt that `begin`
was given (`origin="prompt"`), or the first of the text (`origin="text"`); a text that is judged has no prompt, and the
two are the same.  Before the first breakpoint and after the last the value is held.

A lane is a value, and knows nothing of models.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.model import Floats
from polyloom.real import number
from polyloom.whole import whole

SHAPES: dict[str, Callable[[Floats], Floats]] = {"linear": lambda u: u, "smoothstep": lambda u: u * u * (3 - 2 * u)}
ORIGINS = ("prompt", "text")
LATEST = 2**26  # t of a breakpoint: farther apart, floats could not tell a value between two points from that of one


@dataclass(frozen=True)
class Lane:
    """`Lane([(0, 0.0), (200, 1.0)])` rises from 0 to 1 over the first 200 tokens after the prompt.

    `points` are pairs of a whole t of 0 or more, one later than the other, and a finite value.  Raises InputError
    naming what is none of these, for an unknown shape, and for an origin that is neither "prompt" nor "text".
    """

    points: Sequence[tuple[int, float]]
    shape: str = "linear"
    origin: str = "prompt"

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", _checked(self.points))  # as plain tuples, which nobody can change
        for name, value, known in (("shape", self.shape, tuple(SHAPES)), ("origin", self.origin, ORIGINS)):
            if not isinstance(value, str) or value not in known:  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InputError(f"The {name} of a lane must be {' or '.join(map(repr, known))}, got {value!r}.")

    def at(self, t: int | Ids) -> Floats:
        """The values that predict tokens t, float64 of the shape of `t`."""
        times, values = self._knots
        along = np.interp(t, times, np.arange(len(times)))  # 1.5: halfway from the second point to the third
        before = np.floor(along).astype(np.int64)
        after = np.minimum(before + 1, len(times) - 1)
        return values[before] + (values[after] - values[before]) * SHAPES[self.shape](along - before)

    def turns(self) -> list[int]:
        """All t at which the value may begin or cease to be 0: breakpoints, and where it crosses 0 between them."""
        found = {0, *(t for t, _ in self.points)}
        for (start, a), (stop, b) in zip(self.points, self.points[1:], strict=False):
            if min(a, b) < 0 < max(a, b):
                low, high = start, stop
                while high - low > 1:
                    middle = (low + high) // 2
                    low, high = (middle, high) if np.sign(self.at(middle)) == np.sign(a) else (low, middle)
                found.add(high)
        return sorted(found)

    def to_json(self) -> dict[str, Any]:
        """The lane as JSON knows it."""
        return {"points": [list(point) for point in self.points], "shape": self.shape, "origin": self.origin}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "Lane":
        """The lane that `to_json` described; InputError, saying what is wrong, if it is none."""
        if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - comes from outside
            raise InputError(f'Expected a lane such as {{"points": [[0, 0.0], [200, 1.0]]}}, got {given!r}.')
        unknown = sorted(map(str, set(given) - {"points", "shape", "origin"}))
        if unknown or "points" not in given:
            wrong = f"has {unknown[0]!r}" if unknown else "has no points"
            raise InputError(f"A lane is made of points, shape and origin; this one {wrong}.")
        return cls(**given)

    @cached_property
    def _knots(self) -> tuple[Ids, Floats]:
        times, values = zip(*self.points, strict=True)
        return np.array(times, np.int64), np.array(values, np.float64)


def _checked(points: object) -> tuple[tuple[int, float], ...]:
    if not isinstance(points, list | tuple) or not points:
        raise InputError(f"A lane needs breakpoints such as [(0, 0.0), (200, 1.0)], got {points!r}.")
    found: list[tuple[int, float]] = []
    for point in cast("Sequence[object]", points):
        if not isinstance(point, list | tuple) or len(cast("Sequence[object]", point)) != 2:
            raise InputError(f"A breakpoint is a pair (t, value), got {point!r}.")
        t, value = cast("Sequence[object]", point)
        at = whole("The t of a breakpoint", t, 0, LATEST)
        height = number(value)
        if not math.isfinite(height):
            raise InputError(f"The value of a lane at t = {at} must be a finite number, got {value!r}.")
        if found and at <= found[-1][0]:
            raise InputError(f"Breakpoints come one after the other: t = {at} follows t = {found[-1][0]}.")
        if found and not math.isfinite(height - found[-1][1]):
            raise InputError(f"A lane cannot lead from {found[-1][1]:g} to {height:g}: no float holds the difference.")
        found.append((at, height))
    return tuple(found)
