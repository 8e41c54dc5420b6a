"""A process that remembers, forgets and keeps files, and is killed at one of its writes; run as a script.

    python killed.py FOLDER FIRST LAST STEP     dies at the n-th write, for each n: in FOLDER/n
    python killed.py FOLDER                     goes on until somebody kills it: in FOLDER

A write is a statement of SQLite that may change the file, or a file that is flushed, renamed or removed.  A line in
`done` says each operation that was acknowledged.
"""

import os
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from polyloom.memory import MemoryStore
from polyloom_kernels.mixture import operation
from toolkit.memory.talk import SAID, START, STEP, WORDS


def operations(memory: MemoryStore, rounds: int) -> list[Callable[[], object]]:
    """What is done, one after the other; each is one transaction at most, and makes each time the same of the same."""

    def say(n: int) -> Callable[[], object]:
        session, topic, text = SAID[n % len(SAID)]
        return lambda: memory.remember(text, f"{session} {n // len(SAID)}", topic, at=START + n * STEP)

    found: list[Callable[[], object]] = []
    for n in range(0, 8 * rounds, 8):
        found += [say(n), say(n + 1), memory.layers, memory.compact, say(n + 2), say(n + 3)]
        found += [lambda: memory.accept("The cat is well."), lambda: memory.reject("Buy bread."), memory.compact]
        found += [memory.undo, lambda n=n: memory.forget(session=f"monday {n // 8}"), say(n + 6)]
        found += [lambda: memory.prune(10**9), memory.compact]  # nothing goes, but the file is written anew
    return found


def die_at(last: int) -> None:
    """Leave without a word at a write of this number."""
    count = 0

    def write(*_: object) -> None:
        nonlocal count
        count += 1
        if count == last:
            os._exit(9)

    def traced(connect: Callable[..., sqlite3.Connection]) -> Callable[..., sqlite3.Connection]:
        def opened(*given: Any, **named: Any) -> sqlite3.Connection:
            connection = connect(*given, **named)
            connection.set_trace_callback(lambda sql: write() if not sql.startswith(("SELECT", "BEGIN")) else None)
            return connection

        return opened

    def before(call: Callable[..., Any]) -> Callable[..., Any]:
        def called(*given: Any, **named: Any) -> Any:
            write()
            return call(*given, **named)

        return called

    sqlite3.connect = traced(sqlite3.connect)
    os.fsync, Path.replace, Path.unlink = before(os.fsync), before(Path.replace), before(Path.unlink)


def live(folder: Path, rounds: int) -> None:
    """Do everything, and say after each what is done."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "done").open("w") as done, MemoryStore(folder / "memory", WORDS) as memory:
        for n, one in enumerate(operations(memory, rounds), 1):
            one()
            done.write(f"{n}\n")
            done.flush()


def killed(folder: Path, at: int) -> None:
    """Live and die in a child."""
    child = os.fork()
    if not child:
        die_at(at)
        live(folder / str(at), 1)
        os._exit(0)
    os.waitpid(child, 0)


if __name__ == "__main__":
    for back_end in (operation.TEXT, operation.PLACE):
        back_end.wait()  # threads that compile must not be there when a child is made
    assert threading.active_count() == 1 or len(sys.argv) == 2
    if len(sys.argv) == 2:
        live(Path(sys.argv[1]), 1000)
    for n in range(*map(int, sys.argv[2:])) if len(sys.argv) > 2 else ():
        killed(Path(sys.argv[1]), n)
