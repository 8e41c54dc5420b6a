"""The processor as a machine for kernels: NumPy arrays, fibers for threads, and every fault a message.

Before a launch each array is copied into memory of its own that ends where a page without access begins, and which
holds poison around the array; what was written is copied back.  So an index beyond an array is a `KernelError` that
names the array, or it reads poison.  Poison differs from order to order: a value that would go unnoticed as 0xCD…, such
as a very negative number in a maximum, is noticed as a huge one or as NaN.
"""

import ctypes
import mmap
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeGuard

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels._launch import BF16, KINDS, Array, Kernel, check, count, narrowing, number, three
from polyloom_kernels.shim import build

POISONS = (0xCD, 0x7F, 0xFF)  # by order: about -4e8 as float and int; about 3e38 and 2e9; NaN and -1
ALIGNMENT = 16  # of the largest vector that a kernel reads at once: kept, also where an array begins in between
MARGIN = 1 << 20  # bytes without access, before and after an array
HOPPER = 227 * 1024  # shared memory of a block on sm_90


class KernelError(RuntimeError):
    """Something that a kernel must not do, with the kernel, the thread and the block that did it."""


class _Launch(ctypes.Structure):
    """The same fields in the same order as in `fibers.hpp`."""

    _fields_ = (
        ("grid", ctypes.c_uint * 3),
        ("block", ctypes.c_uint * 3),
        ("shared", ctypes.c_ulonglong),
        ("order", ctypes.c_uint),
        ("poison", ctypes.c_uint),
        ("seconds", ctypes.c_double),
        ("at_block", ctypes.c_uint * 3),
        ("at_thread", ctypes.c_uint * 3),
        ("fault", ctypes.c_ulonglong),
        ("message", ctypes.c_char * 400),
    )


_LOCK = threading.Lock()  # a library runs one launch at a time


@dataclass(frozen=True)
class Shim:
    """Kernels on the processor.  `order` chooses in which order threads and blocks run, and the poison.

    `seconds` of processor time end a launch; `processors` and `most_shared` stand for those of a GPU; `sanitized`
    compiles with the address and undefined-behaviour sanitizers, whose runtime must have been loaded before Python.
    """

    order: int = 0
    seconds: float = 20.0
    processors: int = 4
    most_shared: int = HOPPER
    sanitized: bool = False
    texts: dict[str, str] = field(default_factory=dict[str, str])  # other sources by file name, in place of the files

    @property
    def poison(self) -> int:
        """The byte that fills what was never written."""
        return POISONS[self.order % len(POISONS)]

    def array(self, values: NDArray[Any], kind: str) -> NDArray[Any]:
        """A copy of the values as this kind; floats become bf16 by rounding to nearest even."""
        values = narrowing(np.asarray(values), kind)
        if kind == "bf16" and values.dtype != BF16:
            bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
            nan, rounded = (bits & 0x7FFFFFFF) > 0x7F800000, bits + 0x7FFF + (bits >> 16 & 1)
            return (np.where(nan, bits | 0x400000, rounded) >> 16).astype(np.uint16).view(BF16)
        return np.array(values, KINDS[kind].dtype, order="C")

    def empty(self, shape: Sequence[int], kind: str) -> NDArray[Any]:
        """An array of poison."""
        made = np.empty(tuple(shape), KINDS[kind].dtype)
        made.view(np.uint8 if made.ndim and made.size else made.dtype).fill(self.poison)
        return made

    def zeros(self, shape: Sequence[int], kind: str) -> NDArray[Any]:
        """An array of zeros."""
        return np.zeros(tuple(shape), KINDS[kind].dtype)

    def numpy(self, array: NDArray[Any]) -> NDArray[Any]:
        """A copy; half and bf16 become float32."""
        if array.dtype == BF16:
            return (array.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
        return array.astype(np.float32) if array.dtype == np.float16 else array.copy()

    def launch(
        self, kernel: Kernel, grid: Sequence[int], block: Sequence[int], *arguments: Any, shared: int = 0
    ) -> None:
        """Run it.  Raises KernelError for what a kernel must not do, RuntimeError if g++ is missing or refuses."""
        blocks, threads = three(kernel, grid, block)
        count(kernel, arguments)
        typed = [self._argument(kernel, at, given) for at, given in enumerate(arguments)]
        if shared > self.most_shared:
            raise ValueError(f"{kernel}: {shared:,} bytes of shared memory, a block has at most {self.most_shared:,}.")
        if not all(blocks):
            return
        text = self.texts.get(kernel.source.name) or kernel.source.read_text(encoding="utf-8")
        flags = build.SANITIZED if self.sanitized else build.CHECKED
        library = build.library(text, kernel.source.name, kernel.macros, flags)
        _same_signature(library, kernel)
        how = _Launch((*blocks,), (*threads,), shared, self.order, self.poison, 0 if self.sanitized else self.seconds)
        with _LOCK, _placed(typed, kernel, self.poison, guarded=not self.sanitized) as places:
            addresses = [place.address for place in places]
            if getattr(library, f"polyloom_launch_{kernel.name}")(
                ctypes.byref(how), (ctypes.c_void_p * len(places))(*addresses)
            ):
                raise KernelError(_told(kernel, how, places, build.entries(text)[kernel.name]))

    def _argument(self, kernel: Kernel, at: int, given: Any) -> Any:
        parameter = kernel.parameters[at]
        if not parameter.pointer:
            return number(kernel, at, given)
        if given is not None:
            if not _is_array(given):
                raise TypeError(
                    f"{kernel}: argument {at} ({kernel.signature[at]}) must be an array, got {type(given).__name__}."
                )
            flags = given.flags
            kind = KINDS[parameter.kind].dtype
            check(kernel, at, Array(str(given.dtype), flags.c_contiguous, flags.writeable, True), str(kind))
        return given


def _is_array(given: object) -> TypeGuard[NDArray[Any]]:
    return isinstance(given, np.ndarray)


@dataclass
class _Place:
    """Where an argument lies during a launch: `address` is that of the value passed, `start` that of an array."""

    address: int
    value: Any  # what lies at the address
    start: int = 0
    size: int = 0
    edges: tuple[NDArray[np.uint8], ...] = ()  # the poison before and after an array, which must stay


class _Memory(NamedTuple):
    """An array in memory of its own."""

    start: int
    edges: tuple[NDArray[np.uint8], ...]
    release: Callable[[], object]


@contextmanager
def _placed(arguments: Sequence[Any], kernel: Kernel, poison: int, guarded: bool) -> Generator[list[_Place]]:
    """The arguments in memory of their own; after the launch, what was written is copied back."""
    places: list[_Place] = []
    same: dict[tuple[int, int], _Memory] = {}
    for given in arguments:
        if _is_array(given):
            known = given.ctypes.data, given.nbytes
            if known not in same:
                same[known] = (_guarded if guarded else _copied)(given, poison)
            pointer = ctypes.c_void_p(same[known].start)
            places.append(
                _Place(ctypes.addressof(pointer), pointer, same[known].start, given.nbytes, same[known].edges)
            )
        else:
            value = np.zeros(1, np.uint64) if given is None else np.array([given])
            places.append(_Place(value.ctypes.data, value))
    try:
        yield places
        for given, place, parameter, spelled in zip(
            arguments, places, kernel.parameters, kernel.signature, strict=True
        ):
            if _is_array(given):
                if not all((edge == poison).all() for edge in place.edges):
                    raise KernelError(f"{kernel}: wrote beyond an array, {spelled} of shape {given.shape}.")
                if parameter.written:
                    ctypes.memmove(given.ctypes.data, place.start, given.nbytes)
    finally:
        for target in same.values():
            target.release()


_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.malloc.restype, _LIBC.mmap.restype = ctypes.c_void_p, ctypes.c_void_p
_LIBC.malloc.argtypes = (ctypes.c_size_t,)
_LIBC.free.argtypes = (ctypes.c_void_p,)
_LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
_LIBC.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_LIBC.munmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
_BOTH = mmap.PROT_READ | mmap.PROT_WRITE


def _copied(array: NDArray[Any], poison: int) -> _Memory:  # noqa: ARG001 - there is no room for any
    """To the byte, from malloc: for the address sanitizer, which watches what lies beyond."""
    offset = array.ctypes.data % ALIGNMENT
    base = _LIBC.malloc(array.nbytes + offset)
    ctypes.memmove(base + offset, array.ctypes.data, array.nbytes)
    return _Memory(base + offset, (), lambda: _LIBC.free(base))


def _guarded(array: NDArray[Any], poison: int) -> _Memory:
    """At the end of pages between margins without access, as far from a multiple of 16 bytes as it was before."""
    room = -(-(array.nbytes + ALIGNMENT) // mmap.PAGESIZE) * mmap.PAGESIZE
    whole = room + 2 * MARGIN
    base = _LIBC.mmap(None, whole, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    if base == ctypes.c_void_p(-1).value or _LIBC.mprotect(base + MARGIN, room, _BOTH):
        raise MemoryError(f"There is no memory for an array of {array.nbytes:,} bytes.")
    end = base + MARGIN + room
    start = end - array.nbytes
    start -= (start - array.ctypes.data) % ALIGNMENT
    ctypes.memset(base + MARGIN, poison, room)
    ctypes.memmove(start, array.ctypes.data, array.nbytes)
    sides = ((base + MARGIN, start), (start + array.nbytes, end))
    edges = tuple(np.frombuffer((ctypes.c_uint8 * (b - a)).from_address(a), np.uint8) for a, b in sides)
    return _Memory(start, edges, lambda: _LIBC.munmap(base, whole))


def _same_signature(library: ctypes.CDLL, kernel: Kernel) -> None:
    """Raise TypeError if the table of a kernel is not what the compiler read in its source."""
    ask = getattr(library, f"polyloom_signature_{kernel.name}", None)
    if ask is None:
        raise ValueError(f'{kernel.source.name} has no extern "C" __global__ void {kernel.name}(…).')
    ask.restype = ctypes.c_char_p
    read = tuple(ask().decode().rstrip(",").split(","))
    if read != kernel.signature:
        raise TypeError(f"{kernel}: the source takes {read}, its table says {kernel.signature}.")


def _told(kernel: Kernel, how: _Launch, places: Sequence[_Place], names: Sequence[str]) -> str:
    """The message of a fault, with the array that was meant if memory outside of every array was touched."""
    where = f"thread {tuple(how.at_thread)} of block {tuple(how.at_block)}"
    message = f"{kernel}: {how.message.decode()}; {where}"
    for place, name in zip(places, names, strict=True):
        if (
            place.start
            and place.start - MARGIN <= how.fault < place.start + place.size + MARGIN + mmap.PAGESIZE
            and how.fault
        ):
            beyond = how.fault - place.start
            return f"{message}, {beyond:,} bytes from the start of {name}, which has {place.size:,}"
    return message
