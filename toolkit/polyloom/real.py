"""Real numbers that callers give: taken as a float, or refused with the caller's own word for them."""

import math
from numbers import Real

from polyloom.errors import InputError


def real(name: str, value: object, least: float, most: float = math.inf) -> float:
    """`value` as a float; InputError if it is no finite number, or not from `least` to `most`.

    Integers and the numbers of NumPy will do; True and "2" will not.
    """
    found = number(value)
    if not (math.isfinite(found) and least <= found <= most):
        reach = f"of {least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"
        raise InputError(f"{name} must be a finite number {reach}, got {value!r}.")
    return found


def number(value: object) -> float:
    """`value` as a float, NaN if it is no real number, or an integer that no float can hold."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan
