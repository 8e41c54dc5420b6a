"""Two runs of counts as one: what becomes of a key that both have, or one alone.

    added         a + b           counts of two texts
    taken_away    a − b           of one text without another; below zero where that was no part of it
    smaller       min(a, b)       what both have: the intersection of multisets
    larger        max(a, b)       what either has: their union

A run is a pair of keys, ascending and distinct, and counts, both int64 (n,); a key that it lacks counts 0.  A result
has the keys of both, even those that come to 0: the caller decides.  The first two make counts of texts out of counts
of texts.  The others do not: min(a, b) "the moon" may be less than the sum of what follows "the moon" in both, and no
text has such counts.  They are exact all the same, count by count, and obey the laws of a distributive lattice:

    smaller(a, b) + larger(a, b) = a + b         a + smaller(b, c) = smaller(a + b, a + c)
"""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from polyloom.documents import Ids
from polyloom_kernels.count import merge

Run: TypeAlias = tuple[Ids, Ids]
Join: TypeAlias = Callable[[Run, Run], Run]


def added(ours: Run, theirs: Run) -> Run:
    """The sum."""
    keys, counts, *_ = merge(*ours, *theirs)
    return keys, counts


def taken_away(ours: Run, theirs: Run) -> Run:
    """The difference."""
    keys, counts, *_ = merge(*ours, theirs[0], -theirs[1])
    return keys, counts


def smaller(ours: Run, theirs: Run) -> Run:
    """The smaller of both counts."""
    keys, mine, others = _aligned(ours, theirs)
    return keys, np.minimum(mine, others)


def larger(ours: Run, theirs: Run) -> Run:
    """The larger of both counts."""
    keys, mine, others = _aligned(ours, theirs)
    return keys, np.maximum(mine, others)


def _aligned(ours: Run, theirs: Run) -> tuple[Ids, Ids, Ids]:
    """All keys, and the count of each in either run."""
    merged = merge(*ours, *theirs)
    mine, others = np.zeros((2, len(merged.keys)), np.int64)
    mine[merged.ranks_a], others[merged.ranks_b] = ours[1], theirs[1]
    return merged.keys, mine, others
