"""How a training shows itself where there is a terminal, or at least lines of text.

`Terminal` keeps one line moving: step, losses, rate, tokens a second, what is left; the texts that the model writes are
printed above it.  `Lines` prints a line at the first step, at each evaluation that comes with a further tenth of the
training, and at the end; it is for log files, and for notebooks that show no view of their own.  Both are callbacks.
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO, final

from polyloom.train.history import Callback, Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

TIMES = 10  # lines that are printed in the course of a training


@contextmanager
def watching(wanted: bool | None, stream: TextIO | None = None) -> Generator[tuple[Callback, ...]]:
    """What shows a training on standard output: a moving line in a terminal, lines elsewhere, nothing if not wanted."""
    place = stream or sys.stdout
    if wanted is False:
        yield ()
    elif place.isatty():
        with terminal(place) as shown:
            yield (shown,)
    else:
        yield (Lines(place),)


@final
class Lines:
    """A line now and then."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._shown = stream, -1

    def __call__(self, progress: Progress) -> None:
        """Print if a tenth more is done, or at the end."""
        tenth = int(progress.share * TIMES)
        if progress.stopped or self._shown < tenth < TIMES:
            self._shown = tenth
            print(line(progress), file=self._stream, flush=True)


@contextmanager
def terminal(stream: TextIO) -> Generator[Callback]:
    """A callback that moves one line of a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(file=stream)
    with Bar(BarColumn(bar_width=20), TextColumn("{task.description}", markup=False), console=console) as bar:
        yield Terminal(bar)


@final
class Terminal:
    """One line that moves; a sample text above it."""

    def __init__(self, bar: "Bar") -> None:
        self._bar, self._task = bar, bar.add_task("", total=1.0)

    def __call__(self, progress: Progress) -> None:
        """Show where it is."""
        if progress.sample:
            self._bar.console.print(f"  {one_line(progress.sample)}", style="dim", markup=False, highlight=False)
        self._bar.update(self._task, completed=progress.share, description=line(progress))


def line(progress: Progress) -> str:
    """A training in one line."""
    of = f"/{progress.steps:,}" if progress.steps else ""
    parts = [f"step {progress.step:,}{of}", f"loss {progress.loss:.3f}"]
    if progress.validation is not None:
        parts.append(f"held-out {progress.validation:.3f}")
    parts += [f"rate × {progress.rate:.2f}", f"{progress.tokens_per_second:,.0f} tokens/s"]
    if progress.stopped:
        parts.append(f"{clock(progress.seconds)}, stopped by {progress.stopped}")
    elif progress.left is not None:
        parts.append(f"{clock(progress.left)} left")
    return "  ".join(parts)


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())


def clock(seconds: float) -> str:
    """A time such as 0:07 or 2:03:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
