"""`polyloom expert train`: texts in, the folder of an expert out; what is learned is a small change of a base model."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, cast

import typer

from polyloom._compat import need
from polyloom.cli.exits import INTERRUPTED
from polyloom.cli.options import Documents, Force, Json, TextFiles
from polyloom.cli.output import check_free, note, print_json
from polyloom.cli.texts import Cut, Texts, ended
from polyloom.errors import InputError

if TYPE_CHECKING:
    from polyloom.adapters.adapter import Adapter
    from polyloom.adapters.fit import Fitted
    from polyloom.experts.manifest import Manifest
    from polyloom.train.settings import Training

SHOWN = 200  # characters of an example: as many as a router looks at
PREFIX = "expert-"

BaseFolder: TypeAlias = Annotated[
    Path,
    typer.Option("--base", metavar="FOLDER", help="A transformer in the layout of Hugging Face.", show_default=False),
]


def train(
    files: TextFiles,
    base: BaseFolder,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FOLDER", help="The folder to write.", show_default=False)
    ],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="expert-…; by default that of the folder.", show_default=False)
    ] = None,
    version: Annotated[str, typer.Option(help="A semantic version.")] = "0.1.0",
    description: Annotated[str, typer.Option(help="What it is good at.")] = "",
    keyword: Annotated[
        list[str] | None, typer.Option(metavar="WORD", help="Calls this expert. Repeatable.", show_default=False)
    ] = None,
    examples: Annotated[
        int, typer.Option(min=0, help="Documents whose beginnings the manifest shows, for a router to learn from.")
    ] = 0,
    rank: Annotated[int, typer.Option(min=1, help="Directions in which each map may change.")] = 8,
    steps: Annotated[int | None, typer.Option(min=1, help="Learn so many times; 1000.", show_default=False)] = None,
    minutes: Annotated[float | None, typer.Option(min=0.001, help="Or learn so long.", show_default=False)] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Texts in a step; 16.", show_default=False)] = None,
    length: Annotated[
        int | None, typer.Option(min=2, help="Tokens of each; as many as the base reads.", show_default=False)
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(help="How far a step goes; 0.001.", show_default=False)] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the first weights and the order of texts; 0.", show_default=False)
    ] = None,
    int8: Annotated[bool, typer.Option("--int8", help="Hold the base in 8 bits meanwhile, in less memory.")] = False,
    held_out: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Text that judges and is not learned from.")
    ] = None,
    documents: Documents = Cut.PARAGRAPHS,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train an expert on texts: a LoRA on a base model, in a folder that `package` and `sign` make a file of.

    The folder is one of PEFT, with a manifest that knows the base by its digest.  Ctrl-C stops the training and keeps
    what was learned.  A router learns whom to ask from description, keywords and examples; the examples are of the
    text itself and are given away with the expert, so there are none unless you say how many.

    For example:

        polyloom expert train sea/*.txt --base Qwen3-0.6B -o expert-sea --minutes 10 --description "Tells of the sea"
        polyloom expert train law.txt --base tiny -o expert-law --rank 4 --steps 200 --examples 20
    """
    need("torch", "torch", "Training an expert")
    from polyloom.experts.adapted import Base, write_expert
    from polyloom.transformer.quantised import quantised

    _check_place(output, force)
    texts, aside = Texts(files, documents), Texts(held_out, documents) if held_out else None
    asked = {"steps": steps, "minutes": minutes, "batch": batch, "length": length}
    training = _training({**asked, "learning_rate": learning_rate, "seed": seed})
    shown = _examples(texts, examples)
    found = Base.read(base)
    called = name or PREFIX + output.resolve().name.removeprefix(PREFIX)
    routing = {"keywords": keyword or []}
    manifest = found.manifest(
        called, version, description=description, routing=routing, **({"examples": shown} if shown else {})
    )
    fitted = _fitted(quantised(found.model) if int8 else found.model, texts, aside, rank, training)
    write_expert(output, cast("Adapter", fitted.adapter), found, manifest)  # of a LoRA it is one
    _report(output, manifest, fitted, as_json)
    if not (description or keyword or shown):
        note("its manifest does not say what it is for, so no router can choose it: --description, --examples.")
    if fitted.stopped == "interrupted":
        note("stopped by hand; the folder holds what was learned until then.")
        raise typer.Exit(INTERRUPTED)


def _check_place(output: Path, force: bool) -> None:
    """Refuse a place that no folder of an expert can take, before the work begins."""
    from polyloom.adapters.peft_folder import CONFIG

    if not output.is_dir():
        check_free(output, force=False)
    elif not force:
        raise InputError(f"{output} is there already and stays. Write to another name, or replace it with --force.")
    elif not (output / CONFIG).is_file() and any(output.iterdir()):
        raise InputError(f"{output} is a folder of no expert, and stays. Write to another name.")


def _training(asked: Mapping[str, Any]) -> "Training":
    """The settings of a fit with what was asked for in their place."""
    from polyloom.adapters.fit import USUAL

    told = {name: value for name, value in asked.items() if value is not None}
    if "minutes" in told:
        told.setdefault("steps", None)  # else the usual thousand would end it
    try:
        return replace(USUAL, **told)
    except InputError as error:
        raise typer.BadParameter(str(error)) from error


def _examples(texts: Texts, count: int) -> Sequence[str]:
    """The beginnings of so many documents, from the whole length of the texts."""
    if not count:
        return []
    found = list(dict.fromkeys(" ".join(one.split())[:SHOWN] for one in texts.documents()))
    return [found[at * len(found) // count] for at in range(count)] if count < len(found) else found


def _fitted(model: Any, texts: Texts, aside: Texts | None, rank: int, training: "Training") -> "Fitted":
    from polyloom.adapters.fit import fit_adapter
    from polyloom.adapters.lora import LoRA
    from polyloom.train.terminal import watching

    learned = list(ended(texts.documents(), model.vocabulary))
    judged = None if aside is None else list(ended(aside.documents(), model.vocabulary))
    with watching(None, sys.stderr) as shown:
        # α = 2 r, so that a rank does not change how far a step goes.
        return fit_adapter(model, learned, LoRA(rank, 2.0 * rank), training, judged, callbacks=shown, progress=False)


def _report(folder: Path, manifest: "Manifest", fitted: "Fitted", as_json: bool) -> None:
    best, steps = fitted.history.best, fitted.history.steps
    numbers = sum(tensor.numel() for tensor in fitted.adapter.tensors.values())
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    loss = None if best is None else best.loss
    if as_json:
        told = {"folder": str(folder), "name": manifest.name, "bytes": size, "parameters": numbers}
        told |= {"steps": len(steps), "stopped": fitted.stopped, "loss": steps[-1].loss, "held_out_loss": loss}
        print_json({**told, "base": manifest.document["base_models"][0]})
        return
    judged = "" if loss is None else f", held-out loss {loss:.3f}"
    typer.echo(f"{folder}: {manifest.name}, {numbers:,} parameters, {len(steps):,} steps{judged}, {size:,} bytes")
