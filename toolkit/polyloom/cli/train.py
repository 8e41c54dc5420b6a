"""`polyloom train`: texts in, one association model out."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated

import typer

from polyloom.association.model import AssociationModel
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
    order: Annotated[int, typer.Option(min=1, help="Tokens in the longest n-gram.")] = 5,
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
        polyloom train law.txt --vocabulary sea.psam --held-out law-valid.txt -o law.psam
        zcat news.gz | polyloom train - --documents lines -o news.psam
    """
    check_free(output, force, [*files, *(held_out or [])])
    texts, aside = Texts(files, documents), Texts(held_out, documents) if held_out else None
    pieces = _vocabulary(vocabulary, size, texts)
    with progress("counting", texts.size) as advance:
        model = AssociationModel.fit(
            ended(texts.documents(advance), pieces),
            pieces,
            order=order,
            skips=not no_skips,
            history=not no_history,
            held_out=None if aside is None else list(ended(aside.documents(), pieces)),
            keep_text=keep_text,
        )
    model.save(output)
    _report(output, model, as_json)


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


def _report(path: Path, model: AssociationModel, as_json: bool) -> None:
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
