"""What a command gives back: one JSON document or lines on standard output, everything else on standard error.

Notes and progress go to standard error, so that output can be piped on.  A file is only ever written where nothing
stands, unless `--force` is given, and never over one of the files that it is made from.
"""

import contextlib
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import typer

from polyloom.errors import InputError

Advance = Callable[[int], None]


def print_json(document: Any) -> None:
    """The one document of `--json`."""
    typer.echo(json.dumps(document, ensure_ascii=False, indent=1))


def note(text: str) -> None:
    """Something to know that is not the answer."""
    typer.echo(f"polyloom: note: {text}", err=True)


def check_free(path: Path, force: bool, sources: Iterable[Path] = ()) -> Path:
    """The path of a file to write, checked before the work begins.

    Raises InputError if it cannot be written, if something stands there and `force` is not given, or if it is one of
    the `sources`; FileNotFoundError if it has no folder.
    """
    if str(path) == "-":
        raise InputError("A model is a file and cannot go to standard output. Name a file: -o model.psam.")
    if path.is_dir():
        raise InputError(f"{path} is a folder. Name a file in it: -o {path / 'model.psam'}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} in. Make it first.")
    if not path.exists():
        return path
    if any(source.exists() and path.samefile(source) for source in sources):
        raise InputError(f"{path} is one of the files to read. Write to another name.")
    if not force:
        raise InputError(f"{path} is there already and stays. Write to another name, or replace it with --force.")
    return path


@contextlib.contextmanager
def progress(title: str, total: int) -> Generator[Advance]:
    """A bar on standard error that `advance(bytes)` moves, if that is a terminal; `total` 0 is not known."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task(title, total=total or None)
        yield lambda size: shown.advance(task, size)


def columns(rows: Iterable[Iterable[object]]) -> str:
    """Rows of cells as lines, every column but the last as wide as it needs; the last may hold any text."""
    table = [[str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    aligned = ([*map(str.rjust, row[:-1], widths), row[-1]] for row in table)
    return os.linesep.join("  ".join(cells).rstrip() for cells in aligned)
