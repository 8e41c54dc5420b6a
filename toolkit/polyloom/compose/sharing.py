"""Members that speak in shares of the place: what a gate and a router make of their members there.

    p(y | text) = Σ_k share_k(text) · p_k(y | text),    Σ_k share_k = 1

Whose share is 0 is not asked.
"""

from abc import abstractmethod
from typing import Any, Generic, TypeVar

import numpy as np

from polyloom.compose import linear
from polyloom.compose.composite import Composite, CompositeContinuation
from polyloom.explanation import parts
from polyloom.model import Candidates, Continuation, Floats, Token

M = TypeVar("M", bound=Composite[Any])


class SharingContinuation(CompositeContinuation, Generic[M]):
    """One state for each member, all at the same place, where each has a share."""

    model: M

    @abstractmethod
    def loudness(self) -> Floats:
        """The shares, float64 (K,), in the order of the members."""

    @property
    def weights(self) -> dict[str, float]:
        """The share of each member here; they sum to 1."""
        return dict(zip(self.model.models, self.loudness().tolist(), strict=True))

    def distribution(self) -> Floats:
        """Log-probabilities of the next token, float64 of shape (V,)."""
        return linear.distribution(self._voices())

    def top(self, k: int = 10) -> Candidates:
        """The k likeliest next tokens, fewer if the vocabulary is smaller."""
        return linear.top(self._voices(), k)

    def shares(self, token: Token, ago: int = 0) -> dict[str, float]:
        """Who speaks for a token, by member: from what each gives it, without opening their accounts."""
        if ago:
            return self.back(ago).shares(token)
        chosen = np.array([[self.model.token_id(token)]])
        voices = zip(self.weights.items(), self.members, strict=True)
        return parts({n: w * float(np.exp(m.judge(chosen)[0, 0])) if w else 0.0 for (n, w), m in voices})

    def summed(self) -> linear.Voices[Continuation]:
        """The members at their shares."""
        return linear.opened(self._voices())

    def _voices(self) -> linear.Voices[Continuation]:
        voices = zip(self.loudness().tolist(), self.members, strict=True)
        return [(share, member) for share, member in voices if share]
