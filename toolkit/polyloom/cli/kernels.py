"""`polyloom kernels`: for every operation, which back ends can be used here, and for the others why not.

With `--gpu FILE` it measures the kernels on this machine's GPU, beside ceilings measured in the same run, and keeps the
figures with the date and the device: `make gpu` does that after the tests.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from polyloom.cli.options import Json
from polyloom.cli.output import check_free, columns, print_json
from polyloom.cli.rows import Row, machine, today
from polyloom.cli.table import Printed
from polyloom.errors import PolyloomError
from polyloom.files import replacing
from polyloom_kernels import _device, _table
from polyloom_kernels import _measure as _measuring
from polyloom_kernels._table import OPERATIONS


def command(
    gpu: Annotated[
        Path | None, typer.Option("--gpu", metavar="FILE", help="Measure the kernels on the GPU and write FILE.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which operations are compiled for the processor and for a GPU here.

    Every operation has a reference in NumPy, which always works.  Exit code 1 if a GPU is to be measured and none can
    be used.

    For example:

        polyloom kernels
        polyloom kernels --json
        polyloom kernels --gpu gpu.json
    """
    if gpu is not None:
        _measure(check_free(gpu, force=True))
        return
    why = _table.reasons()
    if as_json:
        found = {name: {kind: why[kind] is None for kind in kinds} for name, kinds in OPERATIONS.items()}
        print_json({"operations": found, "reasons": {kind: reason for kind, reason in why.items() if reason}})
        return
    typer.echo(columns(_lines(why)))
    for kind, reason in why.items():
        typer.echo(f"{kind}: {reason or 'yes'}")


def _lines(why: dict[str, str | None]) -> Iterator[tuple[str, ...]]:
    yield "operation", "reference", "cpu", "cuda"
    for name, kinds in OPERATIONS.items():
        cells = ("–" if kind not in kinds else "no" if why[kind] else "yes" for kind in ("cpu", "cuda"))
        yield name, "yes", *cells


def _measure(path: Path) -> None:
    reason = _device.why()
    if reason is not None:
        raise PolyloomError(f"No GPU can be used here, so nothing was measured: {reason}.")
    about, given = _measuring.measured()
    printed, rows = Printed(), list[Row]()
    for row in (Row(**each) for each in given):
        printed.row(row)
        rows.append(row)
    printed.verdict(rows)
    document = {"date": today(), "host": machine(), **about, "rows": [row.json() for row in rows]}
    with replacing(path) as file:
        file.write((json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
