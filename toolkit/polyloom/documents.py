"""What counts as documents: every place that takes text takes it in the same forms.

A document is one str, or one 1-D array of token ids.  Several are an iterable of documents, or a mapping whose values
are documents (so that the held-out texts of `weave`, one list for each voice, can be passed whole).
"""

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom.errors import InputError
from polyloom.tokens.checks import one_row
from polyloom.tokens.vocabulary import Vocabulary

Ids = NDArray[np.int64]  # (T,)
Document: TypeAlias = str | NDArray[Any]
Documents: TypeAlias = Document | Iterable[Document] | Mapping[str, Any]


def encoded(documents: Documents, vocabulary: Vocabulary) -> Iterator[Ids]:
    """The token ids of each document, int64 of shape (T,), in order; checked against the vocabulary.

    Raises InputError for a path, for numbers that are not ids, and for anything else that is no document.
    """
    for document in each(documents):
        yield vocabulary.encode(document) if isinstance(document, str) else checked_ids(document, vocabulary)


def each(documents: Documents) -> Iterator[Document]:
    """The documents one by one, as they came."""
    if isinstance(documents, str) or (isinstance(documents, np.ndarray) and documents.ndim == 1):
        yield documents
    elif isinstance(documents, PathLike):
        raise InputError(f"Expected text, got the path {documents}. Read it first: polyloom_datasets.read(path).")
    elif isinstance(documents, Mapping):
        for value in cast("Mapping[str, Documents]", documents).values():
            yield from each(value)
    elif isinstance(documents, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
        yield from _members(cast("Iterable[object]", documents))
    else:
        raise InputError(f"Expected text or token ids, got {type(documents).__name__}.")


def checked_ids(ids: object, vocabulary: Vocabulary) -> Ids:
    """One row of ids that the vocabulary has, as int64; InputError naming the first that it has not."""
    row = one_row(cast("ArrayLike", ids)).astype(np.int64, copy=False)
    if row.size and (row.min() < 0 or row.max() >= vocabulary.size):
        at = int(np.flatnonzero((row < 0) | (row >= vocabulary.size))[0])
        raise InputError(f"Token {row[at]} at position {at} is outside 0 … {vocabulary.size - 1} of {vocabulary!r}.")
    return row


def checked_ways(ways: object, vocabulary: Vocabulary) -> Ids:
    """Rows of ids of one length that the vocabulary has, int64 (n, L); InputError for anything else."""
    rows = np.asarray(cast("ArrayLike", ways))
    if rows.ndim != 2:
        raise InputError(f"Expected ways to go on as rows of ids of one length, got an array of shape {rows.shape}.")
    return checked_ids(rows.ravel(), vocabulary).reshape(rows.shape)


def _members(documents: Iterable[object]) -> Iterator[Document]:
    for document in documents:
        if isinstance(document, int | np.integer):
            raise InputError(
                f"Expected documents, got the number {document}. One document of ids is an array: np.array([…])."
            )
        if isinstance(document, str | np.ndarray):
            yield cast("Document", document)
        elif isinstance(document, list | tuple):  # ids as a plain list
            yield one_row(cast("list[int]", document))
        else:
            raise InputError(f"Expected a document as str or an array of ids, got {type(document).__name__}.")
