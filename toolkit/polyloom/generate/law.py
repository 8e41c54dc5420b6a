"""A law: what may be drawn next, and how likely each is.

    drawn(u)           the token at u of the way through the probabilities laid end to end in order of id
    beyond(other)      q(y) ∝ max(0, p(y) − other(y)), what this law has more of: see `speculate`

Only tokens that may come are listed, so that a law cut down to a few costs no more than these.
"""

from dataclasses import dataclass

import numpy as np

from polyloom.documents import Ids
from polyloom.model import Floats


@dataclass(frozen=True, eq=False)
class Law:
    """`tokens` int64 (n,), rising, and their `chances` float64 (n,), which sum to 1."""

    tokens: Ids
    chances: Floats

    @classmethod
    def certain(cls, token: int) -> "Law":
        """The law under which only one token comes."""
        return cls(np.array([token]), np.ones(1))

    def drawn(self, number: float) -> int:
        """The token at `number`, from 0 to below 1."""
        cumulative = np.cumsum(self.chances)
        place = int(np.count_nonzero(cumulative <= number * cumulative[-1]))
        return int(self.tokens[min(place, len(cumulative) - 1)])

    def of(self, tokens: Ids) -> Floats:
        """The probability of each of these tokens, float64 (m,); 0 for those that may not come."""
        at = np.minimum(np.searchsorted(self.tokens, tokens), len(self.tokens) - 1)
        return np.where(self.tokens[at] == tokens, self.chances[at], 0.0)

    def beyond(self, other: "Law") -> "Law":
        """Of what this law has more than the other, in proportion; itself where it has nothing more."""
        more = np.maximum(self.chances - other.of(self.tokens), 0.0)
        kept = np.flatnonzero(more)
        return Law(self.tokens[kept], more[kept] / more[kept].sum()) if len(kept) else self
