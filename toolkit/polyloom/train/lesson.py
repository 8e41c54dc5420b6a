"""A lesson: a document of which only some tokens are learned from, and all are read.

    ids      what the model reads, int64 (T,)
    learned  which of these it is to predict, bool (T,)

Training takes lessons wherever it takes documents, and beside them.  On their way through shuffling and packing they
are single rows of ids like any others, in which a token that is only read bears a mark (`ONLY_READ`, see `packing`).
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom.documents import Documents, Ids, checked_ids, encoded
from polyloom.errors import InputError
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.train.packing import ONLY_READ


class Lesson(NamedTuple):
    """Token ids, int64 (T,), and which of them are learned, bool (T,); `Template.encode` makes them."""

    ids: Ids
    learned: NDArray[np.bool_]


Lessons: TypeAlias = Documents | Lesson | Iterable[Lesson]


def told(documents: Lessons, vocabulary: Vocabulary) -> Iterator[Ids]:
    """A row of ids (T,) for each document or lesson, in order, tokens that are only read marked.

    Raises InputError for a lesson with nothing to learn, or with a mask that does not fit, and what `encoded` raises.
    """
    if isinstance(documents, Lesson):
        yield _marked(documents, vocabulary)
    elif isinstance(documents, Mapping):
        for value in cast("Mapping[str, Lessons]", documents).values():
            yield from told(value, vocabulary)
    elif isinstance(documents, Iterable) and not isinstance(documents, str | np.ndarray):  # pyright: ignore[reportUnnecessaryIsInstance]
        for document in documents:
            one = [_marked(document, vocabulary)] if isinstance(document, Lesson) else encoded([document], vocabulary)
            yield from one
    else:  # one document, or what is none
        yield from encoded(cast("Documents", documents), vocabulary)


def _marked(lesson: Lesson, vocabulary: Vocabulary) -> Ids:
    ids, learned = checked_ids(lesson.ids, vocabulary), np.asarray(cast("ArrayLike", lesson.learned))
    if learned.dtype != np.bool_ or learned.shape != ids.shape:
        raise InputError(
            f"The mask of a lesson of {len(ids)} tokens must be bool of shape {ids.shape}, "
            f"got {learned.dtype} of shape {learned.shape}."
        )
    if not learned.any():
        raise InputError("A lesson has nothing to learn: no token of its mask is True. Leave it out.")
    return np.where(learned, ids, ids | ONLY_READ)
