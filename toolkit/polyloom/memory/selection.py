"""Which turns: a condition in SQL, made of what was asked for.

Whatever derives something from turns asks for them by a `Selection`, which is also the name under which it is kept.  A
`Stamp` says which turns they were: how many, the last id, and the sum of their marks.  Ids are never used twice and
turns never change, so the same count and last id within one file are the same turns; the marks tell apart files that
were copied and went on differently.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from polyloom.memory.database import Database
from polyloom.memory.turn import COLUMNS, Turn, turn_of

HEARD, AVOID = "heard", "avoid"
Stamp: TypeAlias = tuple[int, int, int]


@dataclass(frozen=True)
class Selection:
    """Turns for which all of this holds; None is no condition.  `buckets` are first and last, ids inclusive."""

    layer: str | None = None
    turn: int | None = None
    session: str | None = None
    topic: str | None = None
    text: str | None = None  # stands somewhere in the turn
    buckets: tuple[int, int] | None = None
    since: int | None = None  # the first id
    upto: int | None = None  # the last

    def where(self) -> tuple[str, list[Any]]:
        """The condition and its values."""
        parts = list(self._parts())
        return " AND ".join(sql for sql, _ in parts) or "1", [value for _, values in parts for value in values]

    def turns(self, database: Database, limit: int | None = None) -> list[Turn]:
        """The turns themselves, oldest first; with `limit` the newest of them.  FileError if one is damaged."""
        sql, values = self.where()
        newest = "" if limit is None else f" ORDER BY id DESC LIMIT {limit}"
        rows = database.ask(f"SELECT {COLUMNS} FROM turn WHERE {sql}{newest}", values)
        return [turn_of(row) for row in sorted(rows, key=lambda row: row[0])]

    def stamp(self, database: Database) -> Stamp:
        """Which turns they are."""
        sql, values = self.where()
        asked = f"SELECT count(*), coalesce(max(id), 0), coalesce(sum(mark), 0) FROM turn WHERE {sql}"
        count, last, marks = database.ask(asked, values)[0]
        return count, last, marks

    def _parts(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        for name, value in (("layer", self.layer), ("session", self.session), ("topic", self.topic)):
            if value is not None:
                yield f"{name} = ?", (value,)
        if self.turn is not None:
            yield "id = ?", (self.turn,)
        if self.text is not None:
            yield "instr(text, ?) > 0", (self.text,)
        if self.buckets is not None:
            yield "bucket BETWEEN ? AND ?", self.buckets
        if self.since is not None:
            yield "id >= ?", (self.since,)
        if self.upto is not None:
            yield "id <= ?", (self.upto,)
