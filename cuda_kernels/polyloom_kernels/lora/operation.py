"""`lora` as it is called: checks, and the choice of a back end.

    y_n += Σ_k scale_nk · f_s · B_s (A_s x_n),   s = slot_nk;  −1 adds nothing, and neither does an empty slot

What it must do is to read, for each slot that a row names, r (inputs + outputs) numbers, and to multiply and add as
many; x, y and the slots are small beside them.  At few rows the time is that of reading; on a processor whose cache
holds the adapters it is that of the additions.  The product that all rows share reads inputs · outputs numbers once and
multiplies rows times as many, so for 8 rows of rank 16 over 512 × 512 an adapter for each is a sixteenth of the
arithmetic and half of the bytes.  On a GPU it is two launches, which for few rows take longer than what they read.
"""

from importlib import import_module
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels import _device
from polyloom_kernels._cuda import Device
from polyloom_kernels._launch import Machine
from polyloom_kernels.jit import Backend, Compiled, frozen
from polyloom_kernels.lora import cuda, reference
from polyloom_kernels.lora.bank import STORED, Bank, kind

Floats: TypeAlias = NDArray[np.float32]

COMPILED = Compiled("polyloom_kernels.lora.cpu", cuda=True)
ONES = frozen(np.empty((0, 0), np.float32))  # stands for scales of 1


def lora(
    x: Any,
    slots: Any,
    bank: Bank,
    scales: Any = None,
    out: Any = None,
    backend: Backend = "auto",
) -> Any:
    """Add to `out` (N, outputs), float32, what the adapters of each row make of `x` (N, inputs), and return it.

    `slots` whole numbers (N,), or (N, K) for rows with several; `scales` of the same shape.  Without `out` it is made,
    of zeros.  A row's adapters are added in order, and compiled code gives it the same bits whoever else is there; with
    "auto", NumPy answers until that is ready, and differs in the last ones.  With a bank on a GPU all are tensors
    there, `x` and `out` float32 or bfloat16, and a slot that there is not adds nothing, because to look would be to
    wait.  Raises ValueError for arrays that do not fit, for a slot that there is not, and for another back end than
    that of the bank; RuntimeError with the reason if its GPU cannot be used.
    """
    if (bank.device is not None and backend == "auto") or backend == "cuda":
        return _on_gpu(x, slots, bank, scales, out)
    if bank.device is not None:
        raise ValueError(f"The bank lies on {bank.device}, where the back end {backend!r} cannot read it.")
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


def launched(machine: Machine, x: Any, slots: Any, bank: Bank, scales: Any, out: Any) -> Any:
    """The same on a machine for kernels, which has a word on types and devices itself."""
    shape = tuple(slots.shape)
    fits = len(x.shape) == 2 and len(shape) in (1, 2) and shape[0] == x.shape[0] and x.shape[1] == bank.inputs
    if not fits or (scales is not None and tuple(scales.shape) != shape) or kind(x) not in STORED:
        raise ValueError(
            f"Expected float32 or bfloat16 rows (N, {bank.inputs}) and slots and scales (N,) or (N, K), "
            f"got {x.dtype} {tuple(x.shape)} and {shape}."
        )
    if tuple(out.shape) != (x.shape[0], bank.outputs):
        raise ValueError(f"Expected room ({x.shape[0]}, {bank.outputs}), got {tuple(out.shape)}.")
    if len(shape) == 1:
        slots, scales = slots[:, None], None if scales is None else scales[:, None]
    kinds = cuda.NUMBERS[kind(x)], cuda.NUMBERS[bank.stored]
    cuda.run(machine, x, slots, scales, bank.now[0], bank.rank, out, kinds)
    return out


def _on_gpu(x: Any, slots: Any, bank: Bank, scales: Any, out: Any) -> Any:
    machine = Device.of(x)
    if bank.device is None:
        raise ValueError('The bank does not lie on a GPU: Bank(…, device="cuda").')
    torch: Any = import_module("torch")
    slots = torch.as_tensor(slots, dtype=torch.int64, device=x.device).contiguous()
    share = None if scales is None else torch.as_tensor(scales, dtype=torch.float32, device=x.device).contiguous()
    out = x.new_zeros(x.shape[0], bank.outputs) if out is None else out
    return launched(machine, x.contiguous(), slots, bank, share, out)


def ready(device: Any = None) -> bool:
    """Whether there is more than the reference for banks on a device, None being the processor.

    To ask has the compiled code made, in the background.
    """
    return COMPILED.now() is not None if device is None else _device.usable()


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
