"""A corpus: documents, and the card that says whose they are.

A `Corpus` is a value. It never changes, two with the same fields are equal, and all that can be counted (text, words,
size, sentences, digest) is derived from the documents, so no figure on a card can disagree with them. A document is
one sequence; nothing crosses documents, so their order and their borders belong to the digest.

It refuses what no model could learn from or no file could hold: no documents, a blank document, a lone surrogate.
It knows nothing of files, names of corpora or models. Sizes are bytes of UTF-8; 1 kB is 1000 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import cast

from polyloom_datasets.errors import DataError
from polyloom_datasets.sentences import sentences


@dataclass(frozen=True, repr=False)
class Corpus:
    """Documents with their card.

    Attributes:
        name: what `load` calls it, and the fader's label ("sea").
        title: a short human title.
        documents: the texts, at least one, none blank.
        description: a sentence or two: who speaks, of what.
        licence: an SPDX identifier ("Apache-2.0").
        source: where the text comes from.
        language: a BCP 47 tag ("en").
        quotation: one sentence that shows the voice, or None.

    Raises:
        DataError: no documents, a blank one, or one that UTF-8 cannot hold.
        TypeError: `documents` is not a tuple of str.

    """

    name: str
    title: str
    documents: tuple[str, ...]
    description: str
    licence: str
    source: str
    language: str = "en"
    quotation: str | None = None

    def __post_init__(self) -> None:
        _check(self.name, self.documents)

    @cached_property
    def text(self) -> str:
        """All documents, a blank line between them."""
        return "\n\n".join(self.documents)

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        """The sentences of all documents in order, by the rule of `polyloom_datasets.sentences`."""
        return tuple(sentence for document in self.documents for sentence in sentences(document))

    @cached_property
    def word_count(self) -> int:
        """Number of words: runs of characters between white space."""
        return sum(len(document.split()) for document in self.documents)

    @cached_property
    def size(self) -> int:
        """Bytes of `text` in UTF-8."""
        return len(self.text.encode())

    @cached_property
    def digest(self) -> str:
        """SHA-256 (64 hexadecimal digits) over the documents alone, in order.

        Each document is hashed as its length in bytes (8 bytes, big-endian) and its UTF-8, so two corpora share a
        digest only if they share every document and every border.
        """
        digest = hashlib.sha256()
        for document in self.documents:
            encoded = document.encode()
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
        return digest.hexdigest()

    def card(self) -> str:
        """What to know before using it: title, size, words, quotation, licence and source, in three short lines."""
        facts = f"{self.title}: {self.size / 1000:.1f} kB, {self.word_count:,} words"
        quotation = [f'  "{_one_line(self.quotation)}"'] if self.quotation else []
        return "\n".join([facts, *quotation, f"  {self.licence}. {self.source}"])

    def __len__(self) -> int:
        return len(self.documents)

    def __iter__(self) -> Iterator[str]:
        return iter(self.documents)

    def __str__(self) -> str:
        return self.card()

    def __repr__(self) -> str:
        documents = f"{len(self):,} document{'s' if len(self) > 1 else ''}"
        return f"Corpus({self.name!r}, {documents}, {self.word_count:,} words, digest {self.digest[:8]}…)"


def _one_line(quotation: str) -> str:
    """Verse on one line, a slash between its lines, as verse is quoted in prose."""
    return " / ".join(line.strip() for line in quotation.strip().splitlines())


def _check(name: str, documents: object) -> None:
    if not isinstance(documents, tuple):
        got = type(documents).__name__
        raise TypeError(f"corpus {name!r}: expected a tuple of str, got {got}. Pass (text,) or tuple(texts).")
    if not documents:
        raise DataError(f"corpus {name!r}: expected at least one document, got none. Pass some text.")
    for number, document in enumerate(cast("tuple[object, ...]", documents), 1):
        _check_document(f"corpus {name!r}, document {number}", document)


def _check_document(place: str, document: object) -> None:
    if not isinstance(document, str):
        raise TypeError(f"{place}: expected str, got {type(document).__name__}. Decode or join it first.")
    if not document.strip():
        raise DataError(f"{place}: expected some text, got {document[:20]!r}. Leave it out.")
    try:
        document.encode()
    except UnicodeEncodeError as error:
        surrogate = f"the lone surrogate {document[error.start]!a} at character {error.start}"
        advice = "Decode the original bytes again, with errors='replace' if need be"
        raise DataError(f"{place}: expected text that UTF-8 can hold, got {surrogate}. {advice}.") from None
