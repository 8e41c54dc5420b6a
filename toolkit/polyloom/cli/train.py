"""`polyloom train`: texts in, one association model out."""

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, cast

import typer

from polyloom.association.model import AssociationModel
from polyloom.association.position.model import PositionModel
from polyloom.association.presets import PRESETS
from polyloom.cli.models import opened
from polyloom.cli.options import Documents, Force, Json, Output, TextFiles
from polyloom.cli.output import check_free, print_json, progress
from polyloom.cli.texts import Cut, Texts, ended
from polyloom.tokens.byte import ByteVocabulary
from polyloom.tokens.sentencepiece import SentencePieceVocabulary
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.tokens.word import WordVocabulary

KINDS = (WordVocabulary.kind, ByteVocabulary.kind, SentencePieceVocabulary.kind)


def command(
    files: TextFiles,
    output: Output,
    vocabulary: Annotated[
        str, typer.Option(metavar="KIND", help=f"{', '.join(KINDS)}, or a model file whose vocabulary to share.")
    ] = WordVocabulary.kind,
    size: Annotated[
        int | None, typer.Option(min=3, help="At most so many words, the commonest; or exactly so many pieces.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(metavar="NAME", help=f"{', '.join(PRESETS)}: settings that belong together.")
    ] = None,
    scoring: Annotated[
        str, typer.Option(metavar="KIND", help="mixture, or position: what each token says alone, added up.")
    ] = "mixture",
    order: Annotated[int | None, typer.Option(min=1, help="Tokens in the longest n-gram; 5.")] = None,
    no_skips: Annotated[bool, typer.Option("--no-skips", help="Count n-grams only.")] = False,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Do not learn from the text while reading it.")
    ] = False,
    held_out: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Text that settles the mixture and is not counted.")
    ] = None,
    keep_text: Annotated[bool, typer.Option("--keep-text", help="Keep the text: `explain --lines` shows it.")] = False,
    documents: Documents = Cut.PARAGRAPHS,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Train a model on texts.

    Nothing is counted across the border of two documents, and each ends in `</s>`.  The vocabulary is every word of the
    texts, unless you choose another; models that are to be mixed need the same one.

    For example:

        polyloom train poems.txt -o poems.psam
        polyloom train sea/*.txt --vocabulary sentencepiece --size 4000 -o sea.psam
        polyloom train law.txt --vocabulary sea.psam -o law.psam
        polyloom train sea/*.txt --preset tiny -o tiny.psam
        zcat news.gz | polyloom train - --documents lines -o news.psam
    """
    settings = _settings(preset, scoring, order, no_skips, no_history, keep_text)
    check_free(output, force, [*files, *(held_out or [])])
    texts, aside = Texts(files, documents), Texts(held_out, documents) if held_out else None
    pieces = _vocabulary(vocabulary, size, texts)
    with progress("counting", texts.size) as advance:
        fit = cast("Callable[..., AssociationModel | PositionModel]", AssociationModel.fit)
        model = fit(
            ended(texts.documents(advance), pieces),
            pieces,
            held_out=None if aside is None else list(ended(aside.documents(), pieces)),
            **settings,
        )
    model.save(output)
    _report(output, model, as_json)


def _settings(
    preset: str | None, scoring: str, order: int | None, no_skips: bool, no_history: bool, keep_text: bool
) -> dict[str, Any]:
    """What `AssociationModel.fit` is told: the preset, then what was asked for beside it."""
    if preset is not None and preset not in PRESETS:
        raise typer.BadParameter(f"no preset {preset!r}; there are {', '.join(PRESETS)}.", param_hint="--preset")
    if scoring not in ("mixture", "position"):
        raise typer.BadParameter(f"expected mixture or position, got {scoring!r}.", param_hint="--scoring")
    asked: dict[str, Any] = {} if order is None else {"order": order}
    asked |= {"skips": False} if no_skips else {}
    asked |= {"history": False} if no_history else {}
    asked |= {"keep_text": True} if keep_text else {}
    if scoring == "position" and (asked or preset):
        raise typer.BadParameter("position goes with no other setting but --held-out.", param_hint="--scoring")
    return {**(PRESETS[preset] if preset else {}), **asked, **({"scoring": scoring} if scoring != "mixture" else {})}


def _vocabulary(wanted: str, size: int | None, texts: Texts) -> Vocabulary:
    """The vocabulary of a kind, learnt from the texts; or that of the model which `wanted` names."""
    if size is not None and wanted not in (WordVocabulary.kind, SentencePieceVocabulary.kind):
        raise typer.BadParameter(f"--size goes with words and sentencepiece, not with {wanted}", param_hint="--size")
    if wanted == ByteVocabulary.kind:
        return ByteVocabulary()
    if wanted in KINDS:
        with progress("vocabulary", texts.size) as advance:
            return _learnt(wanted, size, texts.documents(advance))
    if Path(wanted).exists():
        return opened(Path(wanted)).vocabulary
    near = get_close_matches(wanted, KINDS, n=1)
    guess = f" Did you mean {near[0]}?" if near else ""
    expected = f"expected {', '.join(KINDS)} or the file of a model, got {wanted!r}."
    raise typer.BadParameter(expected + guess, param_hint="--vocabulary")


def _learnt(kind: str, size: int | None, documents: Iterator[str]) -> Vocabulary:
    if kind == SentencePieceVocabulary.kind:
        return SentencePieceVocabulary.train(documents, "auto" if size is None else size)
    words = WordVocabulary.train(documents)
    return words if size is None or size >= words.size else WordVocabulary(words.pieces[:size])  # the commonest first


def _report(path: Path, model: AssociationModel | PositionModel, as_json: bool) -> None:
    vocabulary, size = model.vocabulary, path.stat().st_size
    if as_json:
        pieces = {"kind": vocabulary.kind, "size": vocabulary.size, "digest": vocabulary.digest}
        counted = {"tokens": model.tokens_counted, "entries": model.entries}
        print_json({"file": str(path), "bytes": size, **counted, "vocabulary": pieces})
    else:
        counted = f"{model.tokens_counted:,} tokens, {model.entries:,} counts"
        typer.echo(f"{path}: {counted}, {vocabulary.size:,} {_unit(vocabulary)}, {size:,} bytes")


def _unit(vocabulary: Vocabulary) -> str:
    return "words" if vocabulary.kind == WordVocabulary.kind else "pieces"
