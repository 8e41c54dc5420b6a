"""Compiled back ends: made ready behind the scenes while NumPy serves.

A back end is a module `cpu.py` whose functions numba compiles, and which lists them:

    KERNELS = ((function, "void(int64[::1], int64[::1])"), …)     each with every signature it is called by

The first call that could use it starts a thread that imports numba, then compiles or loads from numba's cache each of
them; until then `now` gives None and the caller uses its NumPy reference.  Compiled code is kept in the cache, so this
costs seconds once, and a fraction of a second in later processes.

A call with types that are in no signature would be compiled there and then, while the caller waits: whoever calls a
kernel gives it exactly what it was compiled for, and a test sees that nothing else was compiled.
"""

import os
import sys
import threading
from importlib import import_module
from types import ModuleType
from typing import Any, Literal, TypeAlias

from numpy.typing import NDArray

Backend: TypeAlias = Literal["auto", "cuda", "cpu", "reference"]

QUICK = 0.005  # seconds: work that NumPy does sooner than this is not worth importing numba for
UNCOLOURED = "NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING"
LONG = 5.0  # seconds: compiling takes about as long, so work that would keep NumPy longer waits for it


class Compiled:
    """The compiled back end in `module`; nothing is imported before it is asked for.

    `cuda` says that the operation can also run on a GPU, which is for the operation to see to (`_cuda.py`).
    """

    def __init__(self, module: str, cuda: bool = False) -> None:
        self.module = module
        self.names = ("auto", "cuda", "cpu", "reference") if cuda else ("auto", "cpu", "reference")
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
        module = self._waited()
        if module is None:
            reason = self.reason or "the process was forked while it was being made ready"
            raise RuntimeError(f"The compiled back end {self.module} cannot be used: {reason}.")
        return module

    def chosen(self, backend: Backend, seconds: float = 1.0) -> ModuleType | None:
        """The module to call, or None for the reference.  Raises ValueError for a back end that there is not.

        `seconds` is about how long the reference would take.  With "auto" it serves until the module is ready, but
        quick work does not start to make it so, and long work waits for it.
        """
        if backend == "auto":
            if self._ready is not None or seconds < QUICK:
                return self._ready
            return self._waited() if seconds > LONG else self.now()
        if backend == "cpu":
            return self.wait()
        if backend == "reference":
            return None
        *names, last = map(repr, self.names)
        raise ValueError(f"Unknown back end {backend!r}; there are {', '.join(names)} and {last}.")

    def _waited(self) -> ModuleType | None:
        if self._ready is None:
            self._started().join()
        return self._ready

    def _started(self) -> threading.Thread:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._make, name=self.module)
                self._thread.start()
            return self._thread

    def _make(self) -> None:
        try:
            _import_numba()
            module = import_module(self.module)
            for function, signature in module.KERNELS:
                if not threading.main_thread().is_alive():  # it waits for this thread: for one function at most
                    raise RuntimeError("the process is ending")
                function.compile(signature)
            self._ready = module
        except Exception as error:  # numba missing, no folder for its cache, a processor it does not know
            self.reason = f"{type(error).__name__}: {error}"


def _import_numba() -> None:
    """Import numba such that its compiler leaves `sys.stdout` alone.

    Its errors, most of which it catches itself, are coloured where colorama is installed, which takes the place of
    `sys.stdout` for a moment: for all threads, though it is this one that compiles.  Numba asks once, when it is first
    imported, whether it shall; what somebody else imported before stays as it is.
    """
    if "numba" not in sys.modules and not os.environ.get(UNCOLOURED):
        os.environ[UNCOLOURED] = "1"
        try:
            import_module("numba.core.errors")
        finally:
            del os.environ[UNCOLOURED]


def frozen(array: NDArray[Any]) -> NDArray[Any]:
    """A read-only view of what a kernel only reads, as its signature says: `Array(int64, 1, 'C', readonly=True)`."""
    if not array.flags.writeable:
        return array
    view = array.view()
    view.setflags(write=False)
    return view
