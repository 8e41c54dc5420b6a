"""A row of `polyloom bench`: one measured value beside its peer, its limit and its bar.

Ratios read the same way whatever the unit: above 1 is better than the peer, 1 is at the limit.

    better="lower"  (ms, MB):      ratio = peer_value / value,   limit_ratio = limit / value
    better="higher" (tokens/s):    ratio = value / peer_value,   limit_ratio = value / limit

A bar is a comparison in words, `"value <= 50"`, `"ratio >= 10"` or `"limit_ratio >= 0.75"`, and `met` follows from it
and is never stated by hand.  What could not be measured is None and has a reason.  A row says on what *kind* of machine
it was measured, never on which.
"""

import operator
import os
import platform
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, TypeAlias

Better: TypeAlias = Literal["lower", "higher"]
Json: TypeAlias = dict[str, str | float | bool | None]

BAR = re.compile(r"(value|ratio|limit_ratio) (<=|>=) (\d+(?:\.\d+)?)")
COMPARISONS = {"<=": operator.le, ">=": operator.ge}
COLUMNS = (
    *("group", "name", "value", "unit", "peer", "peer_value", "ratio", "limit", "limit_ratio"),
    *("bar", "met", "reason", "machine", "date"),
)


def machine() -> str:
    """The kind of this machine, such as "2 cores x86-64, Python 3.11, Linux"; no name that would tell whose it is."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    python = ".".join(platform.python_version_tuple()[:2])
    return f"{cores} cores {platform.machine().replace('_', '-')}, Python {python}, {platform.system()}"


def today() -> str:
    """The date in UTC, such as "2026-02-28"."""
    return datetime.now(UTC).date().isoformat()


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement.  Raises ValueError for a bar that is no comparison, or a missing value without a reason."""

    group: str
    name: str
    value: float | None
    unit: str
    better: Better = "lower"
    peer: str | None = None
    peer_value: float | None = None
    limit: float | None = None
    bar: str | None = None
    reason: str | None = None
    machine: str = field(default_factory=machine)
    date: str = field(default_factory=today)

    def __post_init__(self) -> None:
        if self.bar is not None and not BAR.fullmatch(self.bar):
            raise ValueError(f'{self.name}: expected a bar such as "value <= 50" or "ratio >= 2", got {self.bar!r}.')
        if not self.reason and (self.value is None or (self.peer is not None and self.peer_value is None)):
            raise ValueError(f"{self.name}: a value that is missing, ours or the peer's, needs a reason.")

    @property
    def ratio(self) -> float | None:
        """How many times better than the peer."""
        return self._beside(self.peer_value)

    @property
    def limit_ratio(self) -> float | None:
        """The share of the limit that is reached; 1 is all of it."""
        return self._beside(self.limit)

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None without a bar or without the figure that it compares."""
        bar = BAR.fullmatch(self.bar or "")
        figure = None if bar is None else getattr(self, bar[1])
        return None if bar is None or figure is None else COMPARISONS[bar[2]](figure, float(bar[3]))

    def json(self) -> Json:
        """The row as `benchmarks/latest.json` holds it: every column, None for what is absent."""
        return {column: getattr(self, column) for column in COLUMNS}

    def _beside(self, other: float | None) -> float | None:
        if not self.value or not other:
            return None
        return other / self.value if self.better == "lower" else self.value / other
