"""The SQLite file of a memory: its tables, how it is opened, and what its errors mean.

    setting   the vocabulary and the settings, which never change
    turn      what was said; ids ascend and are never used twice
    action    what was accepted or rejected, so that it can be undone; a line goes with its turn
    gone      how many turns were ever taken away: who keeps something derived sees by it whether any was

Every change is one transaction in the write-ahead log, so a process may be killed at any moment and leaves all of it or
nothing.  (After a power cut the last few turns may be missing; the file is whole.)  What is deleted is overwritten.
Several processes may have it open: one that finds another writing waits, five seconds at most.  Threads share one
connection under a lock.  https://www.sqlite.org/wal.html
"""

import contextlib
import sqlite3
import threading
from collections.abc import Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from polyloom.errors import FileError, InputError

VERSION = 1
APPLICATION = 0x504C4D4D  # "PLMM", which tells a memory from other SQLite files
PATIENCE = 5.0  # seconds to wait for another process
SCHEMA = (
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE turn (
        id INTEGER PRIMARY KEY AUTOINCREMENT, layer TEXT NOT NULL, session TEXT NOT NULL, topic TEXT,
        role TEXT NOT NULL, time REAL NOT NULL, bucket INTEGER NOT NULL, importance REAL NOT NULL,
        text TEXT NOT NULL, context BLOB NOT NULL, tokens BLOB NOT NULL, size INTEGER NOT NULL, mark INTEGER NOT NULL
    )""",
    "CREATE INDEX turn_bucket ON turn (layer, bucket, size, mark)",
    "CREATE INDEX turn_session ON turn (session, layer, size, time)",
    "CREATE INDEX turn_topic ON turn (topic, layer, size, time)",
    """CREATE TABLE action (
        id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, time REAL NOT NULL,
        turn INTEGER NOT NULL REFERENCES turn (id) ON DELETE CASCADE
    )""",
    "CREATE INDEX action_turn ON action (turn)",
    "CREATE TABLE gone (turns INTEGER NOT NULL)",
    "INSERT INTO gone VALUES (0)",
    "CREATE TRIGGER turn_gone AFTER DELETE ON turn BEGIN UPDATE gone SET turns = turns + 1; END",
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)
CAUSES = {
    sqlite3.SQLITE_BUSY: f"another process has been writing to it for more than {PATIENCE:g} s. Try again.",
    sqlite3.SQLITE_LOCKED: "another connection holds it. Try again.",
    sqlite3.SQLITE_FULL: "the disk is full. Make room and try again; what was there is whole.",
    sqlite3.SQLITE_IOERR: "the disk does not take it. What was there is whole, as far as the disk is.",
    sqlite3.SQLITE_READONLY: "it cannot be written. Check the rights of the file and its folder.",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened or made. Check the rights of its folder.",
    sqlite3.SQLITE_PERM: "it may not be opened. Check its rights.",
    sqlite3.SQLITE_NOTADB: "it is no SQLite file, or its beginning is damaged. Take it from a copy.",
    sqlite3.SQLITE_CORRUPT: "it is damaged. Take it from a copy; the sqlite3 program can `.recover` what is readable.",
}


class Database:
    """One connection.  Opening a file that is not there makes it, with `settings`; None makes nothing."""

    def __init__(self, path: Path, settings: Mapping[str, bytes] | None) -> None:
        self.path = path
        self._lock = threading.RLock()
        if settings is None and not path.is_file():
            raise FileError(f"There is no memory at {path}. To make one, give its vocabulary.")
        with self._told():
            self._connection = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
        try:
            with self._told():
                self._prepare(settings)
        except BaseException:
            self._connection.close()
            raise

    @contextlib.contextmanager
    def writing(self) -> Generator[None]:
        """One transaction: all of the block, or nothing of it."""
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    @contextlib.contextmanager
    def reading(self) -> Generator[None]:
        """Everything in the block sees the same state of the file, whatever other processes write meanwhile."""
        with self._told():
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                self._connection.execute("ROLLBACK")

    def ask(self, sql: str, given: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with self._told():
            return self._connection.execute(sql, given).fetchall()

    def change(self, sql: str, given: Sequence[Any] = ()) -> int:
        """Change something; the id of the row that was added last."""
        with self._told():
            return self._connection.execute(sql, given).lastrowid or 0

    def delete(self, turns: Iterable[int]) -> None:
        """Take turns away, and their lines in the log."""
        with self._told():
            self._connection.executemany("DELETE FROM turn WHERE id = ?", ((id,) for id in turns))

    def clean(self) -> bool:
        """Bring everything from the log into the file and empty the log; False while another process reads."""
        return not self.ask("PRAGMA wal_checkpoint(TRUNCATE)")[0][0]

    def vacuum(self) -> int:
        """Make the file as small as it can be; its size in bytes."""
        self.change("VACUUM")
        self.clean()
        return self.size()

    def size(self) -> int:
        """Of the file, in bytes."""
        return int(self.ask("PRAGMA page_count")[0][0]) * int(self.ask("PRAGMA page_size")[0][0])

    def check(self) -> None:
        """FileError if the file is damaged."""
        found = self.ask("PRAGMA integrity_check")[0][0]
        if found != "ok":
            raise FileError(f"{self.path} is damaged: {found}. Take it from a copy.")

    def close(self) -> None:
        """Give up the connection; what was written is there."""
        with self._lock:
            self._connection.close()

    def _prepare(self, settings: Mapping[str, bytes] | None) -> None:
        """Check whose file this is; make the tables of a new one."""
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.execute("PRAGMA secure_delete = ON")
        if not self._made():
            if settings is None:
                raise FileError(f"There is no memory in {self.path}. To make one, give its vocabulary.")
            self._make(settings)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")

    def _made(self) -> bool:
        """Whether there are tables; FileError if they are not ours."""
        application, version = (self.ask(f"PRAGMA {name}")[0][0] for name in ("application_id", "user_version"))
        if not self.ask("SELECT 1 FROM sqlite_master LIMIT 1"):
            return False
        if application != APPLICATION:
            raise FileError(f"{self.path} is an SQLite file, but no memory. Choose another folder.")
        if not 1 <= version <= VERSION:
            raise FileError(f"{self.path} is of version {version}; this Polyloom reads up to {VERSION}. Upgrade it.")
        return True

    def _make(self, settings: Mapping[str, bytes]) -> None:
        with self.writing():
            if self._made():  # by another process, meanwhile
                return
            for statement in SCHEMA:
                self._connection.execute(statement)
            for pair in settings.items():
                self._connection.execute("INSERT INTO setting VALUES (?, ?)", pair)

    @contextlib.contextmanager
    def _told(self) -> Generator[None]:
        """One thread at a time; errors of SQLite in words."""
        with self._lock:
            try:
                yield
            except sqlite3.ProgrammingError as error:
                raise InputError(f"The memory {self.path} was closed: open it again. ({error})") from error
            except sqlite3.Error as error:
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest tells the kinds of a cause apart
                said = CAUSES.get(code, "SQLite refuses.")
                raise FileError(f"{self.path}: {said} ({error})") from error
