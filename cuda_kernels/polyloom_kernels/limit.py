# pyright: basic
# numba compiles this function; its decorators have no types.
"""The limit that benchmarks hold results against: how fast memory can be read, by one thread or by several."""

import time
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.threads import cut, together

SIZE = 1 << 25  # floats: four times what the largest common caches hold


def buffer() -> NDArray[np.float32]:
    """An array of ones that is too large for any cache."""
    return np.ones(SIZE, np.float32)


def bandwidth(memory: NDArray[np.float32]) -> float:
    """GB/s of processor time at which a plain sum reads it."""
    started = time.thread_time()
    total()(memory)
    return memory.nbytes / (time.thread_time() - started) / 1e9


def reading(memory: NDArray[np.float32], threads: int, times: int = 8) -> float:
    """Seconds in which so many threads, each with a part of it, read it once; so often, one after the other."""

    def read(part: NDArray[np.float32]) -> None:
        for _ in range(times):
            run(part)

    run, parts = total(), [memory[part] for part in cut(len(memory), threads)]
    started = time.perf_counter()
    together([partial(read, part) for part in parts])
    return (time.perf_counter() - started) / times


def total() -> Any:
    """The sum, compiled; numba is imported when it is first asked for."""
    if not _compiled:
        from numba import njit

        @njit(nogil=True, fastmath=True)
        def run(x):
            found = np.float32(0)
            for k in range(len(x)):
                found += x[k]
            return found

        run.compile("float32(float32[::1])")
        _compiled.append(run)
    return _compiled[0]


_compiled: list[Any] = []
