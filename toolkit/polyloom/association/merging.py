"""Runs of counts into one, without ever holding one of them: range by range of the nearest token.

Every context has a nearest token, the first of its path.  Contexts with nearest tokens lo … hi − 1 stand together on
each level, nodes and entries alike, and so do the rows and children they lead to.  So this range of all runs is cut
out, merged in memory, and appended to the whole; the ranges are as wide as memory allows, one token at least.

    continuation counts     of order 2 and up need the same range only; those of order 1 are added up over the ranges
    discounts               from counts of counts, added up over the ranges
    the row of a root       has no nearest token, and goes with the first range

The result is that of adding the runs up at once, bit for bit.
"""

from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from polyloom.association.counts import Counts, rows_of
from polyloom.association.derived import laid, taken_of, tally, with_continuations
from polyloom.association.growing import Growing
from polyloom.association.spool import Spool, gathered, read, spilled
from polyloom.documents import Ids
from polyloom_kernels.mixture.store import Level, Store

WORKERS = 2  # ranges that are merged side by side; each takes some twenty times what it has on disk
BYTES = 10  # of a node or an entry on disk, about


class Span(NamedTuple):
    """Where each range of a level begins, among its nodes and among its entries; int64 (ranges + 1,)."""

    nodes: Ids
    entries: Ids  # none in a level that does not count


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
    shapes, size = runs[0].shapes, runs[0].vocabulary_size
    order = sum(shape.chained for shape in shapes)
    roots, preceded = dict[int, Level](), np.zeros(size, np.int64)
    grown = {
        n: Growing(shape, size, shapes[shape.parent].parent < 0, shape.chained and n < order - 1)
        for n, shape in enumerate(shapes)
        if shape.parent >= 0
    }
    try:
        with closing(_pieces(runs, room)) as pieces:
            for piece in pieces:
                levels = with_continuations(piece, first=1)
                roots = roots or {n: level for n, level in enumerate(levels) if n not in grown}
                for n, growing in grown.items():
                    growing.append(levels[n])
                if order > 1:
                    preceded += np.bincount(rows_of(levels[1])[1], minlength=size)
        levels = [grown[n].level() if n in grown else roots[n] for n in range(len(shapes))]
    finally:
        for growing in grown.values():
            growing.close()
    if order > 1:
        levels[0] = _preceded(levels[0], preceded)
    roots_tallied = {n: tally(taken_of(levels[n])) for n in roots if shapes[n].asked}
    return levels, [grown[n].tallied if n in grown else roots_tallied[n] for n in range(len(shapes)) if shapes[n].asked]


def _preceded(root: Level, different: Ids) -> Level:
    """The root with how many different tokens stood before each, as `continuation_counts` has it."""
    _, following, counts = rows_of(root)
    found = different[following]
    return replace(root, taken=np.where(found > 0, found, counts.astype(np.int64)))


def _pieces(runs: Sequence[Counts], room: int) -> Generator[Counts]:
    """All runs together, range by range; a few are being made while one is used."""
    cuts = _cuts(runs, room)
    spans = [_spans(run, cuts) for run in runs]

    def made(n: int) -> Counts:
        return _sum([read(_piece(run, span, n)) for run, span in zip(runs, spans, strict=True)])

    waiting = deque[Future[Counts]]()
    with ThreadPoolExecutor(WORKERS) as threads:
        for n in range(len(cuts) - 1):
            waiting.append(threads.submit(made, n))
            if len(waiting) > WORKERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def _sum(pieces: list[Counts]) -> Counts:
    """The counts of all pieces, by halves."""
    if len(pieces) == 1:
        return pieces[0]
    return _sum(pieces[: len(pieces) // 2]).plus(_sum(pieces[len(pieces) // 2 :]))


def _cuts(runs: Sequence[Counts], room: int) -> Ids:
    """The nearest tokens that ranges begin with, and one more than the last; BEGIN counts as a token."""
    everything = np.arange(runs[0].vocabulary_size + 2)
    sizes = np.zeros(len(everything) - 1, np.int64)
    for run in runs:
        for span in _spans(run, everything):
            sizes += BYTES * np.diff(span.nodes)
            if len(span.entries):
                sizes += BYTES * np.diff(span.entries)
    ends, cuts = np.append(0, np.cumsum(sizes)), [0]
    while cuts[-1] < len(sizes):
        most = int(ends[cuts[-1]]) + room
        cuts.append(max(cuts[-1] + 1, int(np.searchsorted(ends, most, side="right")) - 1))
    return np.array(cuts)


def _spans(counts: Counts, cuts: Ids) -> list[Span]:
    """Where the ranges of nearest tokens that begin with `cuts` begin in each level; a root lies in the first range."""
    found = list[Span]()
    for shape, level in zip(counts.shapes, counts.levels, strict=True):
        if shape.parent < 0:
            nodes = np.append(0, np.ones(len(cuts) - 1, np.int64))
        elif counts.shapes[shape.parent].parent < 0:
            nodes = np.searchsorted(level.tokens, cuts)
        else:
            nodes = gathered(level.children, found[shape.parent].nodes)
        found.append(Span(nodes, nodes[:0] if level.rows is None else gathered(level.rows, nodes)))
    return found


def _piece(counts: Counts, spans: Sequence[Span], n: int) -> Counts:
    """One range of counts, as counts; every range has the roots, and only the first has their rows."""
    levels = list[Level]()
    for shape, level, span in zip(counts.shapes, counts.levels, spans, strict=True):
        first, last = span.nodes[n : n + 2].tolist()
        if shape.parent < 0:
            tokens, children = level.tokens, np.array([0, 1])
        elif counts.shapes[shape.parent].parent < 0:
            tokens, children = level.tokens[first:last], np.array([0, last - first])
        else:
            above = slice(spans[shape.parent].nodes[n], spans[shape.parent].nodes[n + 1] + 1)
            tokens, children = level.tokens[first:last], level.children[above] - first
        part = Level(shape.path, shape.chained, tokens, children)
        levels.append(part if level.rows is None else _with_rows(part, level, slice(first, last + 1), span, n))
    return Counts(counts.shapes, tuple(levels), counts.vocabulary_size)


def _with_rows(part: Level, level: Level, rows: slice, span: Span, n: int) -> Level:
    """A range of a level with the rows of its nodes."""
    starts, following, counts = rows_of(level)
    first, last = span.entries[n : n + 2].tolist()
    moved = np.array([0, last - first]) if not part.path else starts[rows] - first
    return replace(part, rows=moved, next=following[first:last], counts=counts[first:last])
