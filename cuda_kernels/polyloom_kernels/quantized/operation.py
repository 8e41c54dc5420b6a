"""`product` as it is called: checks, and the choice of a back end.

    y_mr = Σ_c s_(r, c) q_rc x_mc               for each input m and row r

Only weights are rounded: x and all sums are float32.  For a few inputs the time is that of reading the weights:

    bytes       int8: n (k + 4)     int4: n (K / 2 + 2 K / group)           and 4 m (k + n), which are few
    operations  2 m n k, and one or two for each weight to widen it

so 8 bits are at best 4 times as fast as float32, and 4 bits with groups of 64 are 7.5 times.  For many inputs, where
arithmetic decides, a product with the `dense` matrix is better.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels._cuda import Device, on_gpu
from polyloom_kernels.jit import Backend, Compiled, frozen
from polyloom_kernels.quantized import cuda, reference
from polyloom_kernels.quantized.quantise import GROUPS, Int4, Int8, Quantised
from polyloom_kernels.threads import cut, each

Floats: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[Any]

COMPILED = Compiled("polyloom_kernels.quantized.cpu", cuda=True)
SPEED = 2e9  # weights a second that NumPy makes dense, about


def product(x: Floats, weight: Quantised, backend: Backend = "auto", threads: int = 1) -> Floats:
    """x Wᵀ, float32 (m, n), of x float32 (m, k) and W (n, k), an `Int8` or `Int4`.

    Compiled code gives the same bits for any number of threads and whoever else is in x.  With "cuda" arrays go to the
    GPU and back, which takes longer than the product: weights that stay there are tensors, for `inside`.  Raises
    ValueError for arrays that do not fit, RuntimeError with the reason if a GPU is asked for and cannot be used.
    """
    check(weight)
    if x.ndim != 2 or x.dtype != np.float32 or x.shape[1] != weight.shape[1]:
        raise ValueError(f"Expected float32 inputs (m, {weight.shape[1]}), got {x.dtype} {x.shape}.")
    if on_gpu(backend):
        machine = Device()
        return machine.numpy(cuda.run(machine, machine.array(x, "float"), cuda.place(machine, weight)))
    compiled = COMPILED.chosen(backend, weight.shape[0] * weight.shape[1] / SPEED)
    if compiled is None:
        return reference.product(x, weight)
    out = np.empty((len(x), weight.shape[0]), np.float32)
    work = compiled.int8 if isinstance(weight, Int8) else compiled.int4
    given = (np.array(x, order="C"),) if isinstance(weight, Int8) else _grouped(x, weight)
    each(
        work, [(*map(frozen, weight[:2]), *given, out, rows.start, rows.stop) for rows in cut(len(weight[0]), threads)]
    )
    return out


def _grouped(x: Floats, weight: Int4) -> tuple[Floats, Floats]:
    """Inputs with zeros behind, (m, K), and the sums of their groups, (m, K / group)."""
    padded = np.zeros((len(x), 2 * weight.packed.shape[1]), np.float32)
    padded[:, : x.shape[1]] = x
    return padded, padded.reshape(len(x), weight.scales.shape[1], weight.group).sum(2)


def check(weight: Quantised) -> None:
    """Raise ValueError for an array that does not fit the others."""
    if isinstance(weight, Int8):
        _fits("weight", weight.weight, np.int8, (len(weight.weight), weight.weight.shape[-1]))
        _fits("scales", weight.scales, np.float32, (len(weight.weight),))
        return
    if not isinstance(weight, Int4):  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
        raise ValueError(f"Expected an Int8 or an Int4, got {type(weight).__name__}: int8(matrix) makes one.")
    rows, width = len(weight.packed), weight.packed.shape[-1]
    _fits("packed", weight.packed, np.uint8, (rows, width))
    groups = weight.scales.shape[-1] if weight.scales.ndim == 2 else 0
    _fits("scales", weight.scales, np.uint16, (rows, groups))
    held = 2 * width
    if groups == 0 or held not in (groups * group for group in GROUPS):
        raise ValueError(f"{held} numbers in a row do not make {groups} groups of {', '.join(map(str, GROUPS))}.")
    if not held - weight.group < weight.columns <= held:
        raise ValueError(f"{groups} groups of {weight.group} do not fit {weight.columns} columns.")


def _fits(name: str, array: Numbers, dtype: Any, shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape or not array.flags.c_contiguous:
        told = f"{array.dtype} {array.shape}{'' if array.flags.c_contiguous else ', not contiguous'}"
        raise ValueError(f"{name}: expected {np.dtype(dtype)} of shape {shape}, row after row; got {told}.")


def ready() -> bool:
    """Whether the compiled code is there; asking has it made, in the background."""
    return COMPILED.now() is not None
