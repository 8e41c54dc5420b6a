"""What `lora` reads: the adapters of one linear map in numbered slots, as a table of where their matrices lie.

    slot s:   A_s (r_s, inputs)   B_sᵀ (r_s, outputs)   f_s        row after row, float32 or bfloat16, all slots alike

A slot is 24 bytes of the table, and to change one writes them: the matrices stay where they are, and no program that
was given the table has to be made or captured anew.  Both matrices are laid with the rank outside, so that each number
is read once, in order, and ranks need no filling up.  `Thin` holds one adapter laid out so: B is copied unless it is
the transpose of such a matrix, and A is not; banks share it.

Arrays are NumPy's, with bfloat16 as the uint16 of its bits, or tensors of torch.  Those of a CPU are taken as NumPy's.
On a GPU the table and the matrices lie in its memory.  A table there is written in the order of the current stream,
so calls that were queued before still see the old slot.  On a CPU a call sees the bank as it was when it began.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, TypeAlias, cast, final

import numpy as np
from numpy.typing import NDArray

Numbers: TypeAlias = NDArray[Any]

STORED = ("float32", "uint16")  # in the order of the kinds of `polyloom_kernels.dots`
SLOT = np.dtype([("a", np.int64), ("b", np.int64), ("rank", np.int32), ("factor", np.float32)])  # as in lora.cu
WORDS = SLOT.itemsize // 8  # of int64, in which the table is kept


@final
@dataclass(frozen=True, eq=False)
class Thin:
    """An adapter as it is read: `a` (r, inputs), `b` (r, outputs), and what their product is multiplied by."""

    a: Any
    b: Any
    factor: float

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy has arrays of its own, so no address goes with it."""
        return Thin, (self.a, self.b, self.factor)

    @property
    def rank(self) -> int:
        """How many directions it changes."""
        return len(self.a)

    @cached_property
    def stored(self) -> str:
        """The name of the dtype, as in `STORED`."""
        return kind(self.a)

    @cached_property
    def record(self) -> tuple[int, int, int, float]:
        """As a slot of the table has it."""
        return address(self.a), address(self.b), self.rank, self.factor


def thin(a: Any, b: Any, factor: float = 1.0) -> Thin:
    """f B A, from `a` (r, inputs) and `b` (outputs, r); what they hold must not change while it is used.

    Raises ValueError for matrices that share no rank or dtype, and for a factor that is not finite.
    """
    a, b = plain(a), plain(b)
    if a.ndim != 2 or b.ndim != 2 or a.shape[0] != b.shape[1] or not a.shape[0]:
        raise ValueError(
            f"Expected A (rank, inputs) and B (outputs, rank) of one rank, got {tuple(a.shape)} and {tuple(b.shape)}."
        )
    if kind(a) not in STORED or kind(a) != kind(b) or isinstance(a, np.ndarray) != isinstance(b, np.ndarray):
        raise ValueError(f"Expected A and B both float32 or both bfloat16, on one device; got {a.dtype} and {b.dtype}.")
    if not isinstance(factor, int | float | np.floating) or not math.isfinite(factor):  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
        raise ValueError(f"The factor must be finite, got {factor!r}.")
    return Thin(laid(a), laid(b.T), float(factor))


@final
class Bank:
    """Room for adapters of a map of `inputs` and `outputs`, up to `rank`; see the module.

    `stored` is how all of them are stored, "float32" or "uint16" (bfloat16); `device` is torch's, of a GPU, or None.
    Raises ValueError for sizes below 1 and another way to store.
    """

    def __init__(
        self, inputs: int, outputs: int, slots: int, rank: int, stored: str = "float32", device: Any = None
    ) -> None:
        if min(inputs, outputs, slots, rank) < 1:
            raise ValueError(f"Expected sizes of at least 1, got {inputs}, {outputs}, {slots} slots, rank {rank}.")
        if stored not in STORED:
            raise ValueError(f"Expected weights stored as {' or '.join(STORED)}, got {stored!r}.")
        self.inputs, self.outputs, self.rank, self.stored, self.device = inputs, outputs, rank, stored, device
        self._start((None,) * slots)

    @classmethod
    def of(cls, adapters: Sequence[Thin], device: Any = None) -> "Bank":
        """One with these in its slots, at least one, and all of one map.  Raises ValueError as `put` does."""
        (inputs, outputs), rank = (adapters[0].a.shape[1], adapters[0].b.shape[1]), max(each.rank for each in adapters)
        bank = cls(inputs, outputs, len(adapters), rank, adapters[0].stored, device)
        for each in adapters:
            bank._check(each)
        bank._start(tuple(adapters))
        return bank

    def __reduce__(self) -> tuple[Any, ...]:
        """As of an adapter."""
        size = self.inputs, self.outputs, len(self), self.rank, self.stored, self.device
        return _filled, (*size, self.now[1])

    def __len__(self) -> int:
        """How many slots there are."""
        return len(self.now[1])

    def put(self, slot: int, adapter: Thin | None) -> None:
        """Put an adapter into a slot, or leave it empty: then it adds nothing.

        Raises ValueError for a slot that there is not and an adapter that does not fit.
        """
        if not isinstance(slot, int | np.integer) or not 0 <= slot < len(self):  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
            raise ValueError(f"The bank has slots 0 to {len(self) - 1}, got {slot!r}.")
        if adapter is not None:
            self._check(adapter)
        record = words([adapter])
        table, held = self.now
        if self.device is None:
            table = table.copy()
            table[slot] = record
            table.setflags(write=False)
        else:
            table[slot].copy_(import_module("torch").from_numpy(record[0]))
        self.now = table, (*held[:slot], adapter, *held[slot + 1 :])

    def _start(self, held: tuple[Thin | None, ...]) -> None:
        table: Any = words(held)
        table.setflags(write=False)
        if self.device is not None:
            table = import_module("torch").tensor(table, device=self.device)
        self.now: tuple[Any, tuple[Thin | None, ...]] = table, held  # together, so that nobody sees halves of a change

    def _check(self, adapter: Thin) -> None:
        fits = adapter.a.shape[1] == self.inputs and adapter.b.shape[1] == self.outputs and adapter.rank <= self.rank
        if not fits or adapter.stored != self.stored:
            raise ValueError(
                f"The bank takes adapters (r ≤ {self.rank}, {self.inputs}) and (r, {self.outputs}) of {self.stored}, "
                f"got {tuple(adapter.a.shape)} and {tuple(adapter.b.shape)} of {adapter.stored}."
            )
        if isinstance(adapter.a, np.ndarray) != (self.device is None):
            where = "in NumPy or on a CPU" if self.device is None else f"on {self.device}"
            raise ValueError(f"The bank takes adapters that lie {where}, got {type(adapter.a).__name__}.")


def _filled(*given: Any) -> Bank:
    """A bank of these sizes that holds what comes last."""
    bank = Bank(*given[:-1])
    for slot, adapter in enumerate(given[-1]):
        bank.put(slot, adapter)
    return bank


def words(adapters: Sequence[Thin | None]) -> NDArray[np.int64]:
    """The slots of a table, (slots, WORDS)."""
    records = np.array([(0, 0, 0, 0.0) if each is None else each.record for each in adapters], SLOT)
    return records.view(np.int64).reshape(-1, WORDS)


def plain(array: Any) -> Any:
    """A tensor of a CPU as the array that shares its memory; others as they are."""
    if isinstance(array, np.ndarray):
        return cast("Numbers", array)
    tensor = array.detach()
    if tensor.device.type != "cpu":
        return tensor
    torch: Any = import_module("torch")
    return (tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def laid(array: Any) -> Any:
    """Row after row: the same if it is, else a copy."""
    return np.ascontiguousarray(cast("Numbers", array)) if isinstance(array, np.ndarray) else array.contiguous()


def kind(array: Any) -> str:
    """The name of the dtype, as in `STORED` if it is there."""
    name = str(array.dtype).removeprefix("torch.")
    return "uint16" if name == "bfloat16" else name


def address(array: Any) -> int:
    """Where it lies."""
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data_ptr()
