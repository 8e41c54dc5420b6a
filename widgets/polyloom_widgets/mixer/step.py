"""One state of the faders, as it is kept for undo: weights, who is muted, who is soloed, in the order of the layers."""

import math
from collections.abc import Sequence
from typing import Any, TypedDict, cast

from polyloom.errors import InputError

KEPT = 200  # states that undo remembers


class Step(TypedDict):
    """What one step of the history holds; each list has one entry for each layer."""

    weights: list[float]
    muted: list[bool]
    soloed: list[bool]


def plain(weights: Sequence[float]) -> Step:
    """These weights, with nobody muted or soloed."""
    return {"weights": list(map(float, weights)), "muted": [False] * len(weights), "soloed": [False] * len(weights)}


def effective(step: Step) -> list[float]:
    """The weights that sound: 0 for a layer that is muted, or not soloed while another one is."""
    solo = any(step["soloed"])
    rows = zip(step["weights"], step["muted"], step["soloed"], strict=True)
    return [0.0 if muted or (solo and not soloed) else weight for weight, muted, soloed in rows]


def following(step: Step, weights: Sequence[float]) -> Step:
    """The step that sounds like `weights`; layers that were silenced and stay silent keep their weight and stay so."""
    pairs = zip(step["weights"], effective(step), weights, strict=True)
    kept: Step = {**step, "weights": [old if new == 0 == sounding else float(new) for old, sounding, new in pairs]}
    return kept if effective(kept) == list(weights) else plain(weights)


def checked(step: object, layers: int) -> Step:
    """A step as it came from outside; InputError if it is not one for this many layers."""
    if not isinstance(step, dict):
        raise InputError(f"Expected a step with weights, muted and soloed, got {type(step).__name__}.")
    given = cast("dict[str, Any]", step)
    for name in ("weights", "muted", "soloed"):
        if not isinstance(given.get(name), list) or len(given[name]) != layers:
            raise InputError(f"Expected {name!r} as a list with an entry for each of {layers} layers.")
    return {
        "weights": [_weight(value) for value in given["weights"]],
        "muted": [bool(value) for value in given["muted"]],
        "soloed": [bool(value) for value in given["soloed"]],
    }


def _weight(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise InputError(f"A weight must be a finite number of 0 or more, got {value!r}.")
    return float(value)
