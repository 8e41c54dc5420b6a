"""Integer counts: which contexts were seen, and how often each token came next.

A **context** is what stands at some offsets before a place.  Contexts form a trie that starts at the nearest token and
reaches back one offset at a time, so the parent of "night the" is "the": precisely the shorter context that
Kneser–Ney falls back to.  The n-gram chain has a trie of its own, because it stops at `</s>`; all skip templates share
another.  Only integers stand here, everything else an association model has is derived from them, so counts of
disjoint texts add, and subtracting takes back exactly what was added.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom.association.joins import Join, added, taken_away
from polyloom.association.text import Places
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom_kernels.count import count, merge, pack
from polyloom_kernels.mixture import Level, Store
from polyloom_kernels.mixture.store import narrowed, piece_type

Template = tuple[int, ...]
Array = NDArray[Any]

MOST = 2**32 - 1  # a count; uint32


@dataclass(frozen=True)
class Shape:
    """The contexts of one level: offsets back, nearest first; `parent` is the index of the level one token shorter."""

    path: Template
    chained: bool
    parent: int
    asked: bool  # whether it counts what came next


@dataclass(frozen=True)
class Counts:
    """Levels in the order of their shapes; `vocabulary_size` tokens can come next, one more, BEGIN, can be seen."""

    shapes: tuple[Shape, ...]
    levels: tuple[Level, ...]
    vocabulary_size: int

    @classmethod
    def of(cls, places: Places, targets: Ids, shapes: tuple[Shape, ...]) -> "Counts":
        """Count a text; `places` are those of its `targets`.  The two tries are counted side by side."""
        size = places.begin
        halves = [[n for n, shape in enumerate(shapes) if shape.chained is chained] for chained in (True, False)]
        with ThreadPoolExecutor(2) as threads:
            done = [threads.submit(_counted, places, targets, shapes, half) for half in halves]
            levels = done[0].result() | done[1].result()
        return cls(shapes, tuple(levels[n] for n in range(len(shapes))), size)

    @classmethod
    def held(cls, store: Store, shapes: tuple[Shape, ...]) -> "Counts":
        """The counts a store was derived from, as views."""
        return cls(shapes, tuple(map(store.level, range(len(shapes)))), store.vocabulary_size)

    @property
    def tokens(self) -> int:
        """How many tokens were counted."""
        return int(rows_of(self.levels[0])[2].sum())

    def plus(self, other: "Counts") -> "Counts":
        """The counts of both texts."""
        return self.joined(other, added)

    def minus(self, other: "Counts") -> "Counts":
        """The counts without those of `other`, as if it had never been counted.

        Raises InputError if `other` counted something that is not here.
        """
        return self.joined(other, taken_away)

    def joined(self, other: "Counts", join: Join) -> "Counts":
        """What `join` makes of both, count by count; what it leaves none of vanishes.

        Raises InputError if a count would be below zero, OverflowError if one needs more than 32 bits.
        """
        return _joined(self, other, join)

    def times(self, n: int) -> "Counts":
        """The counts of n copies of the text; OverflowError if one needs more than 32 bits."""
        most = n * max(int(level.counts.max(initial=0)) for level in self.levels if level.counts is not None)
        if most > MOST:
            raise OverflowError(f"The number {most} needs more than 32 bits.")
        plain = [replace(level, taken=None) for level in self.levels]
        levels = [level if level.counts is None else replace(level, counts=level.counts * n) for level in plain]
        return replace(self, levels=tuple(levels))


def shapes(order: int, templates: Sequence[Template]) -> tuple[Shape, ...]:
    """The levels of a chain of `order` and of skip templates: a parent before its children, templates ascending."""
    chain = [Shape(tuple(range(1, n + 1)), True, n - 1, True) for n in range(order)]
    if not templates:
        return tuple(chain)
    paths = sorted({template[:n] for template in templates for n in range(len(template) + 1)})
    where = {path: order + n for n, path in enumerate(paths)}
    skips = [Shape(path, False, where[path[:-1]] if path else -1, path in set(templates)) for path in paths]
    return (*chain, *skips)


def _counted(places: Places, targets: Ids, shapes: Sequence[Shape], which: Sequence[int]) -> dict[int, Level]:
    """The levels of one trie, by their number."""
    nodes: dict[int, Ids] = {}  # of each place, as long as a deeper level needs them
    size, last = places.begin, {shapes[n].parent: n for n in which}
    found: dict[int, Level] = {}
    for n in which:
        shape = shapes[n]
        if shape.parent < 0:
            nodes[n], found[n] = np.zeros(len(places), np.int64), _shaped(shape, np.zeros(1, np.int64), 1, size)
        else:
            nodes[n], keys = _ranked(nodes[shape.parent], places.look(shape.chained, shape.path[-1]), size + 1)
            found[n] = _shaped(shape, keys, len(found[shape.parent].tokens), size)
        if shape.asked:
            found[n] = _with_rows(found[n], *_row_counts(nodes[n], targets, size), size)
        found[n] = _narrow(found[n], size)
        nodes = {above: held for above, held in nodes.items() if last.get(above, -1) > n}
    return found


def _ranked(parents: Ids, tokens: Ids, width: int) -> tuple[Ids, Ids]:
    """The node of each place, −1 where it has none; and the keys `parent · width + token` of the nodes, ascending."""
    seen = (parents >= 0) & (tokens >= 0)
    if seen.all():
        counted = count(pack(parents, tokens, width))
        return counted.ranks, counted.keys
    counted = count(pack(parents[seen], tokens[seen], width))
    nodes = np.full(len(parents), -1)
    nodes[seen] = counted.ranks
    return nodes, counted.keys


def _row_counts(nodes: Ids, targets: Ids, size: int) -> tuple[Ids, Ids]:
    """The keys `node · size + next` of the entries, ascending, and how often each was seen."""
    seen = nodes >= 0
    keys = pack(nodes, targets, size) if seen.all() else pack(nodes[seen], targets[seen], size)
    counted = count(keys, ranks=False)
    return counted.keys, counted.counts


def _shaped(shape: Shape, keys: Ids, parents: int, size: int) -> Level:
    """A level without rows, of its keys `parent · (size + 1) + token`."""
    return Level(shape.path, shape.chained, keys % (size + 1), starts_of(keys // (size + 1), parents))


def _with_rows(level: Level, keys: Ids, counts: Ids, size: int) -> Level:
    """The same level with rows, of their keys `node · size + next`."""
    return replace(level, rows=starts_of(keys // size, len(level.tokens)), next=keys % size, counts=counts)


def _narrow(level: Level, size: int) -> Level:
    """The same level in the types of a store, in a third of the memory."""
    piece, number = np.dtype(piece_type(size)), np.dtype(np.uint32)
    level = replace(level, tokens=narrowed(level.tokens, piece), children=narrowed(level.children, number))
    if level.rows is None:
        return level
    rows, following, counts = rows_of(level)
    return replace(level, rows=narrowed(rows, number), next=narrowed(following, piece), counts=narrowed(counts, number))


def starts_of(owners: Ids, size: int) -> Ids:
    """Where what belongs to each of `size` owners starts, and where the last ends; owners ascend."""
    found = np.zeros(size + 1, np.int64)
    np.cumsum(np.bincount(owners, minlength=size), out=found[1:])
    return found


def owners(starts: Array) -> Ids:
    """To whom each element belongs: what `starts_of` undoes."""
    return np.repeat(np.arange(len(starts) - 1), np.diff(starts.astype(np.int64)))


def _joined(ours: Counts, theirs: Counts, join: Join) -> Counts:
    """Both counts as one, level by level; the nodes of each are found among the nodes of the two."""
    size, levels, thinner = ours.vocabulary_size, list[Level](), False
    where: list[tuple[Ids, Ids]] = []
    for shape, mine, others in zip(ours.shapes, ours.levels, theirs.levels, strict=True):
        if shape.parent < 0:
            where.append((np.zeros(1, np.int64), np.zeros(1, np.int64)))
            level = _shaped(shape, np.zeros(1, np.int64), 1, size)
        else:
            above = where[shape.parent]
            keys, _, *at = merge(*_weighed(mine, above[0], size), *_weighed(others, above[1], size))
            where.append((at[0], at[1]))
            level = _shaped(shape, keys, len(levels[shape.parent].tokens), size)
        if shape.asked:
            keys, counts = join(_entries(mine, where[-1][0], size), _entries(others, where[-1][1], size))
            if counts.min(initial=0) < 0:
                raise InputError("Expected to take away what was counted before; some of it was never counted here.")
            left = counts > 0
            level, thinner = _with_rows(level, keys[left], counts[left], size), thinner or not left.all()
        levels.append(_narrow(level, size))
    found = Counts(ours.shapes, tuple(levels), size)
    return swept(found) if thinner else found


def _weighed(level: Level, above: Ids, size: int) -> tuple[Ids, Ids]:
    """The keys of a level's nodes under the new numbers of their parents; a node weighs nothing."""
    keys = pack(above[owners(level.children)], level.tokens.astype(np.int64), size + 1)
    return keys, np.zeros(len(keys), np.int64)


def _entries(level: Level, nodes: Ids, size: int) -> tuple[Ids, Ids]:
    """The keys of a level's entries under the new numbers of their nodes, and their counts."""
    rows, following, counts = rows_of(level)
    return pack(nodes[owners(rows)], following.astype(np.int64), size), counts.astype(np.int64)


def rows_of(level: Level) -> tuple[Array, Array, Array]:
    """Where rows start, what came next, how often: of a level that counts."""
    if level.rows is None or level.next is None or level.counts is None:
        raise ValueError(f"The level {level.path} counts nothing.")
    return level.rows, level.next, level.counts


def swept(counts: Counts) -> Counts:
    """Without contexts that count nothing any more, nor lead to any that does."""
    alive = [np.zeros(len(level.tokens), np.bool_) for level in counts.levels]
    for n in reversed(range(len(counts.shapes))):
        shape, level = counts.shapes[n], counts.levels[n]
        if level.rows is not None:
            alive[n] |= np.diff(level.rows) > 0
        if shape.parent < 0:
            alive[n][:] = True
        else:
            alive[shape.parent][owners(level.children)[alive[n]]] = True
    levels: list[Level] = []
    for shape, level, stays in zip(counts.shapes, counts.levels, alive, strict=True):
        children = level.children
        if shape.parent >= 0:
            above = np.cumsum(alive[shape.parent]) - 1
            children = starts_of(above[owners(level.children)[stays]], int(alive[shape.parent].sum()))
        rows = None if level.rows is None else np.append(level.rows[:-1][stays], level.rows[-1])  # the rest are empty
        levels.append(replace(level, tokens=level.tokens[stays], children=children, rows=rows))
    return Counts(counts.shapes, tuple(levels), counts.vocabulary_size)
