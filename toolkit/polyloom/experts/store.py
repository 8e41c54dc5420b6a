"""What is installed, as tables of SQLite: one row for each expert, and its words for searching (FTS5).

Writers come one after another: `writing` takes the lock of the database before anything is looked at, and what it
changed is there at its end or not at all, whichever process dies when.  Readers never wait for long.
"""

import contextlib
import json
import re
import sqlite3
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyloom.errors import FileError
from polyloom.experts.manifest import Manifest

WAIT = 120.0  # seconds for another process to finish an installation
LAYOUT = 1
TABLES = (
    "CREATE TABLE experts (id INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL, folder TEXT NOT NULL,"
    " digest TEXT NOT NULL, digests TEXT NOT NULL, manifest TEXT NOT NULL, state TEXT NOT NULL,"
    " source TEXT NOT NULL, installed TEXT NOT NULL)",
    "CREATE VIRTUAL TABLE words USING fts5 (name, description, tags, capabilities, keywords, hint)",
)
WEIGHTS = "10, 1, 5, 5, 5, 2"  # of the columns of words, when hits are ordered
COLUMNS = "name, folder, digest, digests, manifest, state, source, installed"


@dataclass(frozen=True)
class Record:
    """A row: an expert that is installed.  `digests` are of its files, `state` of its signature, as they were then."""

    name: str
    folder: str
    digest: str
    digests: dict[str, str]
    manifest: Manifest
    state: str
    source: str
    installed: str


class Store:
    """The database in a file; it is made with the first writing."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextlib.contextmanager
    def writing(self) -> Generator[sqlite3.Connection]:
        """The database for this process alone; all changes, or none if the block raises."""
        with self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                if not database.execute("PRAGMA user_version").fetchone()[0]:
                    for table in TABLES:
                        database.execute(table)
                    database.execute(f"PRAGMA user_version = {LAYOUT}")
                yield database
                database.execute("COMMIT")
            except BaseException:
                database.execute("ROLLBACK")
                raise

    def records(self, database: sqlite3.Connection | None = None) -> dict[str, Record]:
        """Every expert by name, in the order of names."""
        return self._read(f"SELECT {COLUMNS} FROM experts ORDER BY name", (), database)

    def search(self, text: str) -> dict[str, Record]:
        """The experts that have every word of a text, or one that begins like it; the best hit first."""
        words = re.findall(r"\w+", text)
        if not words:
            return {}
        question = f"SELECT {COLUMNS} FROM experts JOIN words ON words.rowid = experts.id"
        columns = question.replace("name,", "experts.name AS name,", 1)
        order = f" WHERE words MATCH ? ORDER BY bm25(words, {WEIGHTS}), experts.name"
        return self._read(columns + order, (" ".join(f'"{word}"*' for word in words),), None)

    @contextlib.contextmanager
    def _open(self) -> Generator[sqlite3.Connection]:
        try:
            with contextlib.closing(sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)) as database:
                database.row_factory = sqlite3.Row
                database.execute("PRAGMA synchronous = FULL")
                layout = database.execute("PRAGMA user_version").fetchone()[0]
                if layout > LAYOUT:
                    raise FileError(
                        f"{self.path} is of layout {layout}, this polyloom knows {LAYOUT}. Upgrade polyloom."
                    )
                yield database
        except sqlite3.DatabaseError as error:
            raise FileError(f"{self.path} cannot be used: {error}.") from error

    def _read(self, question: str, values: tuple[str, ...], database: sqlite3.Connection | None) -> dict[str, Record]:
        if database is None and not self.path.exists():
            return {}
        with contextlib.nullcontext(database) if database is not None else self._open() as opened:
            if not opened.execute("PRAGMA user_version").fetchone()[0]:
                return {}
            return {row["name"]: _record(row) for row in opened.execute(question, values)}


def put(database: sqlite3.Connection, record: Record) -> None:
    """Write a row, in place of the one of that name."""
    drop(database, record.name)
    said = record.manifest.said
    texts = (json.dumps(record.digests), json.dumps(record.manifest.document, ensure_ascii=False))
    cells = (record.name, record.folder, record.digest, *texts, record.state, record.source, record.installed)
    at = database.execute(f"INSERT INTO experts ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", cells).lastrowid
    routing = said.routing
    words = (said.name, said.description, *map(" ".join, (said.tags, said.capabilities, routing.keywords)))
    database.execute(
        "INSERT INTO words (rowid, name, description, tags, capabilities, keywords, hint) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (at, *words, routing.router_hint or ""),
    )


def drop(database: sqlite3.Connection, name: str) -> None:
    """Remove a row, if it is there."""
    database.execute("DELETE FROM words WHERE rowid IN (SELECT id FROM experts WHERE name = ?)", (name,))
    database.execute("DELETE FROM experts WHERE name = ?", (name,))


def _record(row: Any) -> Record:
    digests, manifest = json.loads(row["digests"]), Manifest(json.loads(row["manifest"]))
    rest = (row["state"], row["source"], row["installed"])
    return Record(row["name"], row["folder"], row["digest"], digests, manifest, *rest)
