"""An index of words over turns: which turns speak of what is asked, and what each word adds to that.

    score(turn) = Σ_w idf(w) · f (k + 1) / (f + k (1 − b + b · length / mean length))        w in the query and the turn
                + RECENT · 2^(−age / half-life) + ln importance

    idf(w) = ln(1 + (N − n_w + ½) / (n_w + ½))        N turns, n_w of them with w;  f how often w stands in the turn

Robertson and Zaragoza, "The probabilistic relevance framework: BM25 and beyond" (2009).  A turn must share a word with
the query; being recent or important alone finds nothing.  Age is counted from the newest turn.

Of a long query the `WORDS` rarest words are looked up, which say most and stand in few turns.

The index lies in memory and only grows: where turns were taken away it is made anew.
"""

import math
from array import array
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from polyloom.documents import Ids
from polyloom.explanation import Term
from polyloom.memory.settings import DAY
from polyloom.memory.terms import terms
from polyloom.memory.turn import Turn
from polyloom.model import Floats

K, B = 1.2, 0.75  # how soon a repeated word stops to count, how much a long turn is held against itself
WORDS = 24  # of a query: the commonest words cost most and tell least
RECENT = 0.5  # about what one rather common word adds
NOWHERE = -1


@dataclass(frozen=True)
class Found:
    """A turn by its id; `terms` add up to its `score`."""

    turn: int
    score: float
    terms: tuple[Term, ...]


@dataclass
class Postings:
    """The turns that hold a word, by row and ascending, and how often each does."""

    rows: "array[int]" = field(default_factory=lambda: array("I"))
    times: "array[int]" = field(default_factory=lambda: array("I"))


@dataclass(frozen=True)
class Among:
    """Of which session and topic a turn must be, if any, and how fast it fades, in seconds."""

    session: str | None
    topic: str | None
    half_life: float


class Index:
    """Add turns, then search."""

    def __init__(self) -> None:
        self.last = 0  # the id up to which turns were looked at
        self._postings = dict[str, Postings]()
        self._ids, self._lengths, self._words = array("q"), array("I"), 0
        self._when, self._worth = array("d"), array("d")  # seconds; ln importance
        self._newest = -math.inf
        self._names = dict[str | None, int]()  # of sessions and topics
        self._sessions, self._topics = array("i"), array("i")

    def add(self, turn: Turn) -> None:
        """Index one turn more."""
        row, found = len(self._ids), terms(turn.text)
        for term, times in Counter(found).items():
            postings = self._postings.get(term)
            if postings is None:
                postings = self._postings[term] = Postings()
            postings.rows.append(row)
            postings.times.append(times)
        self._ids.append(turn.id)
        self._lengths.append(len(found))
        self._when.append(turn.time)
        self._worth.append(math.log(turn.importance))
        self._sessions.append(self._names.setdefault(turn.session, len(self._names)))
        self._topics.append(self._names.setdefault(turn.topic, len(self._names)))
        self._words, self._newest = self._words + len(found), max(self._newest, turn.time)

    def search(self, query: str, k: int, among: Among) -> list[Found]:
        """The k best turns; the newer of two that are equally good."""
        known = dict.fromkeys(term for term in terms(query) if term in self._postings)
        asked = sorted(known, key=lambda term: len(self._postings[term].rows))[:WORDS]
        scores, norms = np.zeros(len(self._ids)), self._norms()
        for term in asked:
            rows, times = self._held(term)
            scores[rows] += self._gains(times, norms[rows])  # a row stands once
        rows = self._wanted(np.flatnonzero(scores), among)
        scores = scores[rows] + self._recent(rows, among) + np.frombuffer(self._worth)[rows]
        best = _best(rows, scores, k)
        return [self._found(row, score, asked, float(norms[row]), among) for row, score in best]

    def _held(self, term: str) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """The rows with a term, ascending, and how often it stands there."""
        postings = self._postings[term]
        return np.frombuffer(postings.rows, np.uint32), np.frombuffer(postings.times, np.uint32)

    def _norms(self) -> Floats:
        """What the length of each turn makes of k, float64 (N,)."""
        lengths = np.frombuffer(self._lengths, np.uint32).astype(np.float64)
        return K * (1 - B + B * len(lengths) / max(1, self._words) * lengths)

    def _gains(self, times: NDArray[np.uint32], norms: Floats) -> Floats:
        """What a term adds to the turns that hold it, so often each."""
        return self._idf(len(times)) * (K + 1) * times / (times + norms)

    def _idf(self, rows: int) -> float:
        return math.log1p((len(self._ids) - rows + 0.5) / (rows + 0.5))

    def _wanted(self, rows: Ids, among: Among) -> Ids:
        """The rows that are of the session and the topic asked for."""
        for name, held in ((among.session, self._sessions), (among.topic, self._topics)):
            if name is not None:
                rows = rows[np.frombuffer(held, np.int32)[rows] == self._names.get(name, NOWHERE)]
        return rows

    def _recent(self, rows: Ids, among: Among) -> Floats:
        return RECENT * 2.0 ** ((np.frombuffer(self._when)[rows] - self._newest) / among.half_life)

    def _found(self, row: int, score: float, asked: list[str], norm: float, among: Among) -> Found:
        words = [term for term in (self._term(word, row, norm) for word in asked) if term is not None]
        age, worth = (self._newest - self._when[row]) / DAY, self._worth[row]
        told = (
            Term("recent", float(self._recent(np.array([row]), among)[0]), f"{age:.1f} days before the newest turn"),
            Term("importance", worth, f"ln {math.exp(worth):g}"),
        )
        return Found(self._ids[row], score, (*sorted(words, key=lambda term: -term.contribution), *told))

    def _term(self, word: str, row: int, norm: float) -> Term | None:
        """What one word adds to one turn; None if it does not stand there."""
        postings, of = self._postings[word], len(self._ids)
        at = bisect_left(postings.rows, row)
        if at == len(postings.rows) or postings.rows[at] != row:
            return None
        times, turns = postings.times[at], len(postings.rows)
        added = self._idf(turns) * (K + 1) * times / (times + norm)
        return Term(word, added, f"{times} × here, in {turns:,} of {of:,} turns")


def _best(rows: Ids, scores: Floats, k: int) -> list[tuple[int, float]]:
    """The k best rows with their scores, best first."""
    if len(rows) > k:
        head = scores >= np.partition(scores, len(scores) - k)[len(scores) - k]
        rows, scores = rows[head], scores[head]
    order = np.lexsort((-rows, -scores))[:k]
    return list(zip(rows[order].tolist(), scores[order].tolist(), strict=True))
