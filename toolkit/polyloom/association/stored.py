"""Counts as arrays in a file, and back: what is stored is exactly the integers, everything else is derived again.

    chain.level N, chain.rows N, chain.counts N        contexts, entries and counts of each order, the unigram being 0
    skip 1+3.level N, skip 1+3.rows, skip 1+3.counts   contexts of each offset from the first on, and the entries

Arrays from a file are not trusted: keys must ascend and stay in range and counts be positive, or FileError says which
is not.  Lookups then never leave an array, whatever the file holds.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom.association.counts import Level, Rows, Trie
from polyloom.association.kneser_ney import KneserNey
from polyloom.association.skip import Skip, Template
from polyloom.association.text import Text
from polyloom.documents import Ids
from polyloom.errors import FileError
from polyloom.files import Arrays
from polyloom.model import Floats

Stored = Mapping[str, NDArray[Any]]


def chain_arrays(chain: KneserNey) -> Arrays:
    """The arrays of an n-gram chain."""
    found: Arrays = {}
    for n, (table, level) in enumerate(zip(chain.tables, chain.trie.levels, strict=True)):
        found |= {
            f"chain.level {n}": level.keys,
            f"chain.rows {n}": table.rows.keys,
            f"chain.counts {n}": table.rows.counts,
        }
    return found


def skip_arrays(skip: Skip) -> Arrays:
    """The arrays of one skip template."""
    rows = skip.table.rows
    levels = {f"{skip.name}.level {n}": level.keys for n, level in enumerate(skip.trie.levels)}
    return {**levels, f"{skip.name}.rows": rows.keys, f"{skip.name}.counts": rows.counts}


def stored_chain(arrays: Stored, order: int, vocabulary_size: int) -> KneserNey:
    """The n-gram chain that `chain_arrays` described."""
    trie = _trie(arrays, "chain", order - 1, vocabulary_size)
    rows = [_rows(arrays, "chain", f" {n}", level, vocabulary_size) for n, level in enumerate(trie.levels)]
    return KneserNey.derive(trie, rows, vocabulary_size)


def stored_skip(arrays: Stored, template: Template, unigram: Floats) -> Skip:
    """The skip template that `skip_arrays` described."""
    name = "skip " + "+".join(map(str, template))
    trie = _trie(arrays, name, len(template), len(unigram))
    return Skip.derive(template, trie, _rows(arrays, name, "", trie.levels[-1], len(unigram)), unigram)


def stored_text(arrays: Stored, vocabulary_size: int) -> Text | None:
    """The text that was kept, if it was."""
    if "text.tokens" not in arrays:
        return None
    tokens, starts = _integers(arrays, "text.tokens"), _ascending(arrays, "text.starts", len(arrays["text.tokens"]))
    if len(tokens) and (tokens.min() < 0 or tokens.max() >= vocabulary_size or not len(starts) or starts[0]):
        raise FileError("The array 'text.tokens' holds tokens that the vocabulary lacks, or starts nowhere.")
    return Text(tokens, starts)


def _trie(arrays: Stored, name: str, depth: int, vocabulary_size: int) -> Trie:
    width = vocabulary_size + 1
    levels: list[Level] = []
    for n in range(depth + 1):
        above = len(levels[-1].keys) if levels else 1
        levels.append(Level(_ascending(arrays, f"{name}.level {n}", above * width if levels else 1), width))
    return Trie(tuple(levels))


def _rows(arrays: Stored, name: str, suffix: str, level: Level, vocabulary_size: int) -> Rows:
    keys = _ascending(arrays, f"{name}.rows{suffix}", len(level.keys) * vocabulary_size)
    counts = _integers(arrays, f"{name}.counts{suffix}")
    if len(counts) != len(keys) or (len(counts) and counts.min() < 1):
        raise FileError(f"The array '{name}.counts{suffix}' does not hold a positive count for each entry.")
    return Rows(keys, counts, len(level.keys), vocabulary_size)


def _ascending(arrays: Stored, name: str, end: int) -> Ids:
    """Integers that ascend strictly from 0 or more to less than `end`."""
    found = _integers(arrays, name)
    if len(found) and (found[0] < 0 or found[-1] >= end or bool((np.diff(found) <= 0).any())):
        raise FileError(f"The array {name!r} does not ascend within 0 … {end - 1}.")
    return found


def _integers(arrays: Stored, name: str) -> Ids:
    found = arrays.get(name)
    if found is None or found.dtype != np.int64 or found.ndim != 1:
        raise FileError(f"The array {name!r} is missing, or is no row of 64-bit integers.")
    return found
