"""The fields of a table from somewhere else, each asked for by name and kind.

An error names the field, what it holds and what could be read, so that a person can find it in the file.  A field that
is null counts as missing, and has its default.
"""

import math
from collections.abc import Mapping
from typing import Any, TypeVar, cast, final

from polyloom.errors import FileError

Word = TypeVar("Word", bound=str)


@final
class Fields:
    """A table, and what it is called in messages."""

    def __init__(self, table: Mapping[str, Any], where: str) -> None:
        self.table, self.where = table, where

    def whole(self, *names: str, default: int | None = None, smallest: int = 1, most: int = 2**31 - 1) -> int:
        """The first of these fields that is there: a whole number."""
        name, value = self._found(names, default)
        if type(value) is not int or not smallest <= value <= most:
            raise self.refused(name, f"a whole number from {smallest} to {most:,}")
        return value

    def number(self, name: str, default: float | None = None, above: float = -math.inf) -> float:
        """A number."""
        _, value = self._found((name,), default)
        if type(value) not in (int, float) or not cast("float", value) > above:
            raise self.refused(name, "a number" if above == -math.inf else f"a number above {above}")
        return float(cast("float", value))

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        _, value = self._found((name,), default)
        if not isinstance(value, bool):
            raise self.refused(name, "true or false")
        return value

    def one(self, names: str | tuple[str, ...], words: tuple[Word, ...], default: Word | None = None) -> Word:
        """One of these words."""
        name, value = self._found((names,) if isinstance(names, str) else names, default)
        if value not in words:
            raise self.refused(name, " or ".join(map(repr, words)))
        return cast("Word", value)

    def below(self, name: str) -> "Fields | None":
        """A table inside, if there is one."""
        value = self.table.get(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.refused(name, "a table")
        return Fields(cast("dict[str, Any]", value), f"{self.where}, {name}")

    def entries(self, name: str, kind: type) -> list[Any] | None:
        """A list of values of one kind, if there is one."""
        value = self.table.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or any(type(entry) is not kind for entry in cast("list[object]", value)):
            raise self.refused(name, f"a list of {kind.__name__}")
        return cast("list[Any]", value)

    def must(self, name: str, value: object) -> None:
        """Refuse a field that is there and says something else than the one thing that can be built."""
        if self.table.get(name, value) not in (None, value):
            raise self.refused(name, repr(value))

    def refused(self, name: str, expected: str) -> FileError:
        """What to raise for a field that holds something else."""
        value = repr(self.table.get(name))
        shown = value if len(value) <= 200 else f"{value[:200]}…"
        return FileError(f"{self.where}: {name} is {shown}, which Polyloom cannot build; expected {expected}.")

    def _found(self, names: tuple[str, ...], default: object) -> tuple[str, object]:
        for name in names:
            if self.table.get(name) is not None:
                return name, self.table[name]
        if default is None:
            raise FileError(f"{self.where} has no field {' or '.join(names)}.")
        return names[0], default
