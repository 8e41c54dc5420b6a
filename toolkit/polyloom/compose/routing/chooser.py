"""What chooses among members: the seam between `Routed` and everything that can tell which of them should speak.

A chooser gives each of K members a score at a place in a text, float64 (K,): finite, 0 or more, larger is better.  All
scores 0 means that it abstains.  What is made of the scores is the affair of a `Policy`; that they sum to 1 is promised
by no chooser that does not say so.

A score is a function of the text so far and, for some choosers, of what the members say of it.  Most need only to see
`Where` they are.  One that `remembers` needs its scores at the place before, and what the token read since has `told`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol, Self

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.explanation import Explanation
from polyloom.model import Arrays, Floats, LanguageModel, Manifest
from polyloom.tokens.vocabulary import Vocabulary


@dataclass(frozen=True)
class Decision:
    """What a chooser makes of a text: a score of 0 or more by name, and why; it abstains if none is above 0."""

    scores: Mapping[str, float]
    explanation: Explanation

    @property
    def name(self) -> str | None:
        """The best, of several the first; None if it abstains."""
        best = max(self.scores, key=lambda name: self.scores[name], default=None)
        return best if best is not None and self.scores[best] > 0 else None

    @property
    def score(self) -> float:
        """That of the best; 0 if it abstains."""
        return max(self.scores.values(), default=0.0)


class Speaks(Protocol):
    """What a chooser may ask of a member at a place."""

    def distribution(self) -> Floats:
        """Log-probabilities of the next token, float64 of shape (V,)."""
        ...


@dataclass(frozen=True)
class Where:
    """A place in a text: the tokens read, int64 (T,), and the members by name, all there."""

    vocabulary: Vocabulary
    tokens: Ids
    members: Mapping[str, Speaks]


@dataclass(frozen=True)
class Judged:
    """A text as a chooser saw it: its scores before each token, float64 (T, K).

    `told` is ln p of each token under each member, float64 (T, K), from a chooser that asks for it; None from others.
    """

    scores: Floats
    told: Floats | None = None


@dataclass(frozen=True)
class Stand:
    """A place on the way through a text: scores and shares, float64 (K,), and what the token read last has told."""

    scores: Floats
    shares: Floats
    told: Floats | None = None


class Chooser(ABC):
    """Scores members at places in a text."""

    kind: ClassVar[str]
    remembers: ClassVar[bool] = False

    @abstractmethod
    def check(self, names: Sequence[str]) -> None:
        """InputError unless it can choose among members of these names."""

    @abstractmethod
    def along(self, models: Mapping[str, LanguageModel], ids: Ids) -> Judged:
        """The scores before each token of a text."""

    @abstractmethod
    def at(self, where: Where, before: Floats | None, told: Floats | None) -> Floats:
        """The scores at a place; `before` and `told` are what it needs if it remembers, None where the text begins."""

    def told(self, where: Where, token: int) -> Floats | None:
        """ln p of the token that comes next under each member, float64 (K,), if this chooser asks for it."""
        del where, token
        return None

    @abstractmethod
    def explain(self, where: Where, way: Sequence[Stand]) -> Explanation:
        """Why the scores at a place are what they are; `way` ends there and holds at least that place."""

    @abstractmethod
    def state(self) -> tuple[Manifest, Arrays]:
        """All that it is, its `kind` included; FileError if it cannot be written."""

    @classmethod
    @abstractmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays) -> Self:
        """The chooser that `state` described; InputError if it is none."""


def known(what: str, names: Sequence[str], members: Sequence[str]) -> None:
    """InputError if `what` speaks of a name that no member has."""
    for name in names:
        if name not in members:
            raise InputError(f"{what} names {name!r}; the members are {', '.join(members)}.")
