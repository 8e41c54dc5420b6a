"""`lora` as it is called: checks, and the choice of a back end.

    y_n += Σ_k scale_nk · f_s · B_s (A_s x_n),   s = slot_nk;  −1 adds nothing, and neither does an empty slot

What it must do is to read, for each slot that a row names, r (inputs + outputs) numbers, and to multiply and add as
many; x, y and the slots are small beside them.  At few rows the time is that of reading; on a processor whose cache
holds the adapters it is that of the additions.  The product that all rows share reads inputs · outputs numbers once and
multiplies rows times as many, so for 8 rows of rank 16 over 512 × 512 an adapter for each is a sixteenth of the
arithmetic and half of the bytes.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom_kernels.jit import Backend, Compiled, frozen
from polyloom_kernels.lora import reference
from polyloom_kernels.lora.bank import STORED, Bank

Floats: TypeAlias = NDArray[np.float32]

COMPILED = Compiled("polyloom_kernels.lora.cpu")
ONES = frozen(np.empty((0, 0), np.float32))  # stands for scales of 1


def lora(
    x: Floats,
    slots: ArrayLike,
    bank: Bank,
    scales: ArrayLike | None = None,
    out: Floats | None = None,
    backend: Backend = "auto",
) -> Floats:
    """Add to `out` (N, outputs), float32, what the adapters of each row make of `x` (N, inputs), and return it.

    `slots` whole numbers (N,), or (N, K) for rows with several; `scales` of the same shape.  Without `out` it is made,
    of zeros.  A row's adapters are added in order, and compiled code gives it the same bits whoever else is there.
    Raises ValueError for arrays that do not fit and for a slot that there is not.
    """
    given, share = np.asarray(slots), ONES if scales is None else np.asarray(scales, np.float32)
    if out is None:
        out = np.zeros((len(x), bank.outputs), np.float32)
    _check(x, given, scales is None or share.shape == given.shape, bank, out)
    if given.ndim == 1:
        given, share = given[:, None], share if scales is None else share[:, None]
    table, held = bank.now
    compiled = COMPILED.chosen(backend)
    if compiled is None:
        done = reference.lora(x, given, share, held, out)
    else:
        arrays = map(
            frozen, (np.ascontiguousarray(x), np.ascontiguousarray(given, np.int64), np.ascontiguousarray(share))
        )
        done = compiled.lora(*arrays, table, STORED.index(bank.stored), bank.rank, out)
    if not done:
        raise ValueError(f"Slots must be from 0 to {len(held) - 1}, or −1, got {given.min()} … {given.max()}.")
    return out


def ready() -> bool:
    """Whether the compiled code is there; asking has it made, in the background."""
    return COMPILED.now() is not None


def _check(x: Floats, slots: NDArray[Any], alike: bool, bank: Bank, out: Floats) -> None:
    if x.ndim != 2 or x.dtype != np.float32 or x.shape[1] != bank.inputs:
        raise ValueError(f"Expected float32 rows (N, {bank.inputs}), got {x.dtype} {x.shape}.")
    if slots.ndim not in (1, 2) or slots.dtype.kind not in "iu" or len(slots) != len(x) or not alike:
        raise ValueError(
            f"Expected whole slots ({len(x)},) or ({len(x)}, K) and scales as many, got {slots.dtype} {slots.shape}."
        )
    writable = out.flags.c_contiguous and out.flags.writeable
    if out.dtype != np.float32 or out.shape != (len(x), bank.outputs) or not writable:
        raise ValueError(
            f"Expected room of float32 ({len(x)}, {bank.outputs}), writable and row after row, "
            f"got {out.dtype} {out.shape}."
        )
