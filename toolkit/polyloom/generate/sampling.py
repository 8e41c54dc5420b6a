"""How the next token is drawn from a distribution, and when to stop.

    1  repetition   ln p(y) · penalty for every y of the text so far    (Keskar et al., "CTRL", 2019)
    2  temperature  q(y) ∝ p(y)^(1 / temperature)                      0 is greedy: the likeliest, ties by smaller id
    3  top_k        only the k likeliest
    4  top_p        only the likeliest until their sum reaches top_p   (Holtzman et al., nucleus sampling, 2020)
    5  min_p        only those with at least min_p times the largest   (Nguyen et al., 2024)

in this order, each on what the one before left, normalised anew at the end.  All of this belongs here and never to a
model: perplexity and receipts are those of the model's own distribution.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import cast

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError

Floats = NDArray[np.float64]

RANGES: dict[str, tuple[type, float, float]] = {  # name: kind, smallest and largest
    "temperature": (Real, 0, sys.float_info.max),
    "max_tokens": (Integral, 0, sys.maxsize),
    "seed": (Integral, 0, sys.maxsize),
    "top_k": (Integral, 0, sys.maxsize),
    "top_p": (Real, sys.float_info.min, 1),
    "min_p": (Real, 0, 1),
    "repetition_penalty": (Real, 1, sys.float_info.max),
}


@dataclass(frozen=True)
class Sampling:
    """Frozen settings; the defaults of the last five leave the distribution alone, and `stop` texts end the writing.

    Raises InputError naming the value that is out of range.
    """

    temperature: float = 1.0
    max_tokens: int = 60
    seed: int = 0
    top_k: int = 0  # 0: all
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, (kind, smallest, largest) in RANGES.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                expected = "a number" if kind is Real else "a whole number"
                raise InputError(f"{name} must be {expected}, got {value!r}.")
            if not smallest <= float(cast("float", value)) <= largest:
                least = "more than 0" if 0 < smallest < 1 else f"{smallest} or more"
                raise InputError(f"{name} must be {least}{' and at most 1' if largest == 1 else ''}, got {value}.")
        stop = cast("object", self.stop)
        if not isinstance(stop, tuple) or not all(
            text and isinstance(text, str) for text in cast("tuple[object]", stop)
        ):
            raise InputError(f"stop must be a tuple of texts that are not empty, got {stop!r}.")

    def distribution(self, log_probs: Floats, tokens: Sequence[int] | NDArray[np.int64] = ()) -> Floats:
        """The probabilities that are drawn from, float64 (V,), given log-probabilities (V,) and the text so far."""
        if self.repetition_penalty != 1 and len(tokens):
            log_probs = log_probs.copy()
            log_probs[np.unique(tokens)] *= self.repetition_penalty
        if self.temperature == 0:
            return (np.arange(len(log_probs)) == log_probs.argmax()).astype(np.float64)
        with np.errstate(over="ignore"):  # next to no temperature: −∞ for all but the likeliest
            chances = np.exp((log_probs - log_probs.max()) / self.temperature)
        chances = np.where(self._kept(chances / chances.sum()), chances, 0.0)
        return chances / chances.sum()

    def draw(
        self, log_probs: Floats, random: np.random.Generator, tokens: Sequence[int] | NDArray[np.int64] = ()
    ) -> int:
        """One token id from log-probabilities (V,), given the text so far; takes one number from `random`."""
        drawn = random.random()
        cumulative = np.cumsum(self.distribution(log_probs, tokens))
        return min(int(np.count_nonzero(cumulative <= drawn * cumulative[-1])), len(cumulative) - 1)

    def _kept(self, chances: Floats) -> NDArray[np.bool_]:
        """Which tokens top_k, top_p and min_p leave; at least the likeliest."""
        if not self.top_k and self.top_p == 1 and not self.min_p:
            return np.ones(len(chances), np.bool_)
        order = np.argsort(-chances, kind="stable")[: self.top_k or None]
        ordered = chances[order] / chances[order].sum()
        before = np.cumsum(ordered) - ordered
        stays = (before < self.top_p) & (ordered >= self.min_p * ordered[0])
        kept = np.zeros(len(chances), np.bool_)
        kept[order[stays]] = True
        return kept
