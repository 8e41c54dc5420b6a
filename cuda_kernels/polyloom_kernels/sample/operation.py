"""`sample` as it is called: checks, and the choice of a back end.

    x_y = logit_y / repetition, or · repetition if it is below 0        for every y of the text so far (CTRL, 2019)
          − presence − frequency · (how often y came)
          + boost, if y is green (see `watermark`);  −∞, if it is not allowed
    p_y ∝ e^(x_y / temperature)                                         temperature 0 is greedy: ties by smaller id
    top_k, top_p, min_p          each of what the one before left, likeliest first, ties by smaller id
    token = the first y with Σ p up to it > dice                        in the same order

Probabilities are whole numbers (see `weights`), so every back end draws the same token, and a seed and a place always
give the same one.  A row costs three passes over its V numbers, 12 V bytes; the second takes about forty operations for
each.  What has 2^-40 of the largest probability, or less, is never drawn.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom_kernels.jit import Backend, Compiled, frozen
from polyloom_kernels.sample import reference
from polyloom_kernels.sample.watermark import Watermark
from polyloom_kernels.sample.weights import IDS, Longs, Reals, Settings, Words, settled, spread

COMPILED = Compiled("polyloom_kernels.sample.cpu")
SMALLEST, LARGEST = float(np.finfo(np.float32).tiny), float(np.finfo(np.float32).max)
SORTED = 1e-5  # seconds for each number that NumPy takes to sort the rows of a text of a hundred tokens


def sample(
    logits: NDArray[np.float32],
    seeds: ArrayLike,
    places: ArrayLike = 0,
    *,
    temperature: ArrayLike = 1.0,
    top_k: ArrayLike = 0,
    top_p: ArrayLike = 1.0,
    min_p: ArrayLike = 0.0,
    said: ArrayLike | None = None,
    repetition: ArrayLike = 1.0,
    presence: ArrayLike = 0.0,
    frequency: ArrayLike = 0.0,
    allowed: NDArray[np.uint32] | None = None,
    watermark: Watermark | None = None,
    backend: Backend = "auto",
) -> Longs:
    """One token for each row, int64 (B,).

    `logits` float32 (B, V), −∞ for what may not come; `seeds` and `places`, whole numbers of 64 bits, say which dice
    are thrown: the place is usually how many tokens were written.  Settings are one number, or (B,).  top_k 0, top_p 1
    and min_p 0 leave all.  `said` whole numbers (B, T) are the text so far, filled up with −1 in front: penalties and
    the watermark, which goes by the last token, need it.  `allowed` uint32 (B, ⌈V / 32⌉): bit y of a row, from the
    lowest of the first word on, says whether y may come.  Raises ValueError for arrays and settings that do not fit,
    and for a row with NaN, +∞ or nothing that may come.
    """
    rows = _rows(logits)
    count, size = rows.shape
    settings = settled(count, size, temperature, top_k, top_p, min_p)
    text = _said(said, count, size)
    penalties = _penalties(count, repetition, presence, frequency)
    mask = _allowed(allowed, count, size)
    words = _words("seeds", seeds, count), _words("places", places, count)
    last = text[:, -1] if text.shape[1] else np.full(count, -1)
    spoken = np.sort(text, 1) if text.size else text
    compiled = COMPILED.chosen(backend, SORTED * rows.size)
    if compiled is None:
        found = reference.sample(rows, settings, *words, spoken, penalties, mask, last, watermark)
    else:
        found = np.empty(count, np.int64)
        sign = watermark or Watermark(0)
        share = sign.threshold if watermark else 0
        given = (rows, *settings, *words, spoken, penalties, mask)
        compiled.sample(
            *(frozen(np.ascontiguousarray(part)) for part in given),
            *(np.uint64(sign.key), np.uint64(share), np.float32(sign.boost), frozen(np.ascontiguousarray(last)), found),
        )
    if (found < 0).any():
        raise ValueError(f"Row {int(found.argmin())} is no distribution: it has NaN or +∞, or nothing that may come.")
    return found


def kept(
    log_probs: Reals,
    *,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    backend: Backend = "auto",
) -> Longs:
    """The tokens that top_k, top_p and min_p leave of one row, int64 (n,), rising; for whoever draws by himself.

    `log_probs` float64 (V,), up to a constant.  Raises ValueError as `sample` does.
    """
    if log_probs.ndim != 1 or log_probs.dtype != np.float64 or not 0 < len(log_probs) < 1 << IDS:
        raise ValueError(f"Expected float64 log-probabilities (V,), got {log_probs.dtype} {log_probs.shape}.")
    settings = Settings(*(part[0] for part in settled(1, len(log_probs), temperature, top_k, top_p, min_p)))
    compiled = COMPILED.chosen(backend, SORTED * log_probs.size)
    if compiled is None:
        found = np.sort(reference.left(log_probs, settings)[0])
    else:
        ids = np.empty(len(log_probs), np.int64)
        found = ids[: max(0, compiled.kept(frozen(np.ascontiguousarray(log_probs)), *settings, ids))]
    if not len(found):
        raise ValueError("The row is no distribution: it has NaN or +∞, or nothing that may come.")
    return found


def _rows(logits: NDArray[Any]) -> NDArray[np.float32]:
    logits = np.asarray(logits)
    if logits.ndim != 2 or logits.dtype != np.float32 or not 0 < logits.shape[1] < 1 << IDS:
        raise ValueError(
            f"Expected float32 logits (B, V) with V from 1 to below 2^24, got {logits.dtype} {logits.shape}."
        )
    return logits


def _said(said: ArrayLike | None, rows: int, tokens: int) -> Longs:
    text = np.empty((rows, 0), np.int64) if said is None else np.asarray(said)
    if text.ndim != 2 or len(text) != rows or text.dtype.kind not in "iu":
        raise ValueError(f"Expected the texts so far as whole numbers ({rows}, T), got {text.dtype} {text.shape}.")
    if text.size and not (text.min() >= -1 and text.max() < tokens):
        raise ValueError(f"Tokens must be from 0 to {tokens - 1}, or −1 for none; got {text.min()} … {text.max()}.")
    return text.astype(np.int64)


def _penalties(rows: int, repetition: ArrayLike, presence: ArrayLike, frequency: ArrayLike) -> NDArray[np.float32]:
    """Repetition, presence and frequency, (B, 3)."""
    found = np.empty((rows, 3), np.float32)
    found[:, 0] = spread("repetition", repetition, rows, SMALLEST, LARGEST)
    found[:, 1] = spread("presence", presence, rows, -LARGEST, LARGEST)
    found[:, 2] = spread("frequency", frequency, rows, -LARGEST, LARGEST)
    return found


def _allowed(allowed: NDArray[np.uint32] | None, rows: int, tokens: int) -> NDArray[np.uint32]:
    if allowed is None:
        return np.empty((rows, 0), np.uint32)
    expected = (rows, math.ceil(tokens / 32))
    if allowed.dtype != np.uint32 or allowed.shape != expected:
        raise ValueError(f"Expected allowed as bits, uint32 {expected}, got {allowed.dtype} {allowed.shape}.")
    return allowed


def _words(name: str, given: ArrayLike, rows: int) -> Words:
    found = np.asarray(given)
    if found.dtype.kind not in "iu" or found.shape not in ((), (rows,)) or (found.size and found.min() < 0):
        raise ValueError(
            f"{name} must be a whole number from 0 to below 2^64, or one for each of {rows} rows; got {given!r}."
        )
    words = np.empty(rows, np.uint64)
    words[:] = found
    return words


def ready() -> bool:
    """Whether the compiled code is there; asking has it made, in the background."""
    return COMPILED.now() is not None
