"""`polyloom inspect`: what a file holds, read from its manifest, its table of arrays and the model that they make.

A transformer, in a folder, is described by its parts (`inspect_transformer`).
"""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer
from numpy.typing import NDArray

from polyloom.association.model import AssociationModel
from polyloom.cli.inspect_transformer import inspect_transformer
from polyloom.cli.models import opened
from polyloom.cli.options import Json, ModelFile
from polyloom.cli.output import columns, print_json
from polyloom.compose.composite import Composite
from polyloom.files import identity, read, verify
from polyloom.model import LanguageModel

if TYPE_CHECKING:
    from polyloom.transformer.model import TransformerModel

COUNTS = {"tokens": "tokens_counted", "entries": "entries"}  # what a model may say of its counts, and by which name
TECHNICAL = ("members", "version")  # of a manifest: shown in their own way, as the digests of arrays are


def command(
    model: ModelFile,
    text: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Let a transformer read this, and say where its heads look.")
    ] = None,
    check: Annotated[bool, typer.Option("--verify", help="Read it all and compare every digest.")] = False,
    every: Annotated[bool, typer.Option("--arrays", help="List every array, as `--json` does.")] = False,
    as_json: Json = False,
) -> None:
    """Say what is in a model file: kind, vocabulary, templates, counts, sizes, digest.

    The digest stands for all that the file holds: it is the one over its manifest, which has those of the arrays.  Of a
    transformer it says the layers, heads and parameters by part; of its heads, with `--text`, how much they look at the
    token before, at what followed the same token earlier, at the first token, and how widely.

    For example:

        polyloom inspect poems.psam
        polyloom inspect poems.psam --verify
        polyloom inspect mix.psamc --json
        polyloom inspect sea --text "the tide is out, the tide is in"
    """
    loaded = opened(model)
    if model.is_dir():
        if check:
            raise typer.BadParameter("is for files of polyloom: a folder has no digests.", param_hint="--verify")
        inspect_transformer(model, cast("TransformerModel", loaded), text, every, as_json)
        return
    if text is not None:
        raise typer.BadParameter("is for the folder of a transformer, which has heads.", param_hint="--text")
    if check:
        verify(model)
    manifest, arrays = read(model)
    digests = manifest["sha256"]
    file = {"file": str(model), "bytes": model.stat().st_size, "version": manifest["version"]}
    tests = {"digest": identity(model)[1], "verified": check or None}
    table = [_row(name, array, digests[name]) for name, array in arrays.items()]
    described = {**file, **tests, **_described(manifest, loaded)}
    holds = loaded.describe() if isinstance(loaded, AssociationModel) else None
    if as_json:
        print_json({**described, "holds": holds and holds.json(), "arrays": table})
    else:
        typer.echo("\n".join(_lines(described | {"arrays": len(table)})))
        if holds is not None:
            typer.echo(f"\n{holds}")
        if every:
            typer.echo("\n" + columns([("bytes", "type", "shape", "array"), *map(_cells, table)]))


def _row(name: str, array: NDArray[Any], digest: str) -> dict[str, Any]:
    shape = list(array.shape)
    return {"name": name, "dtype": str(array.dtype), "shape": shape, "bytes": array.nbytes, "sha256": digest}


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str]:
    return f"{row['bytes']:,}", row["dtype"], "×".join(map(str, row["shape"])), row["name"]


def _described(manifest: dict[str, Any], model: LanguageModel) -> dict[str, Any]:
    """What the manifest says of a model, with its counts; the same of each member, by name."""
    told = {name: value for name, value in manifest.items() if name not in TECHNICAL}
    if isinstance(told.get("sha256"), dict):
        del told["sha256"]
    told |= {name: getattr(model, attribute) for name, attribute in COUNTS.items() if hasattr(model, attribute)}
    if isinstance(model, Composite) and "members" in manifest:  # a reference has none: they stand in its own file
        pairs = zip(model.models.items(), manifest["members"], strict=True)
        told["members"] = {name: _described(member, inner) for (name, inner), member in pairs}
    return told


def _lines(told: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """One line for each fact, members and other tables indented below their names."""
    for name, value in told.items():
        if isinstance(value, dict):
            yield f"{'  ' * depth}{name}"
            yield from _lines(cast("dict[str, Any]", value), depth + 1)
        elif value is not None:
            shown = f"{value:,}" if type(value) is int else value if isinstance(value, str) else json.dumps(value)
            yield f"{'  ' * depth}{name:<12} {shown}"
