"""Which documents fit the gate when the caller names none: a choice by content, made while the documents come by.

About one document in twenty is a candidate, by a hash of its content, unless it alone has more than `PLENTY` tokens.
Of the candidates those with the lowest hashes are kept, so many that they have that many; a document that is there
several times is chosen whole or not at all.  So the choice is the same in whatever order the documents come, and of
different documents never more than about this much text is held.
"""

import hashlib
from bisect import insort
from collections import Counter
from collections.abc import Iterator
from itertools import repeat

from polyloom.association.gate import ENOUGH
from polyloom.documents import Ids

SHARE = 20  # one document in so many is a candidate
PLENTY = 65_536  # tokens fit the gate as well as more would


class Aside:
    """Offer every document; what comes back is to be learned from, what is chosen at the end fits the gate first."""

    def __init__(self) -> None:
        self._held = dict[bytes, Ids]()
        self._times = Counter[bytes]()  # how often each that is held was offered
        self._marks = list[bytes]()  # the same, ascending
        self._tokens = 0

    def offer(self, document: Ids) -> Iterator[Ids]:
        """Documents that will not be chosen: this one, or others that it takes the place of, or none."""
        mark = hashlib.sha256(document.tobytes()).digest()
        if mark[0] * SHARE >= 256 or len(document) > PLENTY:
            yield document
            return
        if mark not in self._held:
            self._held[mark] = document.copy()  # the caller may use its array again
            insort(self._marks, mark)
        self._times[mark] += 1
        self._tokens += len(document)
        while self._tokens - self._weight(self._marks[-1]) >= PLENTY:
            yield from self._given_back(self._marks[-1])

    def chosen(self, learned: int) -> list[Ids]:
        """What fits the gate, after `learned` tokens were given back; nothing if either would be too little."""
        if not learned or self._tokens < ENOUGH:
            return []
        return [document for mark in self._marks for document in repeat(self._held[mark], self._times[mark])]

    def rest(self) -> Iterator[Ids]:
        """Give back all that is held."""
        for mark in list(self._marks):
            yield from self._given_back(mark)

    def _given_back(self, mark: bytes) -> Iterator[Ids]:
        self._tokens -= self._weight(mark)
        self._marks.remove(mark)
        return repeat(self._held.pop(mark), self._times.pop(mark))

    def _weight(self, mark: bytes) -> int:
        return len(self._held[mark]) * self._times[mark]


def set_aside(documents: list[Ids]) -> tuple[list[Ids], list[Ids]]:
    """Documents to learn from, and those chosen; all and none if they would be too few to fit anything."""
    choice = Aside()
    learned = [given for document in documents if len(document) for given in choice.offer(document)]
    chosen = choice.chosen(sum(map(len, learned)))
    return (learned, chosen) if chosen else (documents, [])
