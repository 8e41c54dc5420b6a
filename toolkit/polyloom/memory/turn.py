"""A turn: one thing that was said, and everything a memory knows of it.

Turns are the truth; counts, layers and the index of words are derived from them.  A turn counts its own `tokens`, seen
after its `context`: a turn that was heard has none, one that a model wrote has the last tokens of its prompt, so that
the counts say after what it was right or wrong.  Nothing of another turn enters its counts, which is why a turn can be
taken away exactly.

In the file tokens are little-endian uint32, and a `mark`, a CRC-32 over all that was said, finds damage when it is
read.
"""

import zlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from polyloom.documents import Ids
from polyloom.errors import FileError

COLUMNS = "id, layer, session, topic, role, time, importance, text, context, tokens, mark"
SHOWN = 60  # characters of a turn that is printed


@dataclass(frozen=True)
class Turn:
    """`time` in seconds since 1970, UTC; `layer` is "heard" or "avoid"; `tokens` and `context` int64 (T,)."""

    id: int
    layer: str
    session: str
    topic: str | None
    role: str
    time: float
    importance: float
    text: str
    context: Ids = field(repr=False, compare=False)
    tokens: Ids = field(repr=False, compare=False)

    def __str__(self) -> str:
        when = datetime.fromtimestamp(self.time, UTC).strftime("%Y-%m-%d %H:%M")
        topic = f", {self.topic}" if self.topic else ""
        return f"{when} [{self.session}{topic}] {self.role}: {short(self.text)}"


def packed(ids: Ids) -> bytes:
    """Tokens as the file holds them."""
    return ids.astype("<u4").tobytes()


def mark_of(text: str, context: bytes, tokens: bytes) -> int:
    """A CRC-32 of what was said."""
    return zlib.crc32(b"\0".join([text.encode(), context, tokens]))


def turn_of(row: tuple[Any, ...]) -> Turn:
    """The turn of a row of the file, in the order of `COLUMNS`; FileError if it was changed."""
    id, layer, session, topic, role, time, importance, text, context, tokens, mark = row
    if mark_of(text, context, tokens) != mark:
        raise FileError(f"Turn {id} is damaged: it is not what was remembered. Give it up: forget(turn={id}).")
    return Turn(id, layer, session, topic, role, time, importance, text, _unpacked(context), _unpacked(tokens))


def short(text: str) -> str:
    """The beginning of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _unpacked(raw: bytes) -> Ids:
    return np.frombuffer(raw, "<u4").astype(np.int64)
