"""Which documents fit the gate when the caller names none: a choice by content, made while the documents come by.

About one document in twenty is a candidate, by a hash of its content.  Of the candidates those with the lowest hashes
are kept, so many that they have `PLENTY` tokens; a document that is there several times is chosen whole or not at all.
So the choice is the same in whatever order the documents come, and never more than this much text is held.
"""

import hashlib
from bisect import insort

from polyloom.association.gate import ENOUGH
from polyloom.documents import Ids

SHARE = 20  # one document in so many is a candidate
PLENTY = 65_536  # tokens fit the gate as well as more would


class Aside:
    """Offer every document; what comes back is to be learned from, what is chosen at the end fits the gate first."""

    def __init__(self) -> None:
        self._held: dict[bytes, list[Ids]] = {}
        self._marks: list[bytes] = []  # of what is held, ascending
        self._tokens = 0

    def offer(self, document: Ids) -> list[Ids]:
        """Documents that will not be chosen: this one, or others that it takes the place of, or none."""
        mark = hashlib.sha256(document.tobytes()).digest()
        if mark[0] * SHARE >= 256:
            return [document]
        if mark not in self._held:
            self._held[mark] = []
            insort(self._marks, mark)
        self._held[mark].append(document if self._held[mark] else document.copy())
        self._tokens += len(document)
        return self._surplus()

    def chosen(self, learned: int) -> list[Ids]:
        """What fits the gate after `learned` tokens: all that is held, or nothing if either would be too little."""
        return self.held() if learned and self._tokens >= ENOUGH else []

    def held(self) -> list[Ids]:
        """The documents not yet given back."""
        return [document for documents in self._held.values() for document in documents]

    def _surplus(self) -> list[Ids]:
        found = list[Ids]()
        while self._marks and self._tokens - self._weight(self._marks[-1]) >= PLENTY:
            mark = self._marks.pop()
            self._tokens -= self._weight(mark)
            found += self._held.pop(mark)
        return found

    def _weight(self, mark: bytes) -> int:
        return sum(map(len, self._held[mark]))
