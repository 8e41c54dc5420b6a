"""The definition of `count` in NumPy: a sort and a comparison of neighbours."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Counted(NamedTuple):
    """The result of `count`: all int64; `keys` and `counts` of shape (U,), `ranks` of shape (N,)."""

    keys: Integers
    counts: Integers
    ranks: Integers


def count(keys: Integers) -> Counted:
    """Count the distinct values of `keys`, int64 of shape (N,); N may be zero."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = np.ones(len(keys), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    starts = np.flatnonzero(first)
    ranks = np.empty(len(keys), np.int64)
    ranks[order] = np.cumsum(first) - 1
    return Counted(ordered[starts], np.diff(np.append(starts, len(keys))), ranks)


def pack(major: Integers, minor: Integers, width: int) -> Integers:
    """One key for a pair, ordered by `major` then `minor`; 0 ≤ minor < width, and major·width must stay below 2⁶³."""
    return major * np.int64(width) + minor
