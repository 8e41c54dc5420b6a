"""The turns as they come and go: what is added is checked once, what goes is gone from everything that counted it.

Adding is one transaction.  Taking away is one too, and inside it, before it counts, the files of models that may count
the turns are removed: a process that is killed in between has lost files that are made again, and no turn.
"""

import time as clock
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.memory.database import Database
from polyloom.memory.models import Models
from polyloom.memory.recalled import Action, Part
from polyloom.memory.selection import HEARD
from polyloom.memory.turn import Turn, mark_of, packed
from polyloom.real import real
from polyloom.tokens.checks import unicode_text

Row: TypeAlias = tuple[int, int, int]  # id, bucket and tokens of a turn

ADD = (
    "INSERT INTO turn (layer, session, topic, role, time, bucket, importance, text, context, tokens, size, mark) "
    f"VALUES ({', '.join('?' * 12)})"
)
ROWS = "SELECT id, bucket, size FROM turn WHERE "
LAST = "id = (SELECT turn FROM action ORDER BY id DESC LIMIT 1)"
LATEST = 253_402_300_799.0  # the last second of the year 9999, after which dates have no name


@dataclass(frozen=True)
class Said:
    """Something to remember: `context` int64 (C,) is seen, `tokens` int64 (T,) are counted."""

    layer: str
    text: str
    context: Ids
    tokens: Ids
    session: str
    topic: str | None
    role: str
    importance: float = 1.0
    at: float | None = None  # now
    action: str | None = None  # for the log


@dataclass(frozen=True)
class Journal:
    """Adds turns to one memory and takes them away; a time bucket takes `width` seconds."""

    database: Database
    models: Models
    width: float

    def add(self, said: Said) -> Turn:
        """Write a turn, and a line in the log if it was accepted or rejected; InputError for what cannot be used."""
        if not len(said.tokens):
            raise InputError(f"The text {said.text!r} holds no token, so there is nothing to remember.")
        session, role = _named("session", said.session), _named("role", said.role)
        topic = None if said.topic is None else _named("topic", said.topic)
        importance, at = real("importance", said.importance, 0), _moment(said.at)
        if not importance:
            raise InputError("importance must be above 0: what has none is not remembered.")
        raw = packed(said.context), packed(said.tokens)
        row = said.layer, session, topic, role, at, int(at // self.width), importance, said.text, *raw
        with self.database.writing():
            id = self.database.change(ADD, (*row, len(said.tokens), mark_of(said.text, *raw)))
            if said.action is not None:
                self.database.change("INSERT INTO action (kind, time, turn) VALUES (?, ?, ?)", (said.action, at, id))
        return Turn(id, said.layer, session, topic, role, at, importance, said.text, said.context, said.tokens)

    @contextmanager
    def taking(self, condition: str, values: Sequence[Any]) -> Generator[list[Row]]:
        """The turns for which a condition holds; when the block ends well they are gone."""
        with self.database.writing():
            rows = self.database.ask(ROWS + condition, values)
            yield rows
            buckets = {bucket for _, bucket, _ in rows}
            self.models.drop(buckets)
            self.database.delete(id for id, _, _ in rows)
        self.models.drop(buckets)  # another process may have made a file meanwhile

    def actions(self) -> tuple[Action, ...]:
        """The log, oldest first."""
        return tuple(Action(*row) for row in self.database.ask("SELECT kind, turn, time FROM action ORDER BY id"))

    def parts(self, column: Literal["session", "topic"]) -> dict[str, Part]:
        """What each session or topic holds, in the order in which they began."""
        rows = self.database.ask(
            f"SELECT {column}, count(*), sum(size), min(time), max(time) FROM turn "
            f"WHERE layer = ? AND {column} IS NOT NULL GROUP BY {column} ORDER BY min(id)",
            [HEARD],
        )
        return {name: Part(*row) for name, *row in rows}


def _named(what: str, given: str) -> str:
    if not unicode_text(given, f"the {what}"):
        raise InputError(f"The {what} needs a name that is not empty.")
    return given


def _moment(given: float | None) -> float:
    return clock.time() if given is None else real("at", given, 0, LATEST)
