"""Counted contexts on three tapes: how an association model lies in memory and in its file.

A **level** holds the contexts of one shape, such as "the tokens 1 and 3 back".  Its contexts are the nodes of a trie:
the parent of a node is the same context without its farthest token, on the level named in the directory.  The nodes of
one parent stand together, their tokens ascending, so a context is found by one binary search for each of its tokens.
A level that was *asked for* also has rows: for each node the tokens that came next, ascending, with their counts.

    directory   int64 (levels, 15)    see the columns below; a parent stands before its children
    pieces      uint16 or uint32      tokens: of nodes, and of what came next
    numbers     uint32                where children and rows start, counts, which rows are long
    reals       float64               discounts, the unigram distribution, sums of long rows

Level 0 is the root of the n-gram chain, one node whose row is every token of the vocabulary.  The orders of the chain
discount *continuation counts*, all but the longest; every other table discounts what it counted.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Array: TypeAlias = NDArray[Any]

PARENT, OFFSET, CHAINED, NODES, TOKENS, CHILDREN, ROWS, ENTRIES, NEXT, COUNTS, TAKEN, TABLE, LONG, LONGS, SUMS = range(
    15
)
COLUMNS = 15
NONE = -1  # where a level has no such thing
DISCOUNTS = 4  # discounts of counts 0, 1, 2, and 3 or more
LONG_ROW = 32  # entries; the sums of longer rows are kept, those of shorter ones are added up when they are needed
MOST = 2**32 - 1  # nodes or entries of one level, and a single count
BLOCK = 2**20  # nodes or entries that are looked at together: a level may be larger than the memory at hand


@dataclass(frozen=True)
class Level:
    """One shape of context as it comes from counting, or as views of a store.

    `tokens` (nodes,), `children` (nodes of the parent + 1,) where the nodes of each parent start; with rows also
    `rows` (nodes + 1,) where each row starts, `next` and `counts` (entries,), and `taken`, the counts that are
    discounted if they are not `counts` themselves.
    """

    path: tuple[int, ...]  # offsets back, nearest first; () is a root
    chained: bool
    tokens: Array
    children: Array
    rows: Array | None = None
    next: Array | None = None
    counts: Array | None = None
    taken: Array | None = None


class Sums(NamedTuple):
    """Of rows, float64: `totals` of the counts that are discounted, `freed` of what discounts take off them."""

    totals: Floats
    freed: Floats


@dataclass(frozen=True, eq=False)
class Store:
    """The tapes and their directory; `unigram` float64 (V,) is what every table comes down to."""

    directory: Integers
    pieces: Array
    numbers: NDArray[np.uint32]
    reals: Floats
    vocabulary_size: int
    order: int  # tables 0 … order − 1 are the chain's
    tables: Integers = field(init=False)  # the level of each table

    def __post_init__(self) -> None:
        found = self.directory[:, TABLE]
        levels = np.flatnonzero(found >= 0)
        object.__setattr__(self, "tables", levels[np.argsort(found[levels], kind="stable")])

    @property
    def discounts(self) -> Floats:
        """Of each table, float64 (tables, 4): what is taken off counts 0 (never), 1, 2, and 3 or more."""
        return self.reals[: DISCOUNTS * len(self.tables)].reshape(-1, DISCOUNTS)

    @property
    def unigram(self) -> Floats:
        """p of every token without context, float64 (V,)."""
        start = DISCOUNTS * len(self.tables)
        return self.reals[start : start + self.vocabulary_size]

    def tokens(self, level: int) -> Array:
        """The farthest token of each node."""
        return self._part(self.pieces, level, TOKENS, self._nodes(level))

    def children(self, level: int) -> Array:
        """Where the nodes of each parent start, and where the last ones end."""
        return self._part(self.numbers, level, CHILDREN, self._nodes(int(self.directory[level, PARENT])) + 1)

    def rows(self, level: int) -> Array:
        """Where the row of each node starts, and where the last ends."""
        return self._part(self.numbers, level, ROWS, self._nodes(level) + 1)

    def next(self, level: int) -> Array:
        """The token of each entry."""
        return self._part(self.pieces, level, NEXT, self.entries(level))

    def counts(self, level: int) -> Array:
        """How often each entry was seen."""
        return self._part(self.numbers, level, COUNTS, self.entries(level))

    def taken(self, level: int) -> Array:
        """The count of each entry that is discounted: continuations, or how often it was seen."""
        return self._part(self.numbers, level, TAKEN, self.entries(level))

    def entries(self, level: int) -> int:
        """How many (context, next token) pairs a level holds."""
        return max(0, int(self.directory[level, ENTRIES]))

    def path(self, level: int) -> tuple[int, ...]:
        """The offsets back of a level's contexts, nearest first."""
        parent, offset = int(self.directory[level, PARENT]), int(self.directory[level, OFFSET])
        return () if parent < 0 else (*self.path(parent), offset)

    def level(self, level: int) -> Level:
        """A level as views."""
        row = self.directory[level]
        plain = row[TAKEN] == row[COUNTS]
        tokens, children = self.tokens(level), self.children(level) if row[PARENT] >= 0 else np.array([0, 1])
        shape = self.path(level), bool(row[CHAINED]), tokens, children
        if row[TABLE] < 0:
            return Level(*shape)
        taken = None if plain else self.taken(level)
        return Level(*shape, self.rows(level), self.next(level), self.counts(level), taken)

    def _nodes(self, level: int) -> int:
        return int(self.directory[level, NODES])

    def _part(self, tape: Array, level: int, column: int, size: int) -> Array:
        start = int(self.directory[level, column])
        return tape[start : start + size]

    @property
    def nbytes(self) -> int:
        """Bytes of all tapes."""
        return self.directory.nbytes + self.pieces.nbytes + self.numbers.nbytes + self.reals.nbytes


class Recorder(Protocol):
    """Where arrays are laid end to end; see `Tape`."""

    def put(self, part: Array) -> int:
        """Append; where it starts."""
        ...

    def seen(self, part: Array) -> None:
        """An array that is to be put, or was, has been read up to here."""
        ...

    def whole(self) -> Array:
        """All of it."""
        ...


def packed(
    levels: Sequence[Level],
    parents: Sequence[int],
    discounts: Floats,
    unigram: Floats,
    order: int,
    tape: Callable[[type[np.generic]], Recorder] | None = None,
) -> Store:
    """Lay levels on tapes.  `parents` is the level above each, −1 for a root; `discounts` float64 (tables, 4).

    `tape` makes a tape of a type, by default one in memory.
    Raises OverflowError if a level has more nodes or entries than 32 bits count, or one count needs more.
    """
    size, made = len(unigram), Tape if tape is None else tape
    pieces, numbers, reals = made(piece_type(size)), made(np.uint32), made(np.float64)
    directory = np.full((len(levels), COLUMNS), NONE, np.int64)
    table = 0
    reals.put(discounts.ravel())
    reals.put(unigram)
    for row, level, parent in zip(directory, levels, parents, strict=True):
        row[[PARENT, OFFSET, CHAINED]] = parent, level.path[-1] if level.path else 0, level.chained
        row[[NODES, TOKENS]] = len(level.tokens), pieces.put(level.tokens)
        if parent >= 0:
            row[CHILDREN] = numbers.put(level.children)
        if level.rows is None or level.next is None or level.counts is None:
            continue
        row[[ROWS, ENTRIES, NEXT]] = numbers.put(level.rows), len(level.next), pieces.put(level.next)
        row[COUNTS] = row[TAKEN] = numbers.put(level.counts)
        if level.taken is not None:
            row[TAKEN] = numbers.put(level.taken)
        taken = level.counts if level.taken is None else level.taken
        long, sums = _long(level.rows, taken, discounts[table], numbers)
        row[[TABLE, LONG, LONGS, SUMS]] = table, numbers.put(long), len(long), reals.put(np.concatenate(sums))
        table += 1
    return Store(directory, pieces.whole(), numbers.whole(), reals.whole(), size, order)


def piece_type(vocabulary_size: int) -> type[np.generic]:
    """The narrowest type for the tokens of a vocabulary, and BEGIN."""
    return np.uint16 if vocabulary_size < 2**16 - 1 else np.uint32


def _long(rows: Array, counts: Array, discounts: Floats, tape: Recorder) -> tuple[Integers, Sums]:
    """The nodes of the rows whose sums are kept, and these sums; looked at block by block, as `tape` is told."""
    nodes, found = list[Integers](), list[Sums]()
    for part in _blocks(rows):
        starts = rows[part.start : part.stop + 1].astype(np.int64)
        long = np.flatnonzero(np.diff(starts) > LONG_ROW)
        nodes.append(long + part.start)
        found.append(summed(starts - starts[0], counts[starts[0] : starts[-1]], discounts, long))
        tape.seen(rows)
        tape.seen(counts)
    totals, freed = (np.concatenate(sums) for sums in zip(*found, strict=True)) if found else (np.empty(0),) * 2
    return np.concatenate(nodes) if nodes else np.empty(0, np.int64), Sums(totals, freed)


def _blocks(rows: Array) -> Iterator[slice]:
    """Slices of the nodes, about `BLOCK` nodes or entries each; never less than one row."""
    start, nodes = 0, len(rows) - 1
    while start < nodes:
        ends = rows[start + 1 : start + 1 + BLOCK]
        within = int(np.searchsorted(ends, int(rows[start]) + BLOCK, side="right"))
        yield slice(start, start := start + max(1, within))


def summed(rows: Array, counts: Array, discounts: Floats, nodes: Integers) -> Sums:
    """The sums of the rows of `nodes`, by definition; zero for an empty row."""
    starts, ends = rows[nodes].astype(np.int64), rows[nodes + 1].astype(np.int64)
    sizes = ends - starts
    before = np.cumsum(sizes) - sizes
    entries: Integers = np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))
    found, row = counts[entries], np.repeat(np.arange(len(nodes)), sizes)
    freed = np.bincount(row, discounts[np.minimum(found, DISCOUNTS - 1)], len(nodes))
    return Sums(np.bincount(row, found, len(nodes)).astype(np.float64), freed.astype(np.float64))


class Tape:
    """Arrays end to end, in one narrow type."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.parts, self.length = list[Array](), 0

    def put(self, part: Array) -> int:
        """Append; where it starts."""
        self.parts.append(narrowed(part, self.dtype))
        self.length += len(part)
        return self.length - len(part)

    def seen(self, part: Array) -> None:
        """Nothing: arrays in memory stay there."""

    def whole(self) -> Array:
        """All of it."""
        return np.concatenate(self.parts) if self.parts else np.empty(0, self.dtype)


def narrowed(part: Array, dtype: np.dtype[Any]) -> Array:
    """The same numbers in this type.  Raises OverflowError if one does not fit."""
    if part.dtype != dtype and part.size and dtype.kind == "u" and int(part.max()) > np.iinfo(dtype).max:
        raise OverflowError(f"The number {int(part.max())} needs more than {8 * dtype.itemsize} bits.")
    return part.astype(dtype, copy=False)
