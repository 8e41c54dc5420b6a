"""`experts` as it is called: checks, and the choice of a back end.

For a few tokens the time is that of reading weights, so each chosen expert's are read once and the others' not at all.
For many tokens, where arithmetic decides, a matrix product for each expert is better.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom_kernels.experts import reference
from polyloom_kernels.jit import Backend, Compiled

Floats: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[Any]

COMPILED = Compiled("polyloom_kernels.experts.cpu")
STORED = ("float32", "uint16")  # in the order of the kinds of `polyloom_kernels.dots`


def experts(
    x: Floats,
    gate: Numbers,
    up: Numbers,
    down: Numbers,
    chosen: ArrayLike,
    weights: ArrayLike,
    backend: Backend = "auto",
) -> Floats:
    """What the chosen experts make of each token, weighted and summed, float32 (N, d).

    `x` float32 (N, d); `gate` and `up` (E, f, d) and `down` (E, d, f), float32 or the uint16 bits of bfloat16, each
    expert's matrix row after row; they are read where they lie.  `chosen` whole numbers (N, k), `weights` (N, k).  A
    token's experts are added in ascending order, and compiled code gives it the same bits whoever else is there.
    Raises ValueError for arrays that do not fit and for an expert that there is not.
    """
    taken, share = np.asarray(chosen), np.ascontiguousarray(weights, np.float32)
    _check(x, gate, up, down, taken, share)
    compiled = COMPILED.chosen(backend)
    if compiled is None:
        return reference.experts(x, gate, up, down, taken, share)
    matrices = (gate, up, down)
    out = np.zeros(x.shape, np.float32)
    compiled.experts(
        *(np.array(x, np.float32, order="C"), STORED.index(gate.dtype.name)),
        np.array([matrix.ctypes.data for matrix in matrices], np.int64),
        np.array([matrix.strides[0] for matrix in matrices], np.int64),
        *(len(gate), gate.shape[1], np.array(taken, np.int64).reshape(-1), np.array(share).reshape(-1)),
        *(taken.shape[1], out),
    )
    return out


def _check(x: Numbers, gate: Numbers, up: Numbers, down: Numbers, chosen: Numbers, weights: Floats) -> None:
    if x.ndim != 2 or x.dtype != np.float32:
        raise ValueError(f"Expected float32 tokens (N, d), got {x.dtype} {x.shape}.")
    if gate.ndim != 3 or not len(gate) or gate.shape[2] != x.shape[1]:
        raise ValueError(f"Expected gates (E, f, {x.shape[1]}) of at least one expert, got {gate.shape}.")
    count, size, width = gate.shape
    for name, matrix, shape in (
        ("gate", gate, gate.shape),
        ("up", up, gate.shape),
        ("down", down, (count, width, size)),
    ):
        if matrix.dtype.name not in STORED or matrix.dtype != gate.dtype or matrix.shape != shape:
            raise ValueError(
                f"{name}: expected {' or '.join(STORED)} of shape {shape}, all three alike; "
                f"got {matrix.dtype} {matrix.shape} beside gates of {gate.dtype}."
            )
        if not matrix[0].flags.c_contiguous:
            raise ValueError(f"{name}: expected each expert's matrix row after row, got strides {matrix.strides}.")
    if chosen.ndim != 2 or chosen.dtype.kind not in "iu" or chosen.shape != weights.shape or len(chosen) != len(x):
        raise ValueError(
            f"Expected chosen experts and weights ({len(x)}, k), got {chosen.dtype} {chosen.shape} and {weights.shape}."
        )
    if chosen.size and not (chosen.min() >= 0 and chosen.max() < count):
        raise ValueError(f"Experts must be from 0 to {count - 1}, got {chosen.min()} … {chosen.max()}.")


def ready() -> bool:
    """Whether the compiled code is there; asking has it made, in the background."""
    return COMPILED.now() is not None
