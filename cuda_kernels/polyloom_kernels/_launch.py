"""How a kernel is described and launched: one interface, two machines, so that host code is written once.

A `Kernel` is a function of a `.cu` file with its parameters as a table of types.  A *machine* holds arrays and runs
kernels on them:

    machine.array(values, "half")             a NumPy array, on the machine, as this kind
    machine.empty((rows, k), "int")           whatever was in memory before; the shim fills it with poison
    machine.zeros((rows,), "int")
    machine.numpy(array)                      back; half and bf16 as float32
    machine.launch(kernel, grid, block, *arguments, shared=bytes)
    machine.processors, machine.most_shared   how many blocks run side by side; bytes of shared memory a block can have

`Device` (`_cuda.py`) is a GPU: its arrays are tensors of torch.  `Shim` (`shim/machine.py`) is the processor: its
arrays are NumPy's.  Both take the same arguments: as many as parameters, each array of the kind that the table says and
contiguous, each number within its type, None for a pointer that may be null.  The kinds are

    float half bf16 double int unsigned `long long` `unsigned long long` short `unsigned short` `signed char`
    `unsigned char`

and a parameter is one of them (a number: but not half or bf16), or `const K*` for what is only read, or `K*`.

To add an operation `name`:
1. `polyloom_kernels/name/name.cu`: includes "device.cuh", which says what a kernel may use.
2. `polyloom_kernels/name/cuda.py`: `KERNELS`, a tuple of every `Kernel` with every combination of macros that is
   used, and a function `run(machine, ...)` that checks nothing, allocates through the machine, and launches.
3. `operation.py` asks `on_gpu(backend, tensor)` (`_cuda.py`) first and calls `run(Device.of(tensor), …)`.
   Its docstring says what bounds the kernel: bytes and operations.
4. `polyloom_kernels/name/bench_cuda.py`: `rows(machine, ceilings)`, timed by `seconds` of `_measure.py`.
5. A line in `_table.py`.
6. `tests/cuda_kernels/name/cases.py`: `CASES`, `BUDGET` and `EQUIVALENT`; see `tests/cuda_kernels/case.py`.
Then the generic tests compile it, hold it to its budget, run it on the shim, mutate it, and run it on a GPU.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

HEADER = Path(__file__).parent / "device.cuh"
MOST_THREADS = 1024
MOST_BLOCKS = (2**31 - 1, 65_535, 65_535)


class Kind(NamedTuple):
    """A type of C++ as NumPy and torch call it; NumPy has no bf16 of its own, so its two bytes have a named field."""

    dtype: np.dtype[Any]
    torch: str
    number: bool  # whether a parameter can be a number of this kind


def _kind(name: str, number: bool = True) -> Kind:
    return Kind(np.dtype(name), name, number)


BF16 = np.dtype([("bf16", np.uint16)])
KINDS = {
    "float": _kind("float32"),
    "double": _kind("float64"),
    "half": _kind("float16", number=False),
    "bf16": Kind(BF16, "bfloat16", False),
    "int": _kind("int32"),
    "unsigned": _kind("uint32"),
    "long long": _kind("int64"),
    "unsigned long long": _kind("uint64"),
    "short": _kind("int16"),
    "unsigned short": _kind("uint16"),
    "signed char": _kind("int8"),
    "unsigned char": _kind("uint8"),
}


class Parameter(NamedTuple):
    """One entry of a signature, read."""

    kind: str
    pointer: bool
    written: bool  # a pointer without const

    @classmethod
    def read(cls, spelled: str) -> "Parameter":
        """From `const float*`; ValueError if it is none."""
        pointer, const = spelled.endswith("*"), spelled.startswith("const ")
        kind = spelled.removesuffix("*").removeprefix("const ") if pointer else spelled
        if kind not in KINDS or not (pointer or KINDS[kind].number):
            raise ValueError(f"{spelled!r} is no parameter of a kernel; the kinds are {', '.join(KINDS)}.")
        return cls(kind, pointer, pointer and not const)


@dataclass(frozen=True)
class Kernel:
    """The function `name` in the file `source`, its parameters, and the macros that the file is compiled with."""

    source: Path
    name: str
    signature: tuple[str, ...]
    macros: tuple[tuple[str, str], ...] = ()
    parameters: tuple[Parameter, ...] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", tuple(map(Parameter.read, self.signature)))

    def __str__(self) -> str:
        return " ".join([self.name, *(f"{name}={meaning}" for name, meaning in self.macros)])


class Machine(Protocol):
    """What host code sees of a GPU or of the shim."""

    @property
    def processors(self) -> int:
        """Multiprocessors: work is cut into about as many blocks as fill them."""
        ...

    @property
    def most_shared(self) -> int:
        """Bytes of shared memory, static and dynamic together, that a block can have."""
        ...

    def array(self, values: NDArray[Any], kind: str) -> Any:
        """`values` on this machine, as a kind of the table; floats are rounded to half and bf16, ties to even."""
        ...

    def empty(self, shape: Sequence[int], kind: str) -> Any:
        """An array that holds anything."""
        ...

    def zeros(self, shape: Sequence[int], kind: str) -> Any:
        """An array of zeros."""
        ...

    def numpy(self, array: Any) -> NDArray[Any]:
        """A copy for the processor; half and bf16 become float32."""
        ...

    def launch(
        self, kernel: Kernel, grid: Sequence[int], block: Sequence[int], *arguments: Any, shared: int = 0
    ) -> None:
        """Run it: a grid of up to three numbers of blocks, each of up to three numbers of threads.

        A grid with a zero in it is no work and launches nothing.  `shared` are bytes of dynamic shared memory.
        Raises TypeError or ValueError for arguments that are not what the signature says.
        """
        ...


class Array(NamedTuple):
    """What the checks need to know of an argument, whatever its library."""

    kind: str  # its dtype in the words of the machine's library
    contiguous: bool
    writable: bool
    here: bool  # on the machine


def narrowing(values: NDArray[Any], kind: str) -> NDArray[Any]:
    """Floats that become half or bf16 as float32, so that they are rounded the same way on every machine."""
    return values.astype(np.float32) if kind in ("half", "bf16") and values.dtype == np.float64 else values


def three(
    kernel: Kernel, grid: Sequence[int], block: Sequence[int]
) -> tuple[tuple[int, int, int], tuple[int, int, int]]:
    """Grid and block as three numbers each; ValueError if a GPU would refuse them."""
    (gx, gy, gz), (bx, by, bz) = ((*each, 1, 1, 1)[:3] for each in (grid, block))
    blocks, threads = (int(gx), int(gy), int(gz)), (int(bx), int(by), int(bz))
    if any(not 0 <= size <= most for size, most in zip(blocks, MOST_BLOCKS, strict=True)):
        raise ValueError(f"{kernel}: a grid has at most {MOST_BLOCKS} blocks, got {blocks}.")
    if min(threads) < 1 or threads[0] * threads[1] * threads[2] > MOST_THREADS or threads[2] > 64:
        raise ValueError(f"{kernel}: a block has 1 to {MOST_THREADS} threads, at most 64 along z, got {threads}.")
    return blocks, threads


def number(kernel: Kernel, at: int, given: Any) -> np.generic:
    """A number as the type of the parameter; TypeError or ValueError if it is none of it."""
    kind = kernel.parameters[at].kind
    dtype = KINDS[kind].dtype
    if dtype.kind == "f":
        if isinstance(given, (int, float, np.number)) and not isinstance(given, bool):
            return dtype.type(given)
    elif isinstance(given, (int, np.integer)) and not isinstance(given, bool):
        limits = np.iinfo(dtype)
        if limits.min <= given <= limits.max:
            return dtype.type(given)
        raise ValueError(f"{kernel}: argument {at} is a {kind} and cannot be {given}.")
    raise TypeError(f"{kernel}: argument {at} is a {kind}, got {type(given).__name__}.")


def check(kernel: Kernel, at: int, array: Array, kind: str) -> None:
    """Raise if an array is not what parameter `at` says; `kind` is what it should be in the library's words."""
    said = kernel.signature[at]
    if not array.here:
        raise ValueError(f"{kernel}: argument {at} ({said}) lies on another device than the launch.")
    if array.kind != kind:
        raise TypeError(f"{kernel}: argument {at} is {said}, which is {kind}, got {array.kind}.")
    if not array.contiguous:
        raise ValueError(
            f"{kernel}: argument {at} ({said}) is not contiguous, and kernels ignore strides: copy it first."
        )
    if kernel.parameters[at].written and not array.writable:
        raise ValueError(f"{kernel}: argument {at} ({said}) is written, and the array given is read-only.")


def count(kernel: Kernel, arguments: Sequence[Any]) -> None:
    """Raise TypeError if there are not as many arguments as parameters."""
    if len(arguments) != len(kernel.signature):
        raise TypeError(f"{kernel} takes {len(kernel.signature)} arguments, got {len(arguments)}.")
