"""The threads that read with the caller: they come when a token is to be read, and stay while more of them follow."""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from polyloom_kernels.threads import beside

PATIENCE = 50_000  # pauses, about a millisecond: longer than it takes to choose a token

Gang = NDArray[Any]


class Helpers:
    """All but one of so many threads, which help one caller at a time; another one reads alone meanwhile."""

    def __init__(self, threads: int) -> None:
        self.threads, self._busy, self._lock = threads, threading.Lock(), threading.Lock()
        self._gang: Gang | None = None
        self._present, self._process = 0, os.getpid()

    @contextmanager
    def gang(self, compiled: ModuleType) -> Generator[Gang]:
        """The words by which the caller is helped."""
        if self.threads == 1 or os.getpid() != self._process or not self._busy.acquire(blocking=False):
            yield compiled.gang(1)
            return
        try:
            gang: Gang = compiled.gang(self.threads) if self._gang is None else self._gang
            self._gang = gang
            for _ in range(self.threads - 1 - self._present):
                self._count(1)
                beside(lambda: self._help(compiled, gang))
            yield gang
        finally:
            self._busy.release()

    def _help(self, compiled: ModuleType, gang: Gang) -> None:
        try:
            compiled.aid(gang, PATIENCE)
        finally:
            self._count(-1)

    def _count(self, more: int) -> None:
        with self._lock:
            self._present += more
