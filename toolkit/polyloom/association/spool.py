"""Arrays on disk for as long as they are needed: what counting lays aside when it does not fit in memory.

A `Spool` is a tape (`polyloom_kernels.mixture.store`) in a file without a name: written by appending, then mapped and
read like any array.  The system takes such a file back when its last user is gone, so neither an error, nor Ctrl-C, nor
a killed process leaves anything behind.  The files lie where `tempfile` puts them: the environment variable TMPDIR
moves them.

What was mapped and read counts as memory of the process until it is given back: `forget` does so; the contents stay.
"""

import ctypes
import mmap
import sys
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import replace
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from polyloom.association.counts import Counts
from polyloom.documents import Ids
from polyloom.model import Floats
from polyloom_kernels.mixture import Level, Store, chances
from polyloom_kernels.mixture.store import narrowed, piece_type

Array = NDArray[Any]
BLOCK = 2**22  # numbers that are written together
PLACES = 256  # that are looked up together: each maps some pages of every level
PARTS = {  # of a level, and the tape that each lies on
    **{"tokens": "pieces", "next": "pieces"},
    **{"children": "numbers", "rows": "numbers", "counts": "numbers", "taken": "numbers"},
}


class Spool:
    """Arrays end to end, in one narrow type, in a file that has no name."""

    def __init__(self, dtype: type[np.generic]) -> None:
        self.dtype: np.dtype[Any] = np.dtype(dtype)
        self.length = 0
        self._file: IO[bytes] = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - lives as long as the spool
        weakref.finalize(self, self._file.close)

    def put(self, part: Array) -> int:
        """Append; where it starts.

        Raises OverflowError if a number does not fit the type, OSError if the disk does not take it.
        """
        for start in range(0, len(part), BLOCK):
            self._write(narrowed(part[start : start + BLOCK], self.dtype))
            forget(part)
        self.length += len(part)
        return self.length - len(part)

    def seen(self, part: Array) -> None:
        """Give back the memory of what was read."""
        forget(part)

    def whole(self) -> Array:
        """All of it, mapped read-only; nothing can be put there any more."""
        with self._file:
            if not self.length:
                return np.empty(0, self.dtype)
            mapped = mmap.mmap(self._file.fileno(), self.length * self.dtype.itemsize, access=mmap.ACCESS_READ)
            return np.frombuffer(memoryview(mapped), self.dtype)

    def close(self) -> None:
        """Give up what was put there, unless it is mapped."""
        self._file.close()

    def _write(self, part: Array) -> None:
        left = np.ascontiguousarray(part).data.cast("B")
        while left:
            left = left[self._file.write(left) :]


def spilled(counts: Counts) -> Counts:
    """The same counts, on disk."""
    tapes = {"pieces": Spool(piece_type(counts.vocabulary_size)), "numbers": Spool(np.uint32)}
    places = [
        {name: (tape, tapes[tape].put(part), len(part)) for name, tape, part in _parts(level)}
        for level in counts.levels
    ]
    mapped = {tape: spool.whole() for tape, spool in tapes.items()}
    levels = [
        replace(level, **{name: mapped[tape][start : start + size] for name, (tape, start, size) in found.items()})
        for level, found in zip(counts.levels, places, strict=True)
    ]
    return Counts(counts.shapes, tuple(levels), counts.vocabulary_size)


def nbytes(counts: Counts) -> int:
    """How many bytes these counts take."""
    return sum(part.nbytes for level in counts.levels for _, _, part in _parts(level))


def forget(array: Array) -> None:
    """Give the memory back that was mapped for reading an array of a file; of any other array, nothing."""
    base: Any = array
    while isinstance(base, np.ndarray | memoryview):
        base = cast("Any", base).base if isinstance(base, np.ndarray) else base.obj
    if isinstance(base, mmap.mmap) and not array.flags.writeable and hasattr(base, "madvise"):
        base.madvise(mmap.MADV_DONTNEED)


def gathered(numbers: Array, places: Ids) -> Ids:
    """`numbers[places]` as int64, mapping little at a time."""
    found = np.empty(len(places), np.int64)
    for start in range(0, len(places), PLACES):
        found[start : start + PLACES] = numbers[places[start : start + PLACES]]
        forget(numbers)
    return found


def trim() -> None:
    """Give memory that was freed back to the system, where the allocator would keep it for each thread (glibc)."""
    give_back = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if give_back is not None:
        give_back(0)


def read(counts: Counts) -> Counts:
    """The same counts in memory."""
    levels = [replace(level, **{name: _read(part) for name, _, part in _parts(level)}) for level in counts.levels]
    return Counts(counts.shapes, tuple(levels), counts.vocabulary_size)


def _read(part: Array) -> Array:
    found = part.copy()
    forget(part)
    return found


def chances_frugally(store: Store, seen: Ids, targets: Ids) -> tuple[Floats, Floats]:
    """What `chances` gives, mapping little of the store at a time: places that look at the same parts go together."""
    order = np.lexsort(seen[::-1])  # by the nearest token, then the next
    parts, totals = np.empty((0, len(targets))), np.empty((0, len(targets)))
    for start in range(0, len(targets), PLACES):
        places = order[start : start + PLACES]
        found = chances(store, seen[:, places], targets[places])
        if not start:
            parts, totals = (np.empty((len(part), len(targets))) for part in found)
        parts[:, places], totals[:, places] = found
        forget(store.pieces)
        forget(store.numbers)
    return parts, totals


def _parts(level: Level) -> Iterator[tuple[str, str, Array]]:
    """The arrays of a level: name, tape, array."""
    for name, tape in PARTS.items():
        part: Array | None = getattr(level, name)
        if part is not None:
            yield name, tape, part
