"""How the next token is drawn from a distribution: temperature, length, seed.

    q(y) ∝ p(y)^(1 / temperature)

Temperature belongs here and never to a model.  0 means greedy: always the likeliest, ties by smaller id.
"""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError


@dataclass(frozen=True)
class Sampling:
    """Frozen settings; InputError naming the value that is out of range."""

    temperature: float = 1.0
    max_tokens: int = 60
    seed: int = 0

    def __post_init__(self) -> None:
        for name, kind in (("temperature", Real), ("max_tokens", Integral), ("seed", Integral)):
            if not isinstance(getattr(self, name), kind):
                expected = "a number" if kind is Real else "a whole number"
                raise InputError(f"{name} must be {expected}, got {getattr(self, name)!r}.")
        if not 0 <= self.temperature < float("inf"):
            raise InputError(f"temperature must be 0 (greedy) or more, got {self.temperature}.")
        if self.max_tokens < 0:
            raise InputError(f"max_tokens must be 0 or more, got {self.max_tokens}.")
        if self.seed < 0:
            raise InputError(f"seed must be 0 or more, got {self.seed}.")

    def draw(self, log_probs: NDArray[np.float64], random: np.random.Generator) -> int:
        """One token id from log-probabilities of shape (V,)."""
        if self.temperature == 0:
            return int(log_probs.argmax())
        with np.errstate(over="ignore"):  # next to no temperature: −∞ for all but the likeliest
            scaled = (log_probs - log_probs.max()) / self.temperature
        cumulative = np.cumsum(np.exp(scaled))
        drawn = random.random() * float(cumulative[-1])
        return min(int(np.count_nonzero(cumulative <= drawn)), len(cumulative) - 1)
