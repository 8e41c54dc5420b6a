"""From counts to probabilities: what is derived, and derived again whenever counts change.

Interpolated modified Kneser–Ney for the n-gram chain:

    p_n(y | h) = max(c(h y) − D(c), 0) / c(h)  +  γ(h) · p_{n−1}(y | h without its oldest token),      p_0(y) = 1 / V

The longest order discounts what it counted; a shorter one discounts *continuation counts*, how many different tokens
stood before `h y`, except where only BEGIN can stand there.  Three discounts for each order, from the counts of counts.
Chen and Goodman, "An empirical study of smoothing techniques for language modeling" (1999), section 3.

A skip template has one discount D = n₁ / (n₁ + 2 n₂) (Ney, Essen and Kneser, 1994) and falls back to p_1.
"""

from dataclasses import replace

import numpy as np

from polyloom.association.counts import Counts, Shape, owners, rows_of
from polyloom.documents import Ids
from polyloom.model import Floats
from polyloom_kernels.count import count, pack
from polyloom_kernels.mixture import Level, Store, packed

FALLBACK = np.array([0.0, 0.5, 1.0, 1.5])  # where counts of counts are too odd to go by: those of KenLM
ONE_FALLBACK = 0.75  # the discount of a template where nothing was seen once, or twice


def derived(counts: Counts) -> Store:
    """Everything that is not a raw count, from the raw counts; laid on tapes for the kernels."""
    levels, size = list(counts.levels), counts.vocabulary_size
    order = sum(shape.chained for shape in counts.shapes)
    for n in range(order - 1):
        levels[n] = replace(levels[n], taken=continuation_counts(levels[n], levels[n + 1], size))
    asked = [(shape, level) for shape, level in zip(counts.shapes, levels, strict=True) if shape.asked]
    discounts = np.array([_discounts(shape, taken_of(level)) for shape, level in asked])
    unigram = _unigram(levels[0], discounts[0], size)
    return packed(levels, [shape.parent for shape in counts.shapes], discounts, unigram, order)


def taken_of(level: Level) -> Ids:
    """The counts of a level that are discounted."""
    return rows_of(level)[2] if level.taken is None else level.taken


def continuation_counts(level: Level, longer: Level, size: int) -> Ids:
    """For each entry, how many contexts one token longer had it; its raw count where none did."""
    rows, following, counts = rows_of(level)
    longer_rows, ends, _ = rows_of(longer)
    above = owners(longer.children)[owners(longer_rows)]
    found = count(pack(above, ends.astype(np.int64), size), ranks=False)
    different = counts.astype(np.int64)
    different[np.searchsorted(pack(owners(rows), following.astype(np.int64), size), found.keys)] = found.counts
    return different


def modified(counts: Ids) -> Floats:
    """The discounts of counts 0, 1, 2 and 3 or more, float64 (4,).

    A small text can make an estimate negative; then, too, that discount falls back.  With all of them positive every
    row leaves something for the order below, so that no token is impossible.
    """
    once, twice, thrice, four = np.bincount(np.minimum(counts, 5), minlength=6)[1:5].tolist()
    if not (once and twice and thrice and four):
        return FALLBACK
    y = once / (once + 2 * twice)
    found = np.array([0.0, 1 - 2 * y * twice / once, 2 - 3 * y * thrice / twice, 3 - 4 * y * four / thrice])
    return np.where(found > 0, found, FALLBACK)


def absolute(counts: Ids) -> Floats:
    """One discount for every count, as float64 (4,)."""
    once, twice = np.bincount(np.minimum(counts, 3), minlength=4)[1:3].tolist()
    discount = once / (once + 2 * twice) if once and twice else ONE_FALLBACK
    return np.array([0.0, discount, discount, discount])


def _discounts(shape: Shape, counts: Ids) -> Floats:
    return modified(counts) if shape.chained else absolute(counts)


def _unigram(root: Level, discounts: Floats, size: int) -> Floats:
    """p_1 of every token, float64 (V,)."""
    counts, tokens = taken_of(root), rows_of(root)[1]
    total, freed = max(1.0, float(counts.sum())), discounts[np.minimum(counts, 3)]
    found = np.full(size, float(freed.sum()) / total / size if len(counts) else 1.0 / size)
    found[tokens] += (counts - freed) / total
    return found
