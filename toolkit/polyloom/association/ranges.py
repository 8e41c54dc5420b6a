"""Counts cut into ranges: parts of each trie that hold whole subtrees, each of them counts again.

Contexts with the nearest tokens t … t' − 1 stand together on each level, nodes and entries alike.  A range begins with
a nearest token; where the contexts of one token alone are too many, also between two tokens that stand before it.  Then
every part of it has the node of that token with its whole row, and the farther contexts that fall to this part.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from polyloom.association.counts import Counts, rows_of
from polyloom.association.spool import gathered
from polyloom.documents import Ids
from polyloom_kernels.mixture.store import Level

BYTES = 10  # of a node or an entry on disk, about
LARGE = 4  # ranges: the contexts of one token that are more than so many are cut


class Cuts(NamedTuple):
    """Where ranges begin, and the last one ends: nearest tokens, and tokens before those or −1; int64 (ranges + 1,)."""

    nearest: Ids
    second: Ids

    def inside(self, n: int) -> bool:
        """Whether cut n parts the contexts of one token."""
        return bool(self.second[n] >= 0)


class Span(NamedTuple):
    """Where ranges of one level begin, and where those before end, of its nodes and its entries; (ranges + 1,)."""

    nodes: Ids
    ends: Ids
    entries: Ids
    entry_ends: Ids


def cut(runs: Sequence[Counts], room: int) -> Cuts:
    """Ranges of about `room` bytes of all runs together."""
    size = runs[0].vocabulary_size
    sizes = _sizes(runs, Cuts(np.arange(size + 2), np.full(size + 2, -1)))
    nearest, second, at = [0], [-1], 0
    while at <= size:
        stop = max(at + 1, int(np.searchsorted(np.cumsum(sizes[at:]), room, side="right")) + at)
        if stop == at + 1 and sizes[at] > LARGE * room:
            inner = _parted(runs, at, room)
            nearest, second = nearest + [at] * len(inner), second + inner
        nearest, second, at = [*nearest, stop], [*second, -1], stop
    return Cuts(np.array(nearest), np.array(second))


def _parted(runs: Sequence[Counts], token: int, room: int) -> list[int]:
    """The tokens before `token` at which its contexts are cut."""
    seconds = np.arange(runs[0].vocabulary_size + 2)
    sizes = np.cumsum(_sizes(runs, Cuts(np.full(len(seconds), token), seconds)))
    steps = np.searchsorted(sizes, np.arange(room, int(sizes[-1]), room)) + 1
    return [int(step) for step in np.unique(steps) if step < len(seconds) - 1]


def _sizes(runs: Sequence[Counts], cuts: Cuts) -> Ids:
    """The bytes of each range, about."""
    found = np.zeros(len(cuts.nearest) - 1, np.int64)
    for run in runs:
        for span in spans(run, cuts):
            found += BYTES * np.diff(span.nodes)
            if len(span.entries):
                found += BYTES * np.diff(span.entries)
    return found


def spans(counts: Counts, cuts: Cuts) -> list[Span]:
    """Of each level; a root lies in the first range."""
    found = list[Span]()
    for shape, level in zip(counts.shapes, counts.levels, strict=True):
        if shape.parent < 0:
            nodes = ends = np.minimum(np.arange(len(cuts.nearest)), 1)
        elif len(shape.path) == 1:
            nodes = np.searchsorted(level.tokens, cuts.nearest)
            there = np.searchsorted(level.tokens, cuts.nearest, side="right") > nodes
            ends = nodes + (there & (cuts.second >= 0))
        else:
            above = found[shape.parent]
            nodes = ends = gathered(level.children, above.nodes)
            if len(shape.path) == 2:
                nodes = ends = _before(level, nodes, gathered(level.children, above.ends), cuts.second)
        if level.rows is None:
            found.append(Span(nodes, ends, nodes[:0], nodes[:0]))
        else:
            found.append(Span(nodes, ends, gathered(level.rows, nodes), gathered(level.rows, ends)))
    return found


def _before(level: Level, starts: Ids, ends: Ids, tokens: Ids) -> Ids:
    """Where each token would stand among those from a start to an end; the start for −1."""
    found = starts.copy()
    for start in np.unique(starts[ends > starts]).tolist():
        here = np.flatnonzero((starts == start) & (ends > starts))
        found[here] += np.searchsorted(level.tokens[start : int(ends[here[0]])], tokens[here])
    return found


def piece(counts: Counts, spans: Sequence[Span], n: int) -> Counts:
    """Range n of counts; every range has the roots, and only the first has their rows."""
    levels = list[Level]()
    for shape, level, span in zip(counts.shapes, counts.levels, spans, strict=True):
        first, last = int(span.nodes[n]), int(span.ends[n + 1])
        if shape.parent < 0:
            tokens, children = level.tokens, np.array([0, 1])
        elif len(shape.path) == 1:
            tokens, children = level.tokens[first:last], np.array([0, last - first])
        else:
            above = slice(int(spans[shape.parent].nodes[n]), int(spans[shape.parent].ends[n + 1]) + 1)
            tokens, children = level.tokens[first:last], level.children[above].clip(first, last) - first
        part = Level(shape.path, shape.chained, tokens, children)
        levels.append(part if level.rows is None else _with_rows(part, level, slice(first, last + 1), span, n))
    return Counts(counts.shapes, tuple(levels), counts.vocabulary_size)


def _with_rows(part: Level, level: Level, rows: slice, span: Span, n: int) -> Level:
    """A range of a level with the rows of its nodes."""
    starts, following, counts = rows_of(level)
    first, last = int(span.entries[n]), int(span.entry_ends[n + 1])
    moved = starts[rows] - first if part.path else np.array([0, last - first])
    return replace(part, rows=moved, next=following[first:last], counts=counts[first:last])
