"""Batches: an endless source of packed rows in shuffled order, which can be stopped anywhere and goes on exactly there.

    batches = Batches(documents, begin, length=256, batch=16, seed=0)
    tokens, numbers = batches.next()          # int64 (16, 257) each, see `packing`
    saved = batches.state()                   # small, JSON-able; batches.restore(saved) goes on after it

Documents in memory are shuffled anew for each epoch, laid end to end, and so are the epochs: the row in which one ends
goes on with the next, so nothing is ever filled up.  The rows that begin in an epoch come in shuffled order too, or a
long document would fill whole batches.  Which tokens stand in row n can be computed from n alone, so restoring takes no
time.

    epoch e   covers the places [e · T, e · T + T) of the endless stream, T tokens of all documents together
    row n     one of the rows ⌈e · T / L⌉ … of its epoch, by a permutation; row k starts at the place k · L

A stream, given as a function that opens it anew, is packed in its own order; its rows go through a buffer (`Shuffled`),
and the last row of each epoch is filled up.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.train.packing import Block, opened, packed
from polyloom.train.shuffle import BUFFER, Shuffled, shuffled
from polyloom.whole import whole

Stream = Callable[[], Iterable[Ids]]
KEPT = 8  # epochs whose orders are held; a row reaches into the next epoch, or into several short ones


class Rows(Protocol):
    """An endless source of single rows (length + 1,)."""

    def next(self) -> Block:
        """The next row."""
        ...

    def state(self) -> dict[str, Any]:
        """Where it stands; JSON-able."""
        ...

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        ...


@final
class Batches:
    """Batches of `batch` rows of `length` + 1 tokens, from documents or from a function that opens a stream of them.

    Each document is a row of ids (T,), and is opened by `begin` unless that is None.  `buffer` is for streams: how many
    rows are held to draw from.  Raises InputError if no document has a token to predict.
    """

    def __init__(
        self,
        documents: Iterable[Ids] | Stream,
        begin: int | None,
        length: int,
        batch: int,
        seed: int = 0,
        buffer: int = BUFFER,
    ) -> None:
        size, first = whole("length", length, 1), whole("seed", seed, 0)
        self._batch = whole("batch", batch, 1)
        self._settings = {"length": size, "begin": begin, "seed": first}
        self._rows: Rows
        if callable(documents):
            stream = documents
            self._settings["buffer"] = whole("buffer", buffer, 1)
            self._rows = Shuffled(lambda: packed(stream(), size, begin), first, buffer)
        else:
            self._rows = MemoryRows(documents, begin, size, first)

    def next(self) -> Block:
        """The next batch: tokens and document numbers, int64 (batch, length + 1)."""
        rows = [self._rows.next() for _ in range(self._batch)]
        return Block(np.stack([row.tokens for row in rows]), np.stack([row.documents for row in rows]))

    def state(self) -> dict[str, Any]:
        """Where the source stands, and what it is; JSON-able."""
        return {**self._settings, **self._rows.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; InputError if it was another source, saying what differs."""
        for name, ours in self._settings.items():
            if name not in state or state[name] != ours:
                raise InputError(f"The state belongs to batches with {name} {state.get(name)!r}; this has {ours!r}.")
        self._rows.restore(state)


@dataclass(frozen=True)
class Epoch:
    """The order of the documents, where each of them ends, and the order of the rows that begin here."""

    documents: Ids  # (documents,)
    ends: Ids  # (documents,)
    first: int
    rows: Ids  # (rows,)


@final
class MemoryRows:
    """The rows of documents in memory, see above; row n is the same whenever it is asked for."""

    def __init__(self, documents: Iterable[Ids], begin: int | None, length: int, seed: int) -> None:
        texts = list(opened(documents, begin))
        if not texts:
            raise InputError("No document has a token to predict: there is nothing to make batches of.")
        flat = np.concatenate(texts)
        self._tokens = flat.astype(np.min_scalar_type(int(flat.max())).newbyteorder("<"))  # a quarter of the memory
        self._sizes = np.array([len(text) for text in texts])  # (documents,)
        self._starts = np.cumsum(self._sizes) - self._sizes
        self._length, self._seed, self._row = length, seed, 0
        self._epochs: dict[int, Epoch] = {}
        self._digest = ""

    def next(self) -> Block:
        """The next row."""
        row = self._row
        self._row += 1
        epoch = self._epoch(row * self._length // len(self._tokens))
        return self._at((epoch.first + int(epoch.rows[row - epoch.first])) * self._length)

    def state(self) -> dict[str, Any]:
        """How many rows were drawn, and the digest of the documents."""
        if not self._digest:
            found = hashlib.sha256(self._tokens.data)
            found.update(self._sizes.astype("<i8").data)
            self._digest = found.hexdigest()
        return {"rows": self._row, "documents": self._digest}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken; InputError if the documents were others."""
        if state.get("documents") != self.state()["documents"]:
            raise InputError("The state belongs to batches of other documents. Restore it with the same ones.")
        self._row = whole("rows", state.get("rows"), 0)

    def _at(self, start: int) -> Block:
        """The row that starts at a place of the endless stream."""
        tokens, numbers, total, end = list[Ids](), list[Ids](), len(self._tokens), start + self._length + 1
        while start < end:
            number, offset = divmod(start, total)
            places, epoch = np.arange(offset, min(total, offset + end - start)), self._epoch(number)
            nth = np.searchsorted(epoch.ends, places, side="right")  # of the documents in the order of this epoch
            document = epoch.documents[nth]
            within = places - (epoch.ends[nth] - self._sizes[document])
            tokens.append(self._tokens[self._starts[document] + within].astype(np.int64))
            numbers.append(number * len(self._sizes) + nth)
            start += len(places)
        return Block(np.concatenate(tokens), np.concatenate(numbers))

    def _epoch(self, number: int) -> Epoch:
        if number not in self._epochs:
            documents = shuffled(len(self._sizes), self._seed, number, 0)
            first, end = (-(-at * len(self._tokens) // self._length) for at in (number, number + 1))
            rows = shuffled(end - first, self._seed, number, 1)
            self._epochs[number] = Epoch(documents, np.cumsum(self._sizes[documents]), first, rows)
            while len(self._epochs) > KEPT:
                del self._epochs[next(iter(self._epochs))]
        return self._epochs[number]
