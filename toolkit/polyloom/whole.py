"""Whole numbers that callers give: taken as what they are, or refused with the caller's own word for them."""

import operator

from polyloom.errors import InputError


def whole(name: str, value: object, least: int, most: int | None = None) -> int:
    """`value` as an int; InputError if it is no whole number, or not from `least` to `most`.

    Integers of NumPy are whole numbers; True, 2.0 and "2" are not.
    """
    reach = f"from {least} to {most}" if most is not None else f"of at least {least}"
    try:
        found = operator.index(value)  # pyright: ignore[reportArgumentType] - what has no index raises
    except TypeError:
        found = None
    if found is None or isinstance(value, bool) or found < least or (most is not None and found > most):
        raise InputError(f"{name} must be a whole number {reach}, got {value!r}.")
    return found
