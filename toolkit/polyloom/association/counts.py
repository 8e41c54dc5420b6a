"""Integer counts: which contexts were seen, and how often each token came next.

A **context** is what stands at some offsets before a place.  Contexts form a trie that starts at the nearest token and
reaches back one offset at a time, so the parent of "night the" is "the": precisely the shorter context that
Kneser–Ney falls back to.  A node of one level is its rank among the sorted keys

    key = parent · (V + 1) + token                 (V is BEGIN)

and the **row** of a node is its sorted entries `node · V + next`, each with a count.  Integers only; everything else an
association model has is derived from these.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from polyloom.documents import Ids
from polyloom_kernels.count import count, pack


@dataclass(frozen=True)
class Level:
    """One level of contexts: `keys` int64 (nodes,) sorted; the root level has the one key 0."""

    keys: Ids
    width: int

    def parents(self) -> Ids:
        """The node one token shorter, int64 (nodes,)."""
        return self.keys // self.width

    def find(self, parents: Ids, tokens: Ids) -> Ids:
        """The node of each context, -1 where it was never seen."""
        known = (parents >= 0) & (tokens >= 0)
        return np.where(known, position(self.keys, pack(parents, tokens, self.width)), -1)


@dataclass(frozen=True)
class Rows:
    """What came next: `keys` int64 (entries,) sorted as node · V + next, `counts` int64 (entries,), `nodes` rows."""

    keys: Ids
    counts: Ids
    nodes: int
    vocabulary_size: int

    @property
    def contexts(self) -> Ids:
        """The node of each entry."""
        return self.keys // self.vocabulary_size

    def next_of(self, entries: slice) -> Ids:
        """The tokens of a run of entries."""
        return self.keys[entries] % self.vocabulary_size

    def starts(self) -> Ids:
        """Where each row starts, and where the last ends: int64 (nodes + 1,)."""
        return np.searchsorted(self.keys, np.arange(self.nodes + 1) * self.vocabulary_size)

    def find(self, nodes: Ids, tokens: Ids) -> Ids:
        """The entry of each (node, token), -1 where it was never seen or the node is -1."""
        found = position(self.keys, pack(np.maximum(nodes, 0), tokens, self.vocabulary_size))
        return np.where(nodes >= 0, found, -1)


def position(keys: Ids, wanted: Ids) -> Ids:
    """Where each wanted key stands among sorted keys, -1 if nowhere."""
    if not len(keys):
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, -1)


@dataclass(frozen=True)
class Trie:
    """The contexts of a template: one level for each offset, nearest first."""

    levels: tuple[Level, ...]

    @classmethod
    def build(cls, columns: Iterable[Ids], places: int, width: int) -> tuple["Trie", list[Ids]]:
        """Collect the contexts of all places; also the node of each place on each level, the root (all 0) first."""
        nodes, levels = [np.zeros(places, np.int64)], [Level(np.zeros(1, np.int64), width)]
        for column in columns:
            seen = (nodes[-1] >= 0) & (column >= 0)
            counted = count(pack(nodes[-1][seen], column[seen], width))
            levels.append(Level(counted.keys, width))
            nodes.append(np.full(places, -1))
            nodes[-1][seen] = counted.ranks
        return cls(tuple(levels)), nodes

    def walk(self, columns: Sequence[Ids], places: int) -> list[Ids]:
        """The node of each place on each level, root first, -1 from where the context was never seen."""
        nodes = [np.zeros(places, np.int64)]
        for level, column in zip(self.levels[1:], columns, strict=True):
            nodes.append(level.find(nodes[-1], column))
        return nodes


def count_rows(nodes: Ids, targets: Ids, level: Level, vocabulary_size: int) -> Rows:
    """Count what came next after each node; places whose node is -1 do not count."""
    seen = nodes >= 0
    counted = count(pack(nodes[seen], targets[seen], vocabulary_size))
    return Rows(counted.keys, counted.counts, len(level.keys), vocabulary_size)
