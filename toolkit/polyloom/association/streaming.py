"""Counting in one pass with bounded memory: documents are read once, counted in chunks, and let go.

    documents → chunks of as many tokens as memory allows → a run of counts each → one store (`merging`)

While all runs fit in memory they stay there; then they move to temporary files (`spool`), from where they are merged.
A document longer than a chunk goes on in the next one, which sees the end of it as its context.  The store is that of
counting everything at once, bit for bit, however the documents are cut and in whatever order they come.
"""

from collections.abc import Iterable
from functools import reduce
from typing import Self

import numpy as np

from polyloom.association.aside import Aside
from polyloom.association.counts import Counts, Shape
from polyloom.association.derived import derived
from polyloom.association.merging import combined, stored
from polyloom.association.spool import nbytes, spilled, trim
from polyloom.association.text import Places, Text
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.progress import Meter
from polyloom.tokens.vocabulary import Vocabulary
from polyloom_kernels.mixture import Store

MEMORY = 2**30  # bytes for counting, by default
PLACE, LEVEL = 64, 16  # bytes that counting takes for each token of a chunk, and for each of its levels, about
FAN = 16  # runs of a size that become one: each keeps two files open
LEAST = 2**22  # bytes of a range of the merge; smaller ones cost more than they save


def read(
    documents: Iterable[Ids], counting: "Counting", choice: Aside | None, kept: list[Ids] | None, meter: Meter
) -> int:
    """Count documents as they come, all but what `choice` chooses, and add copies to `kept`; how many there were."""
    number = 0
    for document in documents:
        number += 1
        meter.add(len(document))
        if kept is not None:
            kept.append(document.copy())
        counting.add_all([document] if choice is None or not len(document) else choice.offer(document))
    return number


class Counting:
    """Add documents, then ask for the store; `memory` is how many bytes to work with, about.

    `given` are counts to start from.  After its `with` block only the stores that were asked for are left.
    """

    def __init__(
        self, vocabulary: Vocabulary, shapes: tuple[Shape, ...], memory: int = MEMORY, given: Counts | None = None
    ) -> None:
        if memory < 1:
            raise InputError(f"memory must be a number of bytes above 0, got {memory}.")
        self.tokens = 0  # that were added
        self._marks, self._shapes, self._memory = (vocabulary.sentence_end, vocabulary.size), shapes, memory
        self._token, self._room = PLACE + LEVEL * len(shapes), max(LEAST, memory // 64)
        self._reach = max(max(shape.path, default=0) for shape in shapes)
        self._buffer = np.empty(self._reach + max(1, memory // self._token), np.int64)
        self._starts, self._context, self._filled = list[int](), 0, 0
        self._held: list[Counts] = []  # runs in memory
        self._laid: list[list[Counts]] = []  # runs on disk, those that were merged n times in the n-th list
        self._whole = [] if given is None else [given]  # what a store holds already

    def add(self, document: Ids) -> None:
        """Count one document more; it is copied."""
        if not len(document):
            return
        self.tokens += len(document)
        self._starts.append(self._filled)
        done = 0
        while done < len(document):
            part = document[done : done + len(self._buffer) - self._filled]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled, done = self._filled + len(part), done + len(part)
            if self._filled == len(self._buffer):
                self._count()
                if done < len(document):
                    self._go_on(document[max(0, done - self._reach) : done])

    def add_all(self, documents: Iterable[Ids]) -> None:
        """Count some more."""
        for document in documents:
            self.add(document)

    def store(self) -> Store:
        """The store of all that was added so far."""
        self._count()
        small = not self._laid and sum(map(nbytes, [*self._whole, *self._held])) <= self._memory // 2
        if not small:
            self._lay_all()
        runs = [*self._whole, *self._held, *(run for runs in self._laid for run in runs)]
        self._held, self._laid, self._whole = [], [], []
        found = derived(reduce(Counts.plus, runs)) if small else stored(runs, self._room)
        if not small:
            trim()
        self._whole = [Counts.held(found, self._shapes)]
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._held, self._laid, self._whole, self._buffer = [], [], [], self._buffer[:0]

    def _go_on(self, context: Ids) -> None:
        """Start a chunk with the rest of a document, of which `context` was counted before."""
        self._buffer[: len(context)] = context
        self._starts, self._context, self._filled = [0], len(context), len(context)

    def _count(self) -> None:
        """Count the chunk, if there is one, and start an empty one."""
        if self._filled > self._context:
            self._make_room((self._filled - self._context) * self._token // 2)
            text = Text(self._buffer[: self._filled], np.array(self._starts, np.int64))
            places = Places.of(text, *self._marks)[self._context : self._filled]
            self._held.append(Counts.of(places, text.tokens[self._context :], self._shapes))
        self._starts, self._context, self._filled = [], 0, 0

    def _make_room(self, size: int) -> None:
        """Move the runs in memory to disk if `size` bytes more would be too many."""
        if sum(map(nbytes, self._held)) + size > self._memory // 2:
            self._lay_all()

    def _lay_all(self) -> None:
        """Move the runs in memory to disk, and give up their memory."""
        while self._held:
            self._lay(spilled(self._held[0]), 0)
            del self._held[0]
        trim()

    def _lay(self, run: Counts, times: int) -> None:
        """Keep a run that was merged so many `times`, or merge it with the others of its size if they are many."""
        if times == len(self._laid):
            self._laid.append([])
        self._laid[times].append(run)
        if len(self._laid[times]) == FAN:
            merged = combined(self._laid[times], self._room)
            self._laid[times] = []
            self._lay(merged, times + 1)
