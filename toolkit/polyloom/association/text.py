"""The text an association model counts: documents laid end to end, and what may be seen by looking back.

A document is one sequence; nothing is ever seen across its start.  `</s>` inside a document ends a *chain*: n-gram
contexts stop there, while skips look past it.  Just before the start of a chain (for skips: before the start of the
document, however far) stands the mark BEGIN, whose id is the size of the vocabulary: it is seen, never predicted.

    document   the cat </s> it sat          chains   BEGIN the cat </s> | BEGIN it sat
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from polyloom.documents import Ids

NOTHING = -1  # what an n-gram sees beyond BEGIN


@dataclass(frozen=True)
class Text:
    """Documents end to end: `tokens` int64 (N,), `starts` int64 (D,) where each document that is not empty starts."""

    tokens: Ids
    starts: Ids

    @classmethod
    def join(cls, documents: Iterable[Ids]) -> "Text":
        """Lay documents end to end; empty ones vanish."""
        kept = [document for document in documents if len(document)]
        ends = np.cumsum([len(document) for document in kept], dtype=np.int64)
        tokens = np.concatenate(kept) if kept else np.empty(0, np.int64)
        return cls(tokens, np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if kept else ends)

    def plus(self, other: "Text") -> "Text":
        """The documents of both."""
        starts = np.concatenate([self.starts, len(self.tokens) + other.starts])
        return Text(np.concatenate([self.tokens, other.tokens]), starts)

    def minus(self, other: "Text") -> "Text | None":
        """The documents without those of the other, one for one; None if it has one that is not here."""
        gone = Counter(document.tobytes() for document in other.documents())
        kept: list[Ids] = []
        for document in self.documents():
            mark = document.tobytes()
            if gone[mark]:
                gone[mark] -= 1
            else:
                kept.append(document)
        return None if gone.total() else Text.join(kept)

    def times(self, n: int) -> "Text":
        """The documents n times over."""
        starts = len(self.tokens) * np.arange(n)[:, None] + self.starts
        return Text(np.tile(self.tokens, n), starts.ravel())

    def documents(self) -> list[Ids]:
        """The documents one by one, as views."""
        return np.split(self.tokens, self.starts[1:]) if len(self.starts) else []


@dataclass(frozen=True)
class Places:
    """Positions of a text, each with how many tokens of its document and of its chain stand before it; int64 (n,).

    A place may be one past the last token: what comes next there is what a continuation asks.
    """

    tokens: Ids
    at: Ids
    in_document: Ids
    in_chain: Ids
    begin: int

    @classmethod
    def of(cls, text: Text, sentence_end: int | None, begin: int) -> "Places":
        """All N + 1 places of a text, the one after its last token included."""
        starts = np.zeros(len(text.tokens) + 1, np.int64)
        starts[text.starts] = text.starts
        document = np.maximum.accumulate(starts)
        if sentence_end is not None:
            after = np.flatnonzero(text.tokens == sentence_end) + 1
            starts[after] = after
        at = np.arange(len(starts))
        return cls(text.tokens, at, at - document, at - np.maximum.accumulate(starts), begin)

    def __getitem__(self, rows: slice) -> "Places":
        return Places(self.tokens, self.at[rows], self.in_document[rows], self.in_chain[rows], self.begin)

    def __len__(self) -> int:
        return len(self.at)

    def look(self, chained: bool, offset: int) -> Ids:
        """The token `offset` back, as the chain or as skips see it."""
        return self.in_order(offset) if chained else self.across(offset)

    def in_order(self, offset: int) -> Ids:
        """The token `offset` back within the chain: BEGIN just before its start, NOTHING beyond; int64 (n,)."""
        seen = self._back(offset)
        edge = np.where(offset == self.in_chain + 1, self.begin, NOTHING)
        return np.where(offset <= self.in_chain, seen, edge)

    def across(self, offset: int) -> Ids:
        """The token `offset` back within the document, BEGIN anywhere before its start; int64 (n,)."""
        return np.where(offset <= self.in_document, self._back(offset), self.begin)

    def _back(self, offset: int) -> Ids:
        if not len(self.tokens):
            return np.full(len(self.at), NOTHING)
        return self.tokens[np.maximum(self.at - offset, 0)]
