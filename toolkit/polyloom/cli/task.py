"""What every `polyloom train` is told, whatever it trains: the texts, the vocabulary, the place to write to.

The vocabulary is of a kind, and then learnt from the texts, or that of another model.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import typer

from polyloom.cli.models import opened
from polyloom.cli.output import progress
from polyloom.cli.texts import Texts
from polyloom.tokens.byte import ByteVocabulary
from polyloom.tokens.sentencepiece import SentencePieceVocabulary
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.tokens.word import WordVocabulary

KINDS = (WordVocabulary.kind, ByteVocabulary.kind, SentencePieceVocabulary.kind)


@dataclass(frozen=True)
class Task:
    """Texts to learn from, and others to judge by; `sources` are the files of both."""

    texts: Texts
    aside: Texts | None
    vocabulary: str | None
    size: int | None
    output: Path
    sources: list[Path]
    force: bool
    as_json: bool

    def pieces(self, usual: str) -> Vocabulary:
        """The vocabulary that was asked for, or that of the `usual` kind."""
        return _vocabulary(self.vocabulary or usual, self.size, self.texts)


def unit(vocabulary: Vocabulary) -> str:
    """What its pieces are called."""
    return "words" if vocabulary.kind == WordVocabulary.kind else "pieces"


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
    expected = f"expected {', '.join(KINDS)} or a model that is there, got {wanted!r}."
    raise typer.BadParameter(expected + guess, param_hint="--vocabulary")


def _learnt(kind: str, size: int | None, documents: Iterator[str]) -> Vocabulary:
    if kind == SentencePieceVocabulary.kind:
        return SentencePieceVocabulary.train(documents, "auto" if size is None else size)
    words = WordVocabulary.train(documents)
    return words if size is None or size >= words.size else WordVocabulary(words.pieces[:size])  # the commonest first
