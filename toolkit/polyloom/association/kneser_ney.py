"""Interpolated modified Kneser–Ney: the n-gram chain of an association model.

    p_n(y | h) = max(c(h y) − D(c), 0) / c(h)  +  γ(h) · p_{n−1}(y | h without its oldest token),      p_0(y) = 1 / V

The longest order discounts what it counted; a shorter one discounts *continuation counts*, how many different tokens
stood before `h y`, except where only BEGIN can stand there.  Three discounts for each order, from the counts of counts.
Chen and Goodman, "An empirical study of smoothing techniques for language modeling" (1999), section 3.
"""

import math
from dataclasses import dataclass

import numpy as np

from polyloom.association.counts import Level, Rows, Trie, count_rows
from polyloom.association.table import Table
from polyloom.association.text import Places
from polyloom.documents import Ids
from polyloom.model import Floats

FALLBACK = np.array([0.0, 0.5, 1.0, 1.5])  # where counts of counts are too odd to go by: those of KenLM


@dataclass(frozen=True)
class KneserNey:
    """Orders 1 to `order` over one trie; all calls take places and are vectorised."""

    trie: Trie
    tables: tuple[Table, ...]  # by order, unigram first
    vocabulary_size: int
    name: str = "n-gram"

    @classmethod
    def count(cls, places: Places, targets: Ids, order: int, vocabulary_size: int) -> "KneserNey":
        """Count a text; `places` are those of its `targets`."""
        columns = (places.in_order(offset) for offset in range(1, order))
        trie, nodes = Trie.build(columns, len(places), vocabulary_size + 1)
        rows = [count_rows(at, targets, level, vocabulary_size) for at, level in zip(nodes, trie.levels, strict=True)]
        return cls.derive(trie, rows, vocabulary_size)

    @classmethod
    def derive(cls, trie: Trie, rows: list[Rows], vocabulary_size: int) -> "KneserNey":
        """Everything that is not a raw count, from the raw counts."""
        shorter = zip(rows, rows[1:], trie.levels[1:], strict=False)
        counts = [*(continuation_counts(*three) for three in shorter), rows[-1].counts]
        tables = (Table.discount(row, taken, modified(taken)) for row, taken in zip(rows, counts, strict=True))
        return cls(trie, tuple(tables), vocabulary_size)

    @property
    def order(self) -> int:
        """The length of the longest n-gram."""
        return len(self.tables)

    def nodes(self, places: Places) -> list[Ids]:
        """The context of each place at each order, -1 where it was never seen."""
        return self.trie.walk([places.in_order(offset) for offset in range(1, self.order)], len(places))

    def unigram(self) -> Floats:
        """p_1 of every token, float64 (V,): what the skips fall back to."""
        return self.tables[0].spread(np.zeros(1, np.int64), self._uniform())[0]

    def chance(self, places: Places, targets: Ids) -> Floats:
        """p of each target, float64 (n,)."""
        found = np.full(len(targets), 1.0 / self.vocabulary_size)
        for table, nodes in zip(self.tables, self.nodes(places), strict=True):
            found = table.chance(nodes, targets, found)
        return found

    def spread(self, places: Places) -> Floats:
        """p of every token at each place, float64 (n, V)."""
        dense = self._uniform()
        for table, nodes in zip(self.tables, self.nodes(places), strict=True):
            dense = table.spread(nodes, dense)
        return dense

    def orders(self, place: Places, token: int) -> list[tuple[float, int, int, int]]:
        """For one place, longest order first: what each order adds to p(token), its node, entry and table number.

        The last is the uniform floor, with node and entry -1.  Orders whose context was never seen add zero.
        """
        nodes = [int(at[0]) for at in self.nodes(place)]
        lefts = [self.tables[n].left[node] if node >= 0 else 1.0 for n, node in enumerate(nodes)]
        found: list[tuple[float, int, int, int]] = []
        for n in reversed(range(self.order)):
            entry = int(self.tables[n].rows.find(np.array([nodes[n]]), np.array([token]))[0])
            share = float(self.tables[n].share[entry]) if entry >= 0 else 0.0
            found.append((math.prod(lefts[n + 1 :]) * share, nodes[n], entry, n))
        return [*found, (math.prod(lefts) / self.vocabulary_size, -1, -1, -1)]

    def _uniform(self) -> Floats:
        return np.full((1, self.vocabulary_size), 1.0 / self.vocabulary_size)


def continuation_counts(rows: Rows, longer: Rows, contexts: Level) -> Ids:
    """For each entry, how many contexts one token longer had it; its raw count where none did."""
    ending = np.bincount(rows.find(contexts.parents()[longer.contexts], longer.keys % longer.vocabulary_size))
    different = np.zeros(len(rows.keys), np.int64)
    different[: len(ending)] = ending
    return np.where(different > 0, different, rows.counts)


def modified(counts: Ids) -> Floats:
    """The discounts of counts 0, 1, 2 and 3 or more, float64 (4,).

    A small text can make an estimate negative; then, too, that discount falls back.  With all of them positive every
    row leaves something for the order below, so that no token is impossible.
    """
    once, twice, thrice, four = (int(np.count_nonzero(counts == k)) for k in (1, 2, 3, 4))
    if not (once and twice and thrice and four):
        return FALLBACK
    y = once / (once + 2 * twice)
    found = np.array([0.0, 1 - 2 * y * twice / once, 2 - 3 * y * thrice / twice, 3 - 4 * y * four / thrice])
    return np.where(found > 0, found, FALLBACK)
