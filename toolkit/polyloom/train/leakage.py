"""Leaks between splits: how much of a held-out text was there to be learned from.

    print(leaks(train, held_out))

Two measures, since a leak may be a document or a passage of one:

- a held-out *document* stands in the training text if it is a duplicate of a document there, as `deduplicate` means it;
- a held-out *window*, 13 words (or token ids) in a row, stands there if the same 13 occur anywhere (Brown et al. 2020,
  "Language Models are Few-Shot Learners", appendix C). Windows are counted with repetitions: the share is that of the
  places in the held-out text at which 13 known words begin.

Only the held-out text is held in memory; the training text may be a stream.
"""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from polyloom.documents import Document, Documents
from polyloom.progress import Meter
from polyloom.train.duplicates import THRESHOLD, WIDTH, checked_threshold, looks, similar
from polyloom.train.minhash import Index
from polyloom.train.shingles import Hashes, Words, excerpt, windows
from polyloom.whole import whole

WINDOW = 13
EXAMPLES = 5  # of documents, and of windows


class Leak(NamedTuple):
    """A held-out document, the training document that it repeats and how similar they are, and how it begins.

    Or a held-out document of which a passage leaked: `train` is None, `similarity` the share of its windows that stand
    in the training text, and `text` the first of them.
    """

    held_out: int
    train: int | None
    similarity: float
    text: str


@dataclass(frozen=True)
class LeakReport:
    """How many held-out documents and windows there are, how many of them stand in the training text, and examples.

    `copied` counts those of the leaked documents that are equal but for case and white space.
    """

    documents: int
    leaked: int
    copied: int
    windows: int
    windows_found: int
    window: int
    examples: tuple[Leak, ...]

    @property
    def document_share(self) -> float:
        """The share of held-out documents that stand in the training text; 0 if there is none."""
        return self.leaked / max(1, self.documents)

    @property
    def window_share(self) -> float:
        """The share of held-out windows that stand in the training text; 0 if there is none."""
        return self.windows_found / max(1, self.windows)

    def __str__(self) -> str:
        return "\n".join([*self._summary(), *(f"  {where}: {text}" for where, text in self._shown())])

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td>{html.escape(where)}</td><td>{html.escape(text)}</td></tr>" for where, text in self._shown()
        )
        summary = "<br>".join(map(html.escape, self._summary()))
        return f"<p>{summary}</p><table>{rows}</table>" if rows else f"<p>{summary}</p>"

    def _summary(self) -> list[str]:
        return [
            f"{self.document_share:.1%} of the held-out documents stand in the training text "
            f"({self.leaked:,} of {self.documents:,}, {self.copied:,} of them word for word)",
            f"{self.window_share:.1%} of the held-out windows of {self.window} tokens stand there "
            f"({self.windows_found:,} of {self.windows:,})",
        ]

    def _shown(self) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        for leak in self.examples:
            of = "of its windows" if leak.train is None else f"like training document {leak.train}"
            found.append((f"held-out document {leak.held_out}, {leak.similarity:.0%} {of}", leak.text))
        return found


def leaks(
    train: Documents,
    held_out: Documents,
    threshold: float = THRESHOLD,
    window: int = WINDOW,
    progress: bool | None = None,
) -> LeakReport:
    """Which held-out documents, and how many of the held-out windows, stand in the training text.

    `threshold` is the similarity at which a document counts as a duplicate, `window` the number of tokens in a window;
    `progress` None shows a line to whoever watches.
    """
    index, words = Index(checked_threshold(threshold)), Words()
    kept = list(looks(held_out, WIDTH, index, words))
    for number, look in enumerate(kept):
        index.add(number, look.signature, look.keys)
    passages = _Windows([look.words for look in kept], whole("window", window, 1))
    found = _Found([look.fingerprint for look in kept])
    with Meter("documents", progress) as meter:
        for number, look in enumerate(looks(train, WIDTH, index, words)):
            meter.add(1)
            passages.mark(look.words)
            found.copies(number, look.fingerprint)
            for near, similarity in similar(look, index, threshold, lambda n: kept[n].shingles):
                found.note(near, number, similarity)
    documents = [look.document for look in kept]
    return LeakReport(
        documents=len(kept), leaked=len(found.best), copied=len(found.copied),
        windows=passages.count, windows_found=passages.found, window=window,
        examples=(*_documents(found, documents), *_passages(found, passages, documents)),
    )  # fmt: skip


@final
class _Windows:
    """The windows of some documents, and which of them were met elsewhere."""

    def __init__(self, documents: Sequence[Hashes], width: int) -> None:
        self._width = width
        self._windows = [windows(words, width) for words in documents]
        self._known = np.unique(np.concatenate([*self._windows, np.empty(0, np.uint64)]))
        self._met = np.zeros(len(self._known), bool)

    def mark(self, words: Hashes) -> None:
        """Another document was read."""
        given = windows(words, self._width)
        if len(self._known) and len(given):
            places = np.minimum(np.searchsorted(self._known, given), len(self._known) - 1)
            self._met[places[self._known[places] == given]] = True

    def of(self, document: int) -> NDArray[np.bool_]:
        """For each window of a document whether it was met."""
        return self._met[np.searchsorted(self._known, self._windows[document])]

    @property
    def count(self) -> int:
        """How many windows there are, repetitions included."""
        return sum(map(len, self._windows))

    @property
    def found(self) -> int:
        """How many of them were met."""
        return sum(int(self.of(document).sum()) for document in range(len(self._windows)))


class _Found:
    """For each leaked document the training document that it repeats most closely, the first of several."""

    def __init__(self, fingerprints: Sequence[bytes]) -> None:
        self.best: dict[int, tuple[float, int]] = {}
        self.copied: set[int] = set()
        self._numbers: dict[bytes, list[int]] = {}
        for number, fingerprint in enumerate(fingerprints):
            self._numbers.setdefault(fingerprint, []).append(number)

    def copies(self, train: int, fingerprint: bytes) -> None:
        """A training document has this fingerprint."""
        for number in self._numbers.get(fingerprint, ()):
            self.copied.add(number)
            self.note(number, train, 1.0)

    def note(self, number: int, train: int, similarity: float) -> None:
        """A training document is as similar as that."""
        if number not in self.best or similarity > self.best[number][0]:
            self.best[number] = similarity, train


def _documents(found: _Found, documents: Sequence[Document]) -> Iterator[Leak]:
    closest = sorted(found.best.items(), key=lambda item: (-item[1][0], item[0]))
    for number, (similarity, train) in closest[:EXAMPLES]:
        yield Leak(number, train, similarity, excerpt(documents[number]))


def _passages(found: _Found, passages: _Windows, documents: Sequence[Document]) -> Iterator[Leak]:
    """Passages of documents that are not leaked as a whole."""
    whole_ones = (number for number in range(len(documents)) if number not in found.best)
    for number in islice((number for number in whole_ones if passages.of(number).any()), EXAMPLES):
        start = int(np.flatnonzero(passages.of(number))[0])
        yield Leak(number, None, float(passages.of(number).mean()), excerpt(documents[number], start))
