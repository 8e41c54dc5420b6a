"""From counts to probabilities: what is derived, and derived again whenever counts change.

Interpolated modified Kneser–Ney for the n-gram chain:

    p_n(y | h) = max(c(h y) − D(c), 0) / c(h)  +  γ(h) · p_{n−1}(y | h without its oldest token),      p_0(y) = 1 / V

The longest order discounts what it counted; a shorter one discounts *continuation counts*, how many different tokens
stood before `h y`, except where only BEGIN can stand there.  Three discounts for each order, from the counts of counts.
Chen and Goodman, "An empirical study of smoothing techniques for language modeling" (1999), section 3.

A skip template has one discount D = n₁ / (n₁ + 2 n₂) (Ney, Essen and Kneser, 1994) and falls back to p_1.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from polyloom.association.counts import Array, Counts, Shape, owners, rows_of
from polyloom.documents import Ids
from polyloom.model import Floats
from polyloom_kernels.count import count, pack
from polyloom_kernels.mixture import Level, Store, packed
from polyloom_kernels.mixture.store import Recorder

FALLBACK = np.array([0.0, 0.5, 1.0, 1.5])  # where counts of counts are too odd to go by: those of KenLM
ONE_FALLBACK = 0.75  # the discount of a template where nothing was seen once, or twice


def derived(counts: Counts) -> Store:
    """Everything that is not a raw count, from the raw counts; laid on tapes for the kernels."""
    levels = with_continuations(counts)
    tallies = [tally(taken_of(level)) for shape, level in zip(counts.shapes, levels, strict=True) if shape.asked]
    return laid(counts.shapes, levels, tallies, counts.vocabulary_size)


def laid(
    shapes: Sequence[Shape],
    levels: Sequence[Level],
    tallies: Sequence[Ids],
    size: int,
    tape: Callable[[type[np.generic]], Recorder] | None = None,
) -> Store:
    """Levels with their continuation counts on tapes; `tallies` are the counts of counts of each table."""
    asked = [shape for shape in shapes if shape.asked]
    discounts = np.array([_discounts(shape, found) for shape, found in zip(asked, tallies, strict=True)])
    order = sum(shape.chained for shape in shapes)
    unigram = _unigram(levels[0], discounts[0], size)
    return packed(levels, [shape.parent for shape in shapes], discounts, unigram, order, tape)


def with_continuations(counts: Counts, first: int = 0) -> list[Level]:
    """The levels, those of the chain from `first` on with continuation counts, all but the longest."""
    levels = list(counts.levels)
    for n in range(first, sum(shape.chained for shape in counts.shapes) - 1):
        found = continuation_counts(levels[n], levels[n + 1], counts.vocabulary_size)
        levels[n] = replace(levels[n], taken=found)
    return levels


def taken_of(level: Level) -> Ids:
    """The counts of a level that are discounted."""
    return rows_of(level)[2] if level.taken is None else level.taken


def continuation_counts(level: Level, longer: Level, size: int) -> Ids:
    """For each entry, how many contexts one token longer had it; its raw count where none did.

    In counts of text every entry of a longer context is one of the shorter context, too.  What is left of counts after
    `a & b` was taken away may lack that one; then nothing is counted for it.
    """
    rows, following, counts = rows_of(level)
    longer_rows, ends, _ = rows_of(longer)
    above = owners(longer.children)[owners(longer_rows)]
    found = count(pack(above, ends.astype(np.int64), size), ranks=False)
    different = counts.astype(np.int64)
    keys = pack(owners(rows), following.astype(np.int64), size)
    at = np.searchsorted(keys, found.keys)
    there = keys.take(at, mode="clip") == found.keys if len(keys) else np.zeros(len(at), np.bool_)
    different[at[there]] = found.counts[there]
    return different


def modified(counts: Ids) -> Floats:
    """The discounts of counts 0, 1, 2 and 3 or more, float64 (4,).

    A small text can make an estimate negative; then, too, that discount falls back.  With all of them positive every
    row leaves something for the order below, so that no token is impossible.
    """
    return _modified(tally(counts))


def absolute(counts: Ids) -> Floats:
    """One discount for every count, as float64 (4,)."""
    return _absolute(tally(counts))


def tally(counts: Array) -> Ids:
    """How many counts are 0, 1, 2, 3, 4, and 5 or more; int64 (6,)."""
    return np.bincount(np.minimum(counts, 5), minlength=6)


def _modified(tally: Ids) -> Floats:
    once, twice, thrice, four = tally[1:5].tolist()
    if not (once and twice and thrice and four):
        return FALLBACK
    y = once / (once + 2 * twice)
    found = np.array([0.0, 1 - 2 * y * twice / once, 2 - 3 * y * thrice / twice, 3 - 4 * y * four / thrice])
    return np.where(found > 0, found, FALLBACK)


def _absolute(tally: Ids) -> Floats:
    once, twice = tally[1:3].tolist()
    discount = once / (once + 2 * twice) if once and twice else ONE_FALLBACK
    return np.array([0.0, discount, discount, discount])


def _discounts(shape: Shape, tally: Ids) -> Floats:
    return _modified(tally) if shape.chained else _absolute(tally)


def _unigram(root: Level, discounts: Floats, size: int) -> Floats:
    """p_1 of every token, float64 (V,)."""
    counts, tokens = taken_of(root), rows_of(root)[1]
    total, freed = max(1.0, float(counts.sum())), discounts[np.minimum(counts, 3)]
    found = np.full(size, float(freed.sum()) / total / size if len(counts) else 1.0 / size)
    found[tokens] += (counts - freed) / total
    return found
