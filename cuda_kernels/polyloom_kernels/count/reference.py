"""The definitions in NumPy: `count` is a sort and a comparison of neighbours, `merge` a count of two runs at once."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Counted(NamedTuple):
    """The result of `count`: all int64; `keys` and `counts` of shape (U,), `ranks` (N,), or (0,) if unasked."""

    keys: Integers
    counts: Integers
    ranks: Integers


class Merged(NamedTuple):
    """The result of `merge`: all int64; `keys` and `counts` of shape (U,), `ranks_a` (A,), `ranks_b` (B,)."""

    keys: Integers
    counts: Integers
    ranks_a: Integers
    ranks_b: Integers


def count(keys: Integers, ranks: bool = True) -> Counted:
    """Count the distinct values of `keys`, int64 of shape (N,); N may be zero."""
    if not ranks:
        ordered = np.sort(keys)
        starts = np.flatnonzero(_first(ordered))
        return Counted(ordered[starts], np.diff(np.append(starts, len(keys))), np.empty(0, np.int64))
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    first = _first(ordered)
    starts = np.flatnonzero(first)
    found = np.empty(len(keys), np.int64)
    found[order] = np.cumsum(first) - 1
    return Counted(ordered[starts], np.diff(np.append(starts, len(keys))), found)


def merge(keys_a: Integers, counts_a: Integers, keys_b: Integers, counts_b: Integers) -> Merged:
    """Add the counts of two runs whose keys are sorted and distinct."""
    keys, _, ranks = count(np.concatenate([keys_a, keys_b]))
    ranks_a, ranks_b = ranks[: len(keys_a)], ranks[len(keys_a) :]
    counts = np.zeros(len(keys), np.int64)
    counts[ranks_a] += counts_a
    counts[ranks_b] += counts_b
    return Merged(keys, counts, ranks_a, ranks_b)


def pack(major: Integers, minor: Integers, width: int) -> Integers:
    """One key for a pair, ordered by `major` then `minor`; 0 ≤ minor < width, and major·width must stay below 2⁶³."""
    return major * np.int64(width) + minor


def _first(ordered: Integers) -> NDArray[np.bool_]:
    """Where a value differs from the one before it."""
    first = np.ones(len(ordered), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    return first
