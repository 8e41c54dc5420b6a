"""Real numbers that callers give: taken as a float, or refused with the caller's own word for them."""

import math
from numbers import Real

from polyloom.errors import InputError


def real(name: str, value: object, least: float, most: float = math.inf) -> float:
    """`value` as a float; InputError if it is no finite number, or not from `least` to `most`.

    Integers and the numbers of NumPy will do; True and "2" will not.
    """
    number = float(value) if not isinstance(value, bool) and isinstance(value, Real) else math.nan
    if not (math.isfinite(number) and least <= number <= most):
        reach = f"of {least:g} or more" if most == math.inf else f"from {least:g} to {most:g}"
        raise InputError(f"{name} must be a finite number {reach}, got {value!r}.")
    return number
