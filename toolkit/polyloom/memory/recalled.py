"""What is given back: a passage with reasons, what was forgotten, what was accepted or rejected, what there is."""

import math
from dataclasses import dataclass

from polyloom.explanation import Term
from polyloom.memory.turn import Turn, short


@dataclass(frozen=True)
class Recalled:
    """A turn that answers a query: its `score`, and the `terms` that add up to it (see `memory.index`)."""

    turn: Turn
    score: float
    terms: tuple[Term, ...]

    @property
    def text(self) -> str:
        """What was said."""
        return self.turn.text

    @property
    def residual(self) -> float:
        """What rounding left over: score − Σ terms."""
        return self.score - math.fsum(term.contribution for term in self.terms)

    def __str__(self) -> str:
        why = " + ".join(f"{term.name} {term.contribution:.2f}" for term in self.terms if term.contribution)
        return f"{self.score:.2f} = {why}\n     {self.turn}"


@dataclass(frozen=True)
class Forgotten:
    """How many turns and tokens are gone, and what is beyond a memory's reach."""

    turns: int
    tokens: int
    remains: str

    def __str__(self) -> str:
        return f"Forgot {self.turns:,} turn{'s' * (self.turns != 1)} of {self.tokens:,} tokens. {self.remains}"


@dataclass(frozen=True)
class Action:
    """A line of the log: "accept" or "reject", of which turn, when (seconds since 1970)."""

    kind: str
    turn: int
    time: float


@dataclass(frozen=True)
class Part:
    """What a session or a topic holds: turns and tokens, and when its first and last turn were said."""

    turns: int
    tokens: int
    first: float
    last: float


@dataclass(frozen=True)
class Activation:
    """Which topics speak for a prompt: shares that sum to 1 with those of passages that have no topic."""

    topics: dict[str, float]
    passages: tuple[Recalled, ...]

    def __str__(self) -> str:
        if not self.passages:
            return "Nothing that is remembered shares a word with the prompt."
        lines = [f"{share:.2f} {topic}: {self._because(topic)}" for topic, share in self.topics.items()]
        rest = 1 - math.fsum(self.topics.values())
        return "\n".join([*lines, *([f"{rest:.2f} without a topic"] if rest > 1e-9 else [])])

    def _because(self, topic: str) -> str:
        best = next(passage for passage in self.passages if passage.turn.topic == topic)
        words = ", ".join(term.name for term in best.terms[:-2])
        return f'{words} in "{short(best.text)}"'
