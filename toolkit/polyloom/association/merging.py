"""Runs of counts into one, without ever holding one of them: range by range (`ranges`).

One range of all runs is cut out, merged in memory, and appended to the whole, level by level; the next ranges are made
meanwhile.  What is derived from counts comes along:

    continuation counts     need the contexts one token longer, which stand in the same range; those of a root, or of
                            a token whose contexts were cut, are added up over the ranges
    discounts               from counts of counts, added up over the ranges

The result is that of adding the runs up at once, bit for bit.
"""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import numpy as np

from polyloom.association.counts import Counts, Shape, rows_of
from polyloom.association.derived import continuation_counts, laid, taken_of, tally, with_continuations
from polyloom.association.growing import Growing
from polyloom.association.ranges import Span, cut, piece, spans
from polyloom.association.spool import Spool, read, spilled
from polyloom.documents import Ids
from polyloom_kernels.mixture.store import Level, Store

WORKERS = 2  # ranges that are merged side by side; each takes some twenty times what it has on disk


def stored(runs: list[Counts], room: int) -> Store:
    """The store of all runs together, in temporary files; a range takes about `room` bytes of the runs.

    The list is emptied, so that what it alone held does not take up the disk while the store is written.
    """
    shapes, size = runs[0].shapes, runs[0].vocabulary_size
    levels, tallies = _merged(runs, room)
    runs.clear()
    return laid(shapes, levels, tallies, size, Spool)


def combined(runs: Sequence[Counts], room: int) -> Counts:
    """All runs as one, in temporary files."""
    levels, _ = _merged(runs, room)
    plain = tuple(replace(level, taken=None) for level in levels)
    return spilled(Counts(runs[0].shapes, plain, runs[0].vocabulary_size))


def _merged(runs: Sequence[Counts], room: int) -> tuple[list[Level], list[Ids]]:
    """The levels of all runs together, with continuation counts; and the counts of the counts of each table."""
    whole = _Whole(runs[0].shapes, runs[0].vocabulary_size)
    try:
        with closing(_pieces(runs, room)) as pieces:
            for part, unfinished in pieces:
                whole.append(part, unfinished)
        return whole.levels()
    finally:
        whole.close()


class _Whole:
    """All levels as they grow, and how many different tokens stood before the tokens of rows that are not yet whole."""

    def __init__(self, shapes: tuple[Shape, ...], size: int) -> None:
        self._shapes, self._size = shapes, size
        self._order = order = sum(shape.chained for shape in shapes)
        self._roots = dict[int, Level]()
        self._before_root, self._before_node = np.zeros(size, np.int64), np.zeros(1, np.int64)
        self._grown = {
            n: Growing(shape, size, shape.chained and n < order - 1)
            for n, shape in enumerate(shapes)
            if shape.parent >= 0
        }

    def append(self, part: Counts, unfinished: bool) -> None:
        """The next range; `unfinished` if it is part of the contexts of one token, and not the last."""
        levels = with_continuations(part, first=2)
        self._roots = self._roots or {n: levels[n] for n in range(len(levels)) if n not in self._grown}
        if self._order > 2:
            levels[1] = self._preceded(levels[1], levels[2], unfinished)
        if self._order > 1 and not unfinished:
            self._before_root += np.bincount(rows_of(levels[1])[1], minlength=self._size)
        for n, growing in self._grown.items():
            growing.append(levels[n], unfinished)

    def levels(self) -> tuple[list[Level], list[Ids]]:
        """All of them, mapped, and the counts of counts of each table."""
        levels = [self._grown[n].level() if n in self._grown else self._roots[n] for n in range(len(self._shapes))]
        if self._order > 1:
            levels[0] = _discounted(levels[0], self._before_root[rows_of(levels[0])[1]])
        asked = [n for n, shape in enumerate(self._shapes) if shape.asked]
        return levels, [self._grown[n].tallied if n in self._grown else tally(taken_of(levels[n])) for n in asked]

    def close(self) -> None:
        """Give up the files, unless they are mapped."""
        for growing in self._grown.values():
            growing.close()

    def _preceded(self, level: Level, longer: Level, unfinished: bool) -> Level:
        """Contexts of one token with continuation counts, those of earlier parts of the range included."""
        uncounted = replace(level, counts=np.zeros_like(rows_of(level)[2]))
        here = continuation_counts(uncounted, longer, self._size) + self._before_node
        self._before_node = here if unfinished else np.zeros(1, np.int64)
        return _discounted(level, here)


def _discounted(level: Level, different: Ids) -> Level:
    """The level with how many different tokens stood before each entry; its count where none did."""
    counts = rows_of(level)[2].astype(np.int64)
    return replace(level, taken=np.where(different > 0, different, counts))


def _pieces(runs: Sequence[Counts], room: int) -> Generator[tuple[Counts, bool]]:
    """All runs together, range by range, and whether the next one goes on with the same token."""
    cuts = cut(runs, room)
    places = [spans(run, cuts) for run in runs]

    def made(n: int) -> tuple[Counts, bool]:
        return _sum(runs, places, n), cuts.inside(n + 1)

    waiting = deque[Future[tuple[Counts, bool]]]()
    with ThreadPoolExecutor(WORKERS) as threads:
        for n in range(len(cuts.nearest) - 1):
            waiting.append(threads.submit(made, n))
            if len(waiting) > WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _sum(runs: Sequence[Counts], places: Sequence[Sequence[Span]], n: int) -> Counts:
    """Range n of all runs, by halves, so that few runs are in memory at a time."""
    if len(runs) == 1:
        return read(piece(runs[0], places[0], n))
    half = len(runs) // 2
    return _sum(runs[:half], places[:half], n).plus(_sum(runs[half:], places[half:], n))
