"""What is asked of each row, checked and as arrays: `Asked`, which every back end is given."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom_kernels.sample.watermark import Watermark
from polyloom_kernels.sample.weights import Longs, Settings, Words, spread

SMALLEST, LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)


class Asked(NamedTuple):
    """For each of B rows; what is not asked for has no columns.

    `spoken` int64 (B, T) is the text so far, rising, −1 for none, and `last` int64 (B,) its last token or −1;
    `penalties` float32 (B, 3) are repetition, presence and frequency; `allowed` uint32 (B, ⌈V / 32⌉).
    """

    settings: Settings
    seeds: Words
    places: Words
    spoken: Longs
    last: Longs
    penalties: NDArray[np.float32]
    allowed: NDArray[np.uint32]
    watermark: Watermark | None


def texts(said: ArrayLike | None, rows: int, tokens: int) -> tuple[Longs, Longs]:
    """`spoken` and `last` of texts (B, T).  Raises ValueError for what is no token."""
    text = np.empty((rows, 0), np.int64) if said is None else np.asarray(said)
    if text.ndim != 2 or len(text) != rows or text.dtype.kind not in "iu":
        raise ValueError(f"Expected the texts so far as whole numbers ({rows}, T), got {text.dtype} {text.shape}.")
    if text.size and not (text.min() >= -1 and text.max() < tokens):
        raise ValueError(f"Tokens must be from 0 to {tokens - 1}, or −1 for none; got {text.min()} … {text.max()}.")
    if not text.shape[1]:
        return np.empty((rows, 0), np.int64), np.full(rows, -1)
    return np.sort(text.astype(np.int64), 1), text[:, -1].astype(np.int64)


def penalised(rows: int, repetition: ArrayLike, presence: ArrayLike, frequency: ArrayLike) -> NDArray[np.float32]:
    """`penalties`.  Raises ValueError for what is no number."""
    found = np.empty((rows, 3), np.float32)
    found[:, 0] = spread("repetition", repetition, rows, SMALLEST, LARGEST)
    found[:, 1] = spread("presence", presence, rows, -LARGEST, LARGEST)
    found[:, 2] = spread("frequency", frequency, rows, -LARGEST, LARGEST)
    return found


def masked(allowed: NDArray[np.uint32] | None, rows: int, tokens: int) -> NDArray[np.uint32]:
    """`allowed`.  Raises ValueError for another shape or type."""
    if allowed is None:
        return np.empty((rows, 0), np.uint32)
    mask, expected = np.asarray(allowed), (rows, math.ceil(tokens / 32))
    if mask.dtype != np.uint32 or mask.shape != expected:
        raise ValueError(f"Expected allowed as bits, uint32 {expected}, got {mask.dtype} {mask.shape}.")
    return mask


def words(name: str, given: ArrayLike, rows: int) -> Words:
    """One word of 64 bits for each row."""
    found = np.asarray(given)
    if found.dtype.kind not in "iu" or found.shape not in ((), (rows,)) or (found.size and found.min() < 0):
        raise ValueError(
            f"{name} must be a whole number from 0 to below 2^64, or one for each of {rows} rows; got {given!r}."
        )
    each = np.empty(rows, np.uint64)
    each[:] = found
    return each
