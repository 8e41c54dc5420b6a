"""`polyloom bench`: run groups of benchmarks, print each row as it comes, and keep them all as JSON.

A group is a function `rows(shared: Path | None)` that a package registers under `polyloom.benchmarks`.  It gives
`Row`s, or mappings of a row's arguments if it must not import polyloom, as `polyloom_kernels`.  `shared` is a folder of
real text and models that polyloom does not carry, and a row that misses it says so.
A group that fails is reported and the others still run; the exit code is then 1.  FILE is replaced if it is there: it
holds a measurement, which is repeated.  Where groups are named, the rows of the others stay in it.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from polyloom.cli import plugins
from polyloom.cli.output import check_free, print_json
from polyloom.cli.rows import Json, Row
from polyloom.cli.table import Printed
from polyloom.errors import FileError, PolyloomError
from polyloom.files import replacing

GROUP = "polyloom.benchmarks"
STDOUT = Path("-")


def command(
    context: typer.Context,
    groups: Annotated[list[str] | None, typer.Argument(metavar="GROUP", help="Which to run; all of them.")] = None,
    output: Annotated[
        Path | None,
        typer.Option("--json", metavar="FILE", help="Write the rows to FILE; `-` is standard output."),
    ] = None,
    shared: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="A folder of real data to compare on."),
    ] = None,
) -> None:
    """Measure polyloom against its bars.

    A ratio above 1 is better than the peer, whatever the unit.

    For example:

        polyloom bench
        polyloom bench association --json rows.json
        polyloom bench association --json - | jq .[0].value
    """
    to_output = output == STDOUT
    chosen, kept = _chosen(groups or []), list[Json]()
    if output is not None and not to_output:  # before the hours of measuring
        check_free(output, force=True)
        kept = _others(output, {point.name for point in chosen}) if groups else []
    printed, rows, failed = Printed(Console(stderr=True) if to_output else None), list[Row](), False
    for point in chosen:
        try:
            for row in _rows(point, shared):
                printed.row(row)
                rows.append(row)
        except PolyloomError as error:
            if context.find_root().params.get("traceback"):
                raise
            typer.secho(f"polyloom: {error}", fg="red", err=True)
            failed = True
    printed.verdict(rows)
    if to_output:
        print_json([row.json() for row in rows])
    elif output is not None:
        _write(output, sorted([*kept, *(row.json() for row in rows)], key=lambda row: str(row["group"])))
    if failed:
        raise typer.Exit(1)


def _chosen(names: list[str]) -> list[EntryPoint]:
    known = plugins.found(GROUP)
    for name in names:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            raise typer.BadParameter(f"no group {name!r}; there are {', '.join(sorted(known))}.{guess}")
    return [known[name] for name in names or sorted(known)]


def _rows(point: EntryPoint, shared: Path | None) -> Iterator[Row]:
    measure: Callable[[Path | None], Iterable[Row | Mapping[str, Any]]] = plugins.load(point)
    try:
        for row in measure(shared):
            yield row if isinstance(row, Row) else Row(**row)
    except Exception as error:  # one group's fault must not cost the rows of the others
        raise PolyloomError(f"benchmark {point.name}: {type(error).__name__}: {error}") from error


def _others(path: Path, groups: set[str]) -> list[Json]:
    """The rows of other groups that a file holds."""
    if not path.is_file():
        return []
    try:
        held: list[Json] = json.loads(path.read_text(encoding="utf-8"))
        return [row for row in held if row["group"] not in groups]
    except (ValueError, TypeError, KeyError) as error:
        raise FileError(f"{path} holds no rows of benchmarks ({error}). Name another file.") from None


def _write(path: Path, rows: list[Json]) -> None:
    """Write all rows or nothing: an interrupted write leaves the old file."""
    text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
    with replacing(path) as file:
        file.write(text.encode())
