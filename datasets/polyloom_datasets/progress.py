"""How far a long piece of work is: one line on standard error, drawn only where a person watches a terminal."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from polyloom_datasets.recipe import readable

WIDTH = 24  # characters of the bar


class Progress:
    """A bar from 0 to `total` bytes; call it with how many there are."""

    def __init__(self, what: str, total: int) -> None:
        self._what, self._total = what, total
        self._shown = -1  # per cent; a hundred drawings at most, however fast the bytes come
        self._watched = bool(sys.stderr) and sys.stderr.isatty()  # pythonw has none

    def __call__(self, done: int) -> None:
        """Draw it, if that changes a figure."""
        share = 100 * done // self._total
        if self._watched and share != self._shown:
            self._shown = share
            bar = "█" * (WIDTH * share // 100)
            counted = f"{readable(done)} of {readable(self._total)}"
            sys.stderr.write(f"\r{self._what} {bar:░<{WIDTH}} {share:3d} %  {counted:<24}")
            sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._shown >= 0:
            sys.stderr.write("\n")
            sys.stderr.flush()
