"""Drafts: who guesses the next token for `speculate`, cheaply and at times wrongly.

    Second    another model on the same vocabulary, drawn from under the same settings
    Lookup    what came the last time after the same few tokens, in the text so far (Saxena, 2023)

A guess comes with the law that it was drawn from, which is what makes it possible to correct.  It depends on the text
alone, never on how many guesses were made before: a draft that goes back guesses the same again.
"""

from typing import Protocol, TypeAlias, cast

from polyloom.documents import Ids
from polyloom.generate.law import Law
from polyloom.generate.sampling import Sampling
from polyloom.model import Continuation

Proposal: TypeAlias = tuple[int, Law]  # a token, and what it was drawn from
LONGEST = 3  # tokens that must have come before, tried from the longest to a single one


class Draft(Protocol):
    """Stands at the end of a text and guesses what comes."""

    def propose(self, number: float) -> Proposal | None:
        """A guess drawn with `number`, from 0 to below 1; None without any."""
        ...

    def advance(self, token: int) -> None:
        """Append one token."""
        ...

    def back(self, n: int) -> None:
        """Take the last n tokens away."""
        ...


class Second:
    """Guesses what another model would write."""

    def __init__(self, place: Continuation, sampling: Sampling) -> None:
        self.place, self.sampling = place, sampling

    def propose(self, number: float) -> Proposal | None:
        """Drawn from what `sampling` makes of the model's distribution."""
        if self.sampling.temperature == 0 and self.sampling.repetition_penalty == 1:
            law = Law.certain(int(self.place.top(1).tokens[0]))  # which may be known without the whole distribution
        else:
            law = self.sampling.law(self.place.distribution(), self.place.tokens)
        return law.drawn(number), law

    def advance(self, token: int) -> None:
        """Append one token."""
        self.place.advance(token)

    def back(self, n: int) -> None:
        """Take the last n tokens away."""
        self.place = self.place.back(n)


class Lookup:
    """Guesses that the text repeats itself: an index of where each short run of tokens was seen last."""

    def __init__(self, tokens: Ids) -> None:
        self.tokens: list[int] = []
        self.seen: dict[tuple[int, ...], int] = {}  # a run, and the place after it
        self.before: list[list[tuple[tuple[int, ...], int | None]]] = []  # of each token: what it overwrote in `seen`
        for token in cast("list[int]", tokens.tolist()):
            self.advance(token)

    def propose(self, number: float) -> Proposal | None:
        """The token after the last place where the longest run of the last tokens was seen before; no dice needed."""
        del number
        for run in self._runs():
            place = self.seen.get(run)
            if place is not None:
                return self.tokens[place], Law.certain(self.tokens[place])
        return None

    def advance(self, token: int) -> None:
        """Append one token: from now on the runs before it are known to have led somewhere."""
        here = len(self.tokens)
        self.before.append([(run, self.seen.get(run)) for run in self._runs()])
        self.seen |= {run: here for run, _ in self.before[-1]}
        self.tokens.append(token)

    def back(self, n: int) -> None:
        """Take the last n tokens away, and what they taught."""
        for _ in range(n):
            self.tokens.pop()
            for run, place in self.before.pop():
                if place is None:
                    del self.seen[run]
                else:
                    self.seen[run] = place

    def _runs(self) -> list[tuple[int, ...]]:
        """The last tokens, as many as there are of the longest run, then fewer."""
        longest = min(LONGEST, len(self.tokens))
        return [tuple(self.tokens[-length:]) for length in range(longest, 0, -1)]
