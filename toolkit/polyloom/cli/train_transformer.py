"""Learning, for `polyloom train --model transformer`: a folder in the layout of Hugging Face.

While it trains, its checkpoints stand in a folder beside the output, whose name ends in `.training`; it is gone when
the training is done.  A training that was stopped or killed goes on from there with `--resume` and the same options,
and ends with the weights that it would have had.  torch is imported when it is known to be needed.
"""

import math
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from polyloom._compat import need
from polyloom.cli.exits import INTERRUPTED
from polyloom.cli.models import CONFIG
from polyloom.cli.output import check_free, note, print_json
from polyloom.cli.task import Task, unit
from polyloom.cli.texts import ended
from polyloom.errors import InputError
from polyloom.tokens.sentencepiece import SentencePieceVocabulary
from polyloom.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from polyloom.train.loop import Trained
    from polyloom.train.settings import Training
    from polyloom.transformer.config import TransformerConfig

SIZES = ("tiny", "small", "medium", "large")  # the presets, named here because their module needs torch
BESIDE = ".training"  # what the name of the folder of checkpoints ends in
LEFT_OPEN = ("steps", "minutes", "batch", "length", "seed")  # options that are settings of the same name


def train_transformer(task: Task, asked: Mapping[str, Any]) -> None:
    """Train on the texts, save the model and say what it is; `asked` are the options of this kind."""
    _check(asked)
    need("torch", "torch", "A transformer")
    from polyloom.train.loop import train
    from polyloom.train.terminal import watching

    store = _place(task, asked["resume"])
    training = _training(asked)
    pieces = task.pieces(SentencePieceVocabulary.kind)
    learned = ended(task.texts.documents(), pieces)
    judged = None if task.aside is None else list(ended(task.aside.documents(), pieces))
    with watching(None, sys.stderr) as shown:
        config = _config(asked, pieces)
        found = train(config, learned, training, judged, store, shown, progress=False, vocabulary=pieces)
    found.model.save(task.output)
    by_hand = found.stopped == "interrupted"
    if not by_hand:
        shutil.rmtree(store)
    _report(task.output, found, task.as_json)
    if by_hand:
        note(f"stopped by hand. The same command with --resume goes on; what it goes on from is {store}.")
        raise typer.Exit(INTERRUPTED)


def _check(asked: Mapping[str, Any]) -> None:
    """Refuse what no transformer can be told, before anything is read."""
    preset, experts, active = asked["preset"], asked["experts"], asked["active"]
    if preset is not None and preset not in SIZES:
        known = ", ".join(SIZES)
        raise typer.BadParameter(f"a transformer has no preset {preset!r}; there are {known}.", param_hint="--preset")
    if active is not None and experts is None:
        raise typer.BadParameter("needs --experts: the number of all.", param_hint="--active")
    if experts is not None and (active or 1) > experts:
        raise typer.BadParameter(f"expected at most the {experts} --experts, got {active}.", param_hint="--active")


def _place(task: Task, resume: bool) -> Path:
    """The folder of checkpoints, when both places are free for what is to come."""
    output, anew = task.output, task.force or resume
    store = output.with_name(output.name + BESIDE)
    if output.is_file() and output.suffix:
        advice = f"Name a folder: -o {output.with_suffix('')}."
        raise InputError(f"{output} is a file, and a transformer is a folder. {advice}")
    if not output.is_dir():
        check_free(output, anew, task.sources)
    elif not anew:
        raise InputError(f"{output} is there already and stays. Write to another name, or replace it with --force.")
    elif not (output / CONFIG).is_file() and any(output.iterdir()):
        raise InputError(f"{output} is a folder of no model, and stays. Write to another name.")
    if store.is_dir() and not anew:
        advice = "Go on with --resume, or begin anew with --force."
        raise InputError(f"{store} holds a training that was stopped. {advice}")
    if store.is_dir() and not resume:
        shutil.rmtree(store)
    return store


def _training(asked: Mapping[str, Any]) -> "Training":
    """The settings; the rate of the matrices moves with the learning rate."""
    from polyloom.train.settings import Training

    told = {name: asked[name] for name in LEFT_OPEN if asked[name] is not None}
    if (rate := asked["learning_rate"]) is not None:
        usual = Training()
        told |= {"learning_rate": rate, "matrix_learning_rate": usual.matrix_learning_rate * rate / usual.learning_rate}
    try:
        return Training(**told)
    except InputError as error:
        raise typer.BadParameter(str(error)) from error


def _config(asked: Mapping[str, Any], pieces: Vocabulary) -> "TransformerConfig":
    """The preset for this vocabulary, with experts if there are to be some."""
    from dataclasses import replace

    from polyloom.transformer.build import preset
    from polyloom.transformer.config import Experts

    begin = pieces.size if pieces.sentence_end is None else pieces.sentence_end
    config = preset(asked["preset"] or SIZES[0], pieces.size, begin)
    if asked["experts"] is None:
        return config
    active = asked["active"] or min(2, asked["experts"])
    # The weight of a single expert, made to sum to 1, would always be 1, and no loss would tell the gate how it chose.
    return replace(config, experts=Experts(asked["experts"], active, normalise=active > 1))


def _report(folder: Path, found: "Trained", as_json: bool) -> None:
    pieces, best, steps = found.model.vocabulary, found.history.best, found.history.steps
    parameters = sum(weight.numel() for weight in found.model.decoder.parameters())
    size = sum(file.stat().st_size for file in folder.iterdir() if file.is_file())
    if as_json:
        said = {"folder": str(folder), "bytes": size, "parameters": parameters, "steps": len(steps)}
        said |= {"tokens": steps[-1].tokens, "stopped": found.stopped, "loss": steps[-1].loss}
        said |= {"held_out_loss": None if best is None else best.loss, "best_step": None if best is None else best.step}
        print_json(said | {"vocabulary": {"kind": pieces.kind, "size": pieces.size, "digest": pieces.digest}})
        return
    judged = "" if best is None else f", held-out loss {best.loss:.3f} (perplexity {math.exp(best.loss):,.1f})"
    counted = f"{parameters:,} parameters, {len(steps):,} steps, {steps[-1].tokens:,} tokens{judged}"
    typer.echo(f"{folder}: {counted}, {pieces.size:,} {unit(pieces)}, {size:,} bytes")
