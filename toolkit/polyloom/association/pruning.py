"""Smaller tables: rare counts left out, long rows cut.  What is left is another model, and says so itself.

Discounts and continuation counts are those of the full counts, as when n-gram models are usually pruned (Stolcke,
"Entropy-based pruning of backoff language models", 1998, section 2); rows are normalised anew over what they keep, so
distribution, likeliest tokens and explanations all read the same smaller tables.  The unigram is never touched.  Which
counts are missing is not kept, so a pruned model neither merges nor subtracts.
"""

from dataclasses import replace

import numpy as np

from polyloom.association.counts import Array, Counts, owners, rows_of, starts_of, swept
from polyloom.association.derived import taken_of
from polyloom_kernels.mixture import Level, Store, packed


def pruned(store: Store, counts: Counts, minimum: int, cap: int | None) -> Store:
    """Keep counts of at least `minimum` where the context is two tokens or more, and the `cap` largest of each row."""
    levels = [counts.levels[0], *(_cut(level, minimum, cap) for level in counts.levels[1:])]
    kept = swept(Counts(counts.shapes, tuple(levels), counts.vocabulary_size))
    parents = [shape.parent for shape in counts.shapes]
    return packed(kept.levels, parents, store.discounts, store.unigram, store.order)


def _cut(level: Level, minimum: int, cap: int | None) -> Level:
    if level.rows is None:
        return level
    rows, following, counts = rows_of(level)
    stays = np.ones(len(counts), np.bool_) if len(level.path) < 2 else counts >= minimum
    if cap is not None:
        stays &= _rank(owners(rows), counts) < cap
    left = starts_of(owners(rows)[stays], len(level.tokens))
    taken = None if level.taken is None else taken_of(level)[stays]
    return replace(level, rows=left, next=following[stays], counts=counts[stays], taken=taken)


def _rank(row: Array, counts: Array) -> Array:
    """The place of each entry in its row by falling count; ties in the order of their tokens."""
    order = np.lexsort((-counts.astype(np.int64), row))
    at = np.arange(len(row))
    first = np.ones(len(row), np.bool_)
    first[1:] = row[1:] != row[:-1]  # rows stand together, before and after
    found = np.empty(len(row), np.int64)
    found[order] = at - np.maximum.accumulate(np.where(first, at, 0))
    return found
