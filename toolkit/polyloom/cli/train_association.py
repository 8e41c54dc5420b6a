"""Counting, for `polyloom train`: one association model, in one file."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import typer

from polyloom.association.model import AssociationModel
from polyloom.association.position.model import PositionModel
from polyloom.association.presets import PRESETS
from polyloom.cli.output import check_free, print_json, progress
from polyloom.cli.task import Task, unit
from polyloom.cli.texts import ended
from polyloom.tokens.word import WordVocabulary

POSITION = "position"


def train_association(task: Task, asked: Mapping[str, Any]) -> None:
    """Count the texts, save the model and say what it is; `asked` are the options of this kind."""
    settings = _settings(asked)
    check_free(task.output, task.force, task.sources)
    pieces = task.pieces(WordVocabulary.kind)
    with progress("counting", task.texts.size) as advance:
        fit = cast("Callable[..., AssociationModel | PositionModel]", AssociationModel.fit)
        model = fit(
            ended(task.texts.documents(advance), pieces),
            pieces,
            held_out=None if task.aside is None else list(ended(task.aside.documents(), pieces)),
            **settings,
        )
    model.save(task.output)
    _report(task.output, model, task.as_json)


def _settings(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What `AssociationModel.fit` is told: the preset, then what was asked for beside it."""
    preset, scoring = asked["preset"], asked["scoring"] or "mixture"
    if preset is not None and preset not in PRESETS:
        raise typer.BadParameter(f"no preset {preset!r}; there are {', '.join(PRESETS)}.", param_hint="--preset")
    if scoring not in ("mixture", POSITION):
        raise typer.BadParameter(f"expected mixture or position, got {scoring!r}.", param_hint="--scoring")
    told: dict[str, Any] = {} if asked["order"] is None else {"order": asked["order"]}
    told |= {"skips": False} if asked["no_skips"] else {}
    told |= {"history": False} if asked["no_history"] else {}
    told |= {"keep_text": True} if asked["keep_text"] else {}
    if scoring == POSITION and (told or preset):
        raise typer.BadParameter("position goes with no other setting but --held-out.", param_hint="--scoring")
    return {**(PRESETS[preset] if preset else {}), **told, **({"scoring": POSITION} if scoring == POSITION else {})}


def _report(path: Path, model: AssociationModel | PositionModel, as_json: bool) -> None:
    vocabulary, size = model.vocabulary, path.stat().st_size
    if as_json:
        pieces = {"kind": vocabulary.kind, "size": vocabulary.size, "digest": vocabulary.digest}
        counted = {"tokens": model.tokens_counted, "entries": model.entries}
        print_json({"file": str(path), "bytes": size, **counted, "vocabulary": pieces})
    else:
        counted = f"{model.tokens_counted:,} tokens, {model.entries:,} counts"
        typer.echo(f"{path}: {counted}, {vocabulary.size:,} {unit(vocabulary)}, {size:,} bytes")
