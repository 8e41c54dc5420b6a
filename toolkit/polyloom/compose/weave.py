"""Weave: from a few texts to a mix under faders, in one call.

One word vocabulary over all the texts; a split of each text into documents to learn from and documents held out; an
association model for each voice; a `Layered` with every fader at 1.  The vocabulary is closed over *all* the text,
held-out part included, so no held-out word is unknown and perplexities of mixes compare.
"""

import hashlib
import re
import sys
import time
from collections.abc import Mapping
from typing import TypeAlias, cast

import numpy as np

from polyloom.association.model import AssociationModel
from polyloom.compose.layered import Layer, Layered
from polyloom.documents import Document, Documents, Ids, checked_ids, each
from polyloom.errors import InputError
from polyloom.progress import someone_watches
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.tokens.word import WordVocabulary

Texts: TypeAlias = Documents
HeldOut: TypeAlias = dict[str, list[Ids]]

PARAGRAPH = re.compile(r"\n[ \t\r]*\n\s*")
SENTENCE = re.compile(r"(?<=[.!?])\s+|\n")
FEW = 10  # paragraphs; a text with fewer is cut into sentences, or nothing could be held out


def weave(
    voices: Mapping[str, Texts],
    vocabulary: Vocabulary | None = None,
    *,
    order: int = 5,
    held_out: float = 0.1,
    progress: bool | None = None,
) -> tuple[Layered, HeldOut]:
    """A mix with one layer for each voice, and the held-out documents of each, encoded and ending in `</s>`.

    A voice is one text, whose paragraphs (or, if they are few, sentences) are its documents, or an iterable of
    documents; those may be ids of the vocabulary that is given, as tunes are.  The share `held_out` of each voice's
    different documents, at least one and not all, chosen by a hash of their content, is not learned from.
    `vocabulary` defaults to every word of every voice.  `progress` prints a line for each voice; by default it does so
    in a notebook and in a terminal.

    Raises InputError if there is no voice, if one has fewer than two different documents, or if a value is no text.
    """
    if not 0 < held_out < 1:
        raise InputError(f"held_out must lie between 0 and 1, got {held_out}.")
    documents = {name: _documents(name, text, vocabulary) for name, text in _checked(voices).items()}
    if vocabulary is None:  # then all are texts
        vocabulary = WordVocabulary.train(cast("str", text) for texts in documents.values() for text in texts)
    report = _Report(someone_watches(sys.stdout) if progress is None else progress)
    layers: dict[str, Layer] = {}
    aside: HeldOut = {}
    for name, texts in documents.items():
        started = time.perf_counter()
        aside[name], learned = (_encoded(part, vocabulary) for part in _split(texts, held_out))
        # Without history: a paragraph is too short to learn from.
        model = AssociationModel.fit(learned, vocabulary, order=order, history=False, keep_text=True, progress=False)
        layers[name] = Layer(model)
        report.line(name, len(texts), model, time.perf_counter() - started)
    (first, base), *others = layers.items()
    return Layered(base.model, dict(others), name=first), aside


def _checked(voices: object) -> Mapping[str, Texts]:
    if not isinstance(voices, Mapping):
        raise InputError(f'Expected voices by name, such as {{"sea": text}}, got {type(voices).__name__}.')
    if not voices:
        raise InputError('Expected at least one voice, such as {"sea": text}, got an empty mapping.')
    return cast("Mapping[str, Texts]", voices)


def _documents(name: str, text: Texts, vocabulary: Vocabulary | None) -> list[Document]:
    """The documents of a voice, none of them blank: texts with the line ends of Unix, or ids of the vocabulary."""
    try:
        found: list[Document] = [*_cut(_unix(text))] if isinstance(text, str) else list(each(text))
        if vocabulary is None and any(not isinstance(document, str) for document in found):
            raise InputError("expected text, got arrays of ids, of which nobody says what they mean: give vocabulary=.")
        told = [
            _unix(document) if isinstance(document, str) else _open(document, cast("Vocabulary", vocabulary))
            for document in found
        ]
        kept = [document for document in told if (document.strip() if isinstance(document, str) else len(document))]
    except InputError as error:
        raise InputError(f"Voice {name!r}: {error}") from None
    different = len(set(map(_content, kept)))
    if different < 2:
        raise InputError(
            f"Voice {name!r} has {different} of the 2 different sentences or paragraphs that it needs at least, "
            f"since one of them is held out. Give it more text."
        )
    return kept


def _open(document: Document, vocabulary: Vocabulary) -> Ids:
    """Ids without the `</s>` at their end: each document gets one when it has its side."""
    ids = checked_ids(document, vocabulary)
    return ids[:-1] if len(ids) and ids[-1] == vocabulary.sentence_end else ids


def _content(document: Document) -> bytes:
    return document.encode("utf-8", "surrogatepass") if isinstance(document, str) else document.tobytes()


def _unix(text: str) -> str:
    """A file from Windows is the same text: it must be cut, split and hashed alike."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _cut(text: str) -> list[str]:
    paragraphs = PARAGRAPH.split(text.strip())
    return paragraphs if len(paragraphs) >= FEW else SENTENCE.split(text.strip())


def _split(documents: list[Document], share: float) -> tuple[list[Document], list[Document]]:
    """Held-out documents and the rest, both in their order; the choice depends on content alone."""
    ranked = sorted(set(map(_content, documents)), key=lambda content: hashlib.sha256(content).digest())
    chosen = set(ranked[: min(max(1, round(share * len(ranked))), len(ranked) - 1)])
    aside = [_content(document) in chosen for document in documents]
    pairs = list(zip(documents, aside, strict=True))
    return [d for d, out in pairs if out], [d for d, out in pairs if not out]


def _encoded(documents: list[Document], vocabulary: Vocabulary) -> list[Ids]:
    """Token ids, each document ending in `</s>` if the vocabulary has it."""
    end = [] if vocabulary.sentence_end is None else [vocabulary.sentence_end]
    ids = (vocabulary.encode(one) if isinstance(one, str) else one for one in documents)
    return [np.append(one, end).astype(np.int64) for one in ids]


class _Report:
    """A table that grows by one line for each voice."""

    def __init__(self, shown: bool) -> None:
        self.shown = shown
        self._print(f"{'voice':<14}{'documents':>11}{'words':>10}{'counts':>12}{'seconds':>10}")

    def line(self, name: str, documents: int, model: AssociationModel, seconds: float) -> None:
        """One voice is ready."""
        counts = f"{documents:>11,}{model.tokens_counted:>10,}{model.entries:>12,}"
        self._print(f"{name:<14}{counts}{seconds:>10.2f}")

    def _print(self, line: str) -> None:
        if self.shown:
            print(line, flush=True)
