"""Pruning: which turns go first when a memory must be small.

    worth(turn) = importance · 2^(−age / half-life)          age from the newest turn

The least worth goes first, of two alike the older.  How large the file is only SQLite knows, so turns are taken away by
what they take up, the file is made small, and this is repeated until it fits.
"""

import math

from polyloom.errors import InputError
from polyloom.memory.database import Database

ROW = 120  # bytes of a turn besides what was said: numbers, names, lines in three indexes
MARGIN = 0.02  # of the file that pages leave empty, about; taken away besides, so that few rounds are needed


def least_worth(database: Database, half_life: float, room: int) -> list[int]:
    """The ids of the turns that go, least worth first, to win about so many bytes."""
    asked = "SELECT id, time, importance, length(CAST(text AS BLOB)) + length(context) + length(tokens) FROM turn"
    rows = database.ask(asked)
    newest = max((time for _, time, _, _ in rows), default=0.0)
    worth = {id: math.log2(value) - (newest - time) / half_life for id, time, value, _ in rows}
    gone, won = list[int](), 0
    for id, _, _, size in sorted(rows, key=lambda row: (worth[row[0]], row[0])):
        if won >= room:
            break
        gone.append(id)
        won += size + ROW
    return gone


def room_needed(size: int, budget: int, turns: int) -> int:
    """How many bytes to win; InputError if nothing is left that could go."""
    if not turns:
        raise InputError(f"An empty memory takes {size:,} bytes, for its vocabulary: {budget:,} are not enough.")
    return size - budget + math.ceil(MARGIN * budget)
