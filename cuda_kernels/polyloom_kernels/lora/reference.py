"""The definition of `lora` in NumPy: row by row, in float32 or float64."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.decode.weights import widened
from polyloom_kernels.lora.bank import Thin

Numbers = NDArray[Any]


def lora(x: Numbers, slots: Numbers, scales: Numbers, adapters: Sequence[Thin | None], out: Numbers) -> bool:
    """Add to `out` in its dtype; whether all slots are there: if not, nothing is added.  Empty `scales` are all 1."""
    if slots.size and not (slots.min() >= -1 and slots.max() < len(adapters)):
        return False
    for (row, place), slot in np.ndenumerate(slots):
        adapter = adapters[int(slot)] if slot >= 0 else None
        if adapter is not None:
            a, b = (widened(each).astype(out.dtype, copy=False) for each in (adapter.a, adapter.b))
            scale = out.dtype.type(adapter.factor) * (scales[row, place] if scales.size else 1)
            out[row] += scale * (a @ x[row]) @ b  # a (r, inputs), b (r, outputs)
    return True
