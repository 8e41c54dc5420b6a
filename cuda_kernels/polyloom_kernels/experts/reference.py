"""The definition of `experts` in NumPy: expert by expert, in float32 or float64."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[Any]


def experts(x: Numbers, gate: Numbers, up: Numbers, down: Numbers, chosen: Numbers, weights: Numbers) -> Numbers:
    """out (N, d) in the dtype of x; experts that nobody chose are not read."""
    out = np.zeros_like(x)
    for expert in np.unique(chosen).tolist():
        rows, places = np.nonzero(chosen == expert)
        given = x[rows]  # (m, d)
        opened = given @ widened(gate[expert], x).T  # (m, f)
        with np.errstate(over="ignore"):  # e^(−gate) may be infinite: silu is then zero, as it should be
            hidden = opened / (1 + np.exp(-opened)) * (given @ widened(up[expert], x).T)
        found = hidden @ widened(down[expert], x).T  # (m, d)
        np.add.at(out, rows, weights[rows, places, None].astype(x.dtype) * found)
    return out


def widened(stored: Numbers, like: Numbers) -> Numbers:
    """Stored weights in the dtype of `like`: bfloat16 is the upper half of a float32."""
    real = (stored.astype(np.uint32) << 16).view(np.float32) if stored.dtype == np.uint16 else stored
    return real.astype(like.dtype, copy=False)
