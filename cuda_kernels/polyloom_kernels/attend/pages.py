"""Keys and values as `attend` finds them: pages of tokens, and for each text a row of a table that names its pages.

    keys, values     (P, K, T, h)     page, key head, token, number: float32, or int8 with scales (P, K, T)
    table            (B, n)           token t of text b is token t mod T of page table[b, t div T]

A text that lies in one piece is a text of one page.  With int8 every token of every head has a scale of its own, the
largest of its numbers over 127: a number is off by at most half of that, and a whole head, as measured on numbers of a
normal distribution, by 0.6 % of its size.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Numbers = NDArray[Any]
Longs = NDArray[np.int64]


class Pages(NamedTuple):
    """Keys and values of any number of texts; scales only beside int8."""

    keys: Any
    values: Any
    key_scales: Any | None = None
    value_scales: Any | None = None


def narrowed(pages: Pages) -> Pages:
    """The same as int8, with a scale for each token and head."""
    (keys, key_scales), (values, value_scales) = _rounded(pages.keys), _rounded(pages.values)
    return Pages(keys, values, key_scales, value_scales)


def _rounded(x: Numbers) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    scales = (np.abs(x).max(-1) / 127).astype(np.float32)
    steps = np.where(scales > 0, scales, 1)[..., None]
    return np.rint(x / steps).astype(np.int8), scales


def check(query: Any, pages: Pages, lengths: Longs, table: Longs) -> None:
    """Raise ValueError for what does not fit."""
    keys, shape = pages.keys, tuple(pages.keys.shape)
    if query.ndim != 3 or len(shape) != 4 or query.shape[2] != shape[3] or not shape[1] or query.shape[1] % shape[1]:
        raise ValueError(
            f"Expected queries (B, H, h) and pages (P, K, T, h) with K a divisor of H, "
            f"got {tuple(query.shape)} and {shape}."
        )
    if tuple(pages.values.shape) != shape or pages.values.dtype != keys.dtype:
        raise ValueError(
            f"Expected values like the keys, {keys.dtype} {shape}; got {pages.values.dtype} {(*pages.values.shape,)}."
        )
    narrow = str(keys.dtype).removeprefix("torch.") == "int8"
    for scales in (pages.key_scales, pages.value_scales):
        if (scales is not None) != narrow:
            raise ValueError(f"Scales belong to int8 and to nothing else; the pages are {keys.dtype}.")
        if scales is not None and (
            tuple(scales.shape) != shape[:3] or str(scales.dtype).removeprefix("torch.") != "float32"
        ):
            raise ValueError(f"Expected scales float32 {shape[:3]}, got {scales.dtype} {tuple(scales.shape)}.")
    texts = query.shape[0]
    if lengths.shape != (texts,) or table.ndim != 2 or len(table) != texts:
        raise ValueError(f"Expected {texts} lengths and rows of pages, got {lengths.shape} and {table.shape}.")
    if texts and not (lengths.min() >= 0 and lengths.max() <= table.shape[1] * shape[2]):
        raise ValueError(
            f"Texts have room for 0 … {table.shape[1] * shape[2]} tokens, got {lengths.min()} … {lengths.max()}."
        )
    if table.size and not (table.min() >= 0 and table.max() < shape[0]):
        raise ValueError(f"Pages are 0 … {shape[0] - 1}, got {table.min()} … {table.max()}.")


def whole(name: str, given: ArrayLike, shape: tuple[int, ...] | None = None) -> Longs:
    """Whole numbers, int64."""
    found = np.asarray(given)
    if (found.size and found.dtype.kind not in "iu") or (shape is not None and found.shape != shape):
        raise ValueError(
            f"{name} must be whole numbers{f' {shape}' if shape else ''}, got {found.dtype} {found.shape}."
        )
    return found.astype(np.int64)
