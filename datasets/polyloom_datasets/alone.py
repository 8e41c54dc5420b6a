"""One process at a time: a lock on a small file, which the system gives back even if its owner is killed.

`with alone(path):` waits until nobody else, in this process or another, holds the lock of that name. The file is
removed afterwards, so nothing stays behind; who finds that the file it locked is no longer the one that the name means
begins again.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

PAUSE = 0.1  # seconds between two attempts

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def alone(path: Path) -> Generator[None]:
    """Hold the lock `path`, a file that exists only meanwhile, in a folder that exists.

    Raises:
        OSError: the folder cannot be written to, or its file system knows no locks.

    """
    while (handle := _taken(path)) is None:
        time.sleep(PAUSE)
    try:
        yield
    finally:
        with suppress(PermissionError):  # Windows keeps a file that is open
            path.unlink()
        os.close(handle)


def _taken(path: Path) -> int | None:
    """An open handle on the locked file, or None if another has it."""
    handle, mine = os.open(path, os.O_RDWR | os.O_CREAT, 0o600), False
    try:
        with suppress(BlockingIOError, PermissionError, FileNotFoundError):
            _lock(handle)
            mine = os.path.samestat(os.fstat(handle), path.stat())
    finally:
        if not mine:
            os.close(handle)
    return handle if mine else None
