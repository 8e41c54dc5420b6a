"""Packing: documents are cut and laid end to end in rows of equal length, with nothing between them.

    stream    begin a a a a begin b b begin c …       each document opened by the begin token, if there is one
    row k     stream[k · L … k · L + L]               L + 1 tokens: the first L are read, the last L predicted

Two neighbours share a token, the last that one row predicts and the first that the next one reads, so every token that
has one before it in its document is predicted exactly once.

Beside each token stands the number of its document.  Attention stays within equal numbers, and a token counts as a
target only where the token before it has the same number.  A document that does not fit goes on in the next row as a
segment of its own: read anew from there, without a begin token and without what stood before.

A token that is to be read but not learned from bears the mark `ONLY_READ`, a bit above every id, and keeps it in its
row; `prepared` takes it off, and makes no target of it.

The last row of a finite pack is filled up: with zeros, of which each is a document of its own (−1, −2, …), so that no
target is among them.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.tokens.checks import one_row
from polyloom.whole import whole

ONLY_READ = 1 << 32  # ids are smaller: files keep them in 32 bits at most


class Block(NamedTuple):
    """Tokens, marks among them, and the numbers of their documents, int64 (L + 1,); stacked, (rows, L + 1)."""

    tokens: Ids
    documents: Ids


def packed(documents: Iterable[Ids], length: int, begin: int | None = None) -> Iterator[Block]:
    """The rows (length + 1,) of documents, rows of ids (T,); a document without a target is left out.

    Documents are read one by one as rows are asked for.
    """
    size = whole("length", length, 1)
    held = Block(np.empty(0, np.int64), np.empty(0, np.int64))
    for number, document in enumerate(opened(documents, begin)):
        held = _joined(held, document, number)
        rows = max(0, len(held.tokens) - 1) // size
        yield from (_cut(held, row * size, size) for row in range(rows))
        held = Block(*(part[rows * size :] for part in held))
    if len(held.tokens) > 1:
        filler = np.arange(size + 1 - len(held.tokens), dtype=np.int64)
        yield Block(np.append(held.tokens, 0 * filler), np.append(held.documents, -1 - filler))


def opened(documents: Iterable[Ids], begin: int | None) -> Iterator[Ids]:
    """The documents that have something to predict, int64 (T,) each, the begin token included."""
    opening = np.array([] if begin is None else [whole("begin", begin, 0)], dtype=np.int64)
    for document in documents:
        ids = one_row(document).astype(np.int64, copy=False)
        if ids.size and ids.min() < 0:
            raise InputError(f"A document holds the id {ids.min()}; ids are 0 or more.")
        if len(opening) + len(ids) > 1:
            yield np.concatenate([opening, ids])


def _joined(held: Block, document: Ids, number: int) -> Block:
    numbers = np.full(len(document), number, np.int64)
    return Block(np.concatenate([held.tokens, document]), np.concatenate([held.documents, numbers]))


def _cut(stream: Block, start: int, size: int) -> Block:
    return Block(*(part[start : start + size + 1] for part in stream))
