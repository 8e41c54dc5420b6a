"""What comes in at the border is what the kernels were compiled for, or an error says what to do."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.threads import cores


def checked_integers(name: str, given: NDArray[Any]) -> None:
    """A contiguous vector of int64.  Raises TypeError or ValueError."""
    if (kind := _kind(given)) != "int64":
        raise TypeError(f"{name} must be a NumPy array of int64, got {kind}: np.asarray({name}, np.int64) makes one.")
    if given.ndim != 1:
        raise ValueError(f"{name} must be of shape (N,), got {given.shape}.")
    if not (given.flags.c_contiguous and given.flags.aligned):
        raise ValueError(f"{name} must be contiguous and aligned in memory; {name}.copy() is.")


def checked_tokens(tokens: NDArray[Any], vocabulary_size: int) -> None:
    """A vector of integers of any type within the vocabulary.  Raises TypeError or ValueError."""
    if (kind := _kind(tokens)).rstrip("0123456789") not in ("int", "uint"):
        raise TypeError(f"tokens must be a NumPy array of integers, got {kind}.")
    if tokens.ndim != 1:
        raise ValueError(f"tokens must be of shape (N,), got {tokens.shape}.")
    if len(tokens) and not 0 <= tokens.min() <= tokens.max() < vocabulary_size:
        raise ValueError(f"tokens must be 0 … {vocabulary_size - 1}, got {tokens.min()} … {tokens.max()}.")


def checked_starts(starts: NDArray[Any], length: int) -> None:
    """Where documents start in `length` tokens: from 0 on, never descending.  Raises TypeError or ValueError."""
    checked_integers("starts", starts)
    if (length and not len(starts)) or (len(starts) and starts[0] != 0):
        raise ValueError(f"starts must begin with 0, where the first document does, got {starts[:1].tolist()}.")
    if len(starts) and ((starts[1:] < starts[:-1]).any() or starts[-1] > length):
        raise ValueError(f"starts must ascend to at most {length}, the number of tokens.")


def checked_threads(asked: int | None) -> int:
    """How many threads to use: as many as asked for, by default one for each core.  Raises ValueError."""
    if asked is not None and asked < 1:
        raise ValueError(f"threads must be at least 1, got {asked}.")
    return cores() if asked is None else asked


def _kind(given: NDArray[Any]) -> str:
    """What an array holds, such as "int64"; of what is no array, what it is."""
    return str(given.dtype) if isinstance(given, np.ndarray) else f"a {type(given).__name__}"  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
