"""`polyloom compose`: models under faders, or under a gate, as one file."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from polyloom.cli.models import opened
from polyloom.cli.options import Documents, Force, Json, Output
from polyloom.cli.output import check_free, print_json, progress
from polyloom.cli.texts import Cut, Texts, ended
from polyloom.compose.gated import Gated
from polyloom.compose.layered import Layer, Layered
from polyloom.compose.pool import pool_of
from polyloom.errors import InputError

PART = re.compile(r"(?P<name>[^=]+)=(?P<path>.+?)(?::(?P<weight>[^:\\/]*))?")


def command(
    parts: Annotated[
        list[str], typer.Argument(metavar="NAME=MODEL[:WEIGHT]", help="Layers; a weight is 1 if left out.")
    ],
    output: Output,
    pool: Annotated[str, typer.Option(help="linear adds probabilities, log adds their logarithms.")] = "linear",
    fit: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Text, new to all layers, that sets the weights.")
    ] = None,
    gate: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Text, new to all layers, that fits a gate between them.")
    ] = None,
    documents: Documents = Cut.PARAGRAPHS,
    reference: Annotated[
        bool, typer.Option("--reference", help="Keep the layers as files in a folder beside the mix, not inside it.")
    ] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Mix models into one, each with its weight, or under a gate that weighs them anew at each place.

    All of them must have the same vocabulary: train the second with `--vocabulary first.psam`.  The mix has copies of
    its models.  In a log pool weights are exponents, and a negative one makes a contrast.  A gate listens to those that
    are sure of themselves; it reads the whole vocabulary at each token.

    For example:

        polyloom compose sea=sea.psam law=law.psam:0.5 -o mix.psamc
        polyloom compose sea=sea.psam law=law.psam --fit letters.txt -o mix.psamc
        polyloom compose sea=sea.psam law=law.psam --gate letters.txt -o mix.psamc
    """
    _check(pool)
    named = {name: (path, weight) for name, path, weight in map(_part, parts)}
    if len(named) < len(parts):
        raise typer.BadParameter("each name may stand once; give the second layer another", param_hint="NAME")
    if gate and (fit or pool != "linear" or any(weight != 1 for _, weight in named.values())):
        raise typer.BadParameter("takes the place of weights, --fit and --pool: leave them out", param_hint="--gate")
    text = fit or gate
    texts = Texts(text, documents) if text else None
    check_free(output, force, [path for path, _ in named.values()] + (text or []))
    layers = {name: Layer(opened(path), weight) for name, (path, weight) in named.items()}
    mix = _gated(layers) if gate else _layered(layers, pool)
    mix = mix if texts is None else _fitted(mix, texts)
    mix.save(output, members="reference" if reference else "embed")
    _report(output, mix, as_json)


def _part(given: str) -> tuple[str, Path, float]:
    """Name, file and weight of NAME=MODEL[:WEIGHT]; a file whose name ends in a colon and a number is still found."""
    found = PART.fullmatch(given)
    if found is None:
        raise typer.BadParameter(f"expected NAME=MODEL or NAME=MODEL:WEIGHT, such as sea=sea.psam:0.5, got {given!r}")
    whole = given.partition("=")[2]
    if found["weight"] is None or Path(whole).exists():
        return found["name"], Path(whole), 1.0
    try:
        return found["name"], Path(found["path"]), float(found["weight"])
    except ValueError:
        raise typer.BadParameter(f"expected a number as the weight of {found['name']!r}, got {given!r}") from None


def _check(pool: str) -> None:
    try:
        pool_of(pool)
    except InputError as error:
        raise typer.BadParameter(str(error), param_hint="--pool") from error


def _layered(layers: dict[str, Layer], pool: str) -> Layered:
    (first, base), *others = layers.items()
    return Layered(base.model, dict(others), pool, name=first, weight=base.weight)


def _gated(layers: dict[str, Layer]) -> Gated:
    return Gated({name: layer.model for name, layer in layers.items()})


def _fitted(mix: Layered | Gated, texts: Texts) -> Layered | Gated:
    with progress("fitting", texts.size) as advance:
        documents = list(ended(texts.documents(advance), mix.vocabulary))
        return mix.fit_weights(documents) if isinstance(mix, Layered) else mix.fit_gate(documents)


def _report(path: Path, mix: Layered | Gated, as_json: bool) -> None:
    size, certificate = path.stat().st_size, mix.certificate
    if isinstance(mix, Layered):
        faders = ", ".join(f"{name} {weight:.4g}" for name, weight in mix.weights.items())
        told, said = {"pool": mix.pool, "weights": mix.weights}, f"{faders} ({mix.pool} pool)"
    else:
        told, said = {"members": list(mix.models)}, f"{', '.join(mix.models)} (gate)"
    if as_json:
        proved = None if certificate is None else asdict(certificate)
        print_json({"file": str(path), "bytes": size, **told, "certificate": proved})
    else:
        typer.echo(f"{path}: {said}, {size:,} bytes")
        if certificate is not None:
            typer.echo(f"fitted: {certificate}")
