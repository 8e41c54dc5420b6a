"""The definition of `attend` in NumPy, float64: text by text and head by head."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.attend.pages import Longs, Numbers, Pages

Reals = NDArray[np.float64]


def attend(query: Numbers, pages: Pages, lengths: Longs, table: Longs, scale: float, cap: float, window: int) -> Reals:
    """What each head brings, (B, H, h); nothing, zero, of a text without tokens."""
    out = np.zeros(query.shape)
    shared = query.shape[1] // pages.keys.shape[1]
    for b, length in enumerate(lengths):
        start = max(0, length - window) if window else 0
        for head in range(query.shape[1] if length else 0):
            keys, values = (
                along(part, scales, table[b], head // shared)[start:length]
                for part, scales in ((pages.keys, pages.key_scales), (pages.values, pages.value_scales))
            )
            scores = keys @ query[b, head].astype(np.float64) * scale
            scores = cap * np.tanh(scores / cap) if cap else scores
            parts = np.exp(scores - scores.max())
            out[b, head] = parts @ values / parts.sum()
    return out


def along(part: Any, scales: Any | None, pages: Longs, head: int) -> Reals:
    """What one key head has along a text, (tokens, h)."""
    found = np.concatenate([part[page, head].astype(np.float64) for page in pages])
    if scales is None:
        return found
    return found * np.concatenate([scales[page, head] for page in pages])[:, None]
