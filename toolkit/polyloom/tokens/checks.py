"""What enters a vocabulary is checked here, once: texts, rows of ids, arrays out of a file.

Each check returns what it was given, in the form the rest may rely on, or raises an error that says which value it was,
what is wrong with it, and what to do.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom.errors import InputError, VocabularyError


def unicode_text(text: object, name: str = "the text") -> str:
    """`text` itself if it is a str without lone surrogates; else an error that says which text, and what or where."""
    if not isinstance(text, str):
        raise InputError(f"Expected {name} to be a str, got {type(text).__name__}.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise VocabularyError(
            f"Character {error.start} of {name} is the lone surrogate U+{ord(text[error.start]):04X}, which no Unicode "
            f"text holds. Read the file as UTF-8, or replace it: text.encode('utf-8', 'replace').decode()."
        ) from None
    return text


def training_texts(texts: Iterable[str]) -> Iterator[str]:
    """The texts of a training corpus one by one, checked; one bare string (a frequent slip) is refused."""
    if isinstance(texts, str):
        raise InputError("Expected several texts, got one string. Put it in a list: [text].")
    for position, text in enumerate(texts):
        yield unicode_text(text, f"text {position}")


def one_row(ids: ArrayLike) -> NDArray[np.integer[Any]]:
    """`ids` as integers of shape (T,), of whatever width they came in; an empty list is an empty row."""
    try:
        row = np.asarray(ids)
    except ValueError as error:  # rows of different lengths
        raise InputError(f"Expected one row of integer ids: {error}") from None
    if row.ndim != 1 or (row.size and row.dtype.kind not in "iu"):
        raise InputError(f"Expected one row of integer ids, got {row.dtype} of shape {row.shape}.")
    return row


def stored(arrays: Mapping[str, NDArray[Any]], name: str, dtype: type[np.generic]) -> NDArray[Any]:
    """The array of this name, which must be one row of this dtype; else a VocabularyError that says what is there."""
    if name not in arrays:
        raise VocabularyError(f"The vocabulary's array {name!r} is missing; there are {sorted(arrays)}.")
    array = arrays[name]
    if array.ndim != 1 or array.dtype != np.dtype(dtype):
        expected = np.dtype(dtype).name
        raise VocabularyError(f"Array {name!r} must be one row of {expected}, is {array.dtype} of shape {array.shape}.")
    return array


def stored_number(arrays: Mapping[str, NDArray[Any]], name: str) -> int:
    """The single whole number of an array out of a file."""
    numbers = stored(arrays, name, np.int64)
    if len(numbers) != 1:
        raise VocabularyError(f"Array {name!r} must hold one number, holds {len(numbers)}.")
    return int(numbers[0])


def stored_name(arrays: Mapping[str, NDArray[Any]], name: str) -> str | None:
    """A name in UTF-8 out of a file; None if it is empty."""
    try:
        return stored(arrays, name, np.uint8).tobytes().decode("utf-8") or None
    except ValueError as error:
        raise VocabularyError(f"Array {name!r} is no text: {error}") from error
