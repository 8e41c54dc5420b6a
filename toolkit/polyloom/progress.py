"""How far a long task has come: one line on standard error, for as long as somebody watches."""

import sys
import time
from typing import TextIO

PATIENCE = 1.0  # seconds: what is done sooner needs no line
EVERY = 0.2  # seconds between two states of the line


def someone_watches(stream: TextIO) -> bool:
    """Whether a person sees what is printed there: a notebook, or a terminal."""
    return "ipykernel" in sys.modules or stream.isatty()


class Meter:
    """Counts what is done and says so: `with Meter("tokens", shown) as meter: meter.add(n)`.

    `shown` None is to show it to whoever watches, when it takes longer than a second.
    """

    def __init__(self, unit: str, shown: bool | None = None) -> None:
        self._unit, self._done = unit, 0
        self._shown = shown or (shown is None and someone_watches(sys.stderr))
        self._started = time.monotonic()
        self._next = self._started + (EVERY if shown else PATIENCE)
        self._width = 0

    def add(self, number: int) -> None:
        """So many more are done."""
        self._done += number
        if self._shown and time.monotonic() >= self._next:
            self._write(self._state())

    def say(self, what: str) -> None:
        """What is being done now that all have come, if anything was said before."""
        if self._width:
            self._write(f"{self._state()}; {what}")

    def __enter__(self) -> "Meter":
        return self

    def __exit__(self, *error: object) -> None:
        if self._width:
            print(file=sys.stderr, flush=True)

    def _state(self) -> str:
        seconds = max(time.monotonic() - self._started, 1e-9)
        return f"{self._done:,} {self._unit}, {self._done / seconds:,.0f} a second"

    def _write(self, line: str) -> None:
        self._next = time.monotonic() + EVERY
        print("\r" + line.ljust(self._width), end="", file=sys.stderr, flush=True)
        self._width = len(line)
