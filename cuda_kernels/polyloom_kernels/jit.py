"""Compiled back ends: made ready behind the scenes while NumPy serves.

A back end is a module `cpu.py` whose functions numba compiles, and which lists them:

    KERNELS = ((function, "void(int64[::1], int64[::1])"), …)     each with every signature it is called by

The first call that could use it starts a thread that imports numba, then compiles or loads from numba's cache each of
them; until then `now` gives None and the caller uses its NumPy reference.  Compiled code is kept in the cache, so this
costs seconds once, and a fraction of a second in later processes.
"""

import threading
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, TypeAlias

Backend: TypeAlias = Literal["auto", "cpu", "reference"]


class Compiled:
    """The compiled back end in `module`; nothing is imported before it is asked for."""

    def __init__(self, module: str) -> None:
        self.module = module
        self.reason: str | None = None  # why it cannot be had, once that is known
        self._ready: ModuleType | None = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def now(self) -> ModuleType | None:
        """The module if it is ready; if not, None, and it is being made ready."""
        if self._ready is None and self._thread is None:
            self._started()
        return self._ready

    def wait(self) -> ModuleType:
        """The module, however long it takes.  Raises RuntimeError with the reason if it cannot be had."""
        self._started().join()
        if self._ready is None:
            raise RuntimeError(f"The compiled back end {self.module} cannot be used: {self.reason}.")
        return self._ready

    def chosen(self, backend: Backend) -> ModuleType | None:
        """The module to call, or None for the reference.  Raises ValueError for a back end that there is not."""
        if backend == "auto":
            return self.now()
        if backend == "cpu":
            return self.wait()
        if backend == "reference":
            return None
        raise ValueError(f"Unknown back end {backend!r}; there are 'auto', 'cpu' and 'reference'.")

    def _started(self) -> threading.Thread:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._make, name=self.module)
                self._thread.start()
            return self._thread

    def _make(self) -> None:
        try:
            module = import_module(self.module)
            for function, signature in _listed(module):
                if not threading.main_thread().is_alive():  # the process wants to end: it waits for one function at most
                    return
                function.compile(signature)
            self._ready = module
        except Exception as error:  # numba missing, no folder for its cache, a processor it does not know
            self.reason = f"{type(error).__name__}: {error}"


def _listed(module: ModuleType) -> Iterator[tuple[Any, str]]:
    yield from module.KERNELS
