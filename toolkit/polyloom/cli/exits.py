"""How the command ends: the table of exit codes, and the one place where an error becomes a line and a code.

Whatever a command raises because of its input becomes one line on standard error; `--traceback` lets the traceback
through.  A bare ValueError is a fault of ours, not of the input, and always shows its traceback.  Wrong usage, which
typer finds or a command reports as `typer.BadParameter`, is one line too, and says where to read more.
"""

import contextlib
import os
import sys
from collections.abc import Generator
from typing import Any

import typer

from polyloom.errors import PolyloomError

DONE, INPUT, USAGE, INTERRUPTED, UNHEARD = 0, 1, 2, 130, 141

CODES = {
    DONE: "it is done",
    INPUT: "the input was at fault: a file is missing, damaged or in the way",
    USAGE: "wrong usage: a command, an option or a value that there is not",
    INTERRUPTED: "interrupted by Ctrl-C; nothing half-written is left",
    UNHEARD: "the reader of the output went away, as | head does; nothing is said",
}

# typer carries click under different names across its versions, so the class is found by way of one that it exports.
WRONG_USAGE: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "UsageError")


@contextlib.contextmanager
def ending(traceback: bool = False) -> Generator[None]:
    """Run a block; what it raises becomes one line and `typer.Exit` with a code of the table."""
    try:
        yield
        _flush()
    except BrokenPipeError as error:
        _discard_output()
        raise typer.Exit(UNHEARD) from error
    except KeyboardInterrupt as error:
        raise _ended("interrupted.", INTERRUPTED) from error
    except WRONG_USAGE as error:
        if traceback or type(error).__name__ == "NoArgsIsHelpError":  # a question for help, which typer answers
            raise
        raise _ended(_misused(error), USAGE) from error
    except (PolyloomError, OSError, ValueError, MemoryError) as error:
        if traceback or type(error) is ValueError:
            raise
        _discard_output()
        raise _ended(one_line(error), INPUT) from error


def one_line(error: Exception) -> str:
    """What an error says, and of which file."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}."
    return " ".join(str(error).split()) or type(error).__name__


def epilog() -> str:
    """The table as typer shows it below a command's help."""
    return "\n".join(["Exit codes:", "", *(f"    {code:<4} {meaning}" for code, meaning in CODES.items())])


def _ended(line: str, code: int) -> typer.Exit:
    typer.secho(f"polyloom: {' '.join(line.split())}", fg="red", err=True)
    return typer.Exit(code)


def _misused(error: Any) -> str:
    said = error.format_message().replace(": Value error, ", ": ")  # a word of pydantic, by which typer checks choices
    stop = "" if said.endswith((".", "?", "!")) else "."
    if "extra argument" in said:
        stop = ". Put a text of several words in quotes."
    return f"{said}{stop}" + (f" See '{error.ctx.command_path} --help'." if error.ctx is not None else "")


def _flush() -> None:
    """Write what is buffered, now, while it can still be said that nobody takes it."""
    if sys.stdout is not None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
        sys.stdout.flush()


def _discard_output() -> None:
    """Send what nobody takes to nowhere: Python would try once more when it ends, and end with a code of its own."""
    try:
        _flush()
    except OSError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
