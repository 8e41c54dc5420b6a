"""How the next token is drawn from a distribution, and when to stop.

    0  only         nothing but these ids, if any are given: a key, a range of pitches
       bound        two lists of ids: after one of the first comes one of the second, and those come nowhere else
    1  repetition   ln p(y) · penalty for every y of the text so far    (Keskar et al., "CTRL", 2019)
    2  temperature  q(y) ∝ p(y)^(1 / temperature)                      0 is greedy: the likeliest, ties by smaller id
    3  top_k        only the k likeliest
    4  top_p        only the likeliest until their sum reaches top_p   (Holtzman et al., nucleus sampling, 2020)
    5  min_p        only those with at least min_p times the largest   (Nguyen et al., 2024)

in this order, each on what the one before left, normalised anew at the end.  All of this belongs here and never to a
model: perplexity and receipts are those of the model's own distribution.

What is left is found by `polyloom_kernels.sample`, which sorts no vocabulary once it is compiled; what has less than
2^-64 of the largest probability, it does not tell apart.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import cast

import numpy as np

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.generate.law import Law
from polyloom.model import Floats
from polyloom.whole import whole
from polyloom_kernels.sample import kept

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
    """Frozen settings; the defaults of the last seven leave the distribution alone, and `stop` texts end the writing.

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
    only: tuple[int, ...] = ()  # (): all
    bound: tuple[tuple[int, ...], ...] = ()  # (): none

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
        bound = cast("object", self.bound)
        if bound != () and (not isinstance(bound, tuple) or len(cast("tuple[object, ...]", bound)) != 2):
            raise InputError(f"bound must be two tuples of token ids, got {bound!r}.")
        for name, given in (("only", self.only), *(("bound", tokens) for tokens in self.bound)):
            _check_ids(name, given)

    @classmethod
    def settled(cls, given: "Sampling | None") -> "Sampling":
        """The settings that were given, or the usual ones for None; InputError for anything else."""
        if given is not None and not isinstance(given, cls):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"Expected settings such as Sampling(temperature=0.8, seed=1), got {given!r}.")
        return given or cls()

    def distribution(self, log_probs: Floats, tokens: Sequence[int] | Ids = ()) -> Floats:
        """The probabilities that are drawn from, float64 (V,), given log-probabilities (V,) and the text so far."""
        law, found = self.law(log_probs, tokens), np.zeros(len(log_probs))
        found[law.tokens] = law.chances
        return found

    def draw(self, log_probs: Floats, random: np.random.Generator, tokens: Sequence[int] | Ids = ()) -> int:
        """One token id from log-probabilities (V,), given the text so far; takes one number from `random`."""
        return self.law(log_probs, tokens).drawn(random.random())

    def law(self, log_probs: Floats, tokens: Sequence[int] | Ids = ()) -> Law:
        """The tokens that may be drawn and their probabilities, given log-probabilities (V,) and the text so far."""
        if self.only or self.bound:
            log_probs = self._within(log_probs, tokens)
        if self.repetition_penalty != 1 and len(tokens):
            said, given = np.asarray(tokens), log_probs
            log_probs = given.copy()
            log_probs[said] = given[said] * self.repetition_penalty
        if self.temperature == 0:
            return Law.certain(int(log_probs.argmax()))
        left = self._left(log_probs)
        with np.errstate(over="ignore"):  # next to no temperature: −∞ for all but the likeliest
            scaled = log_probs[left] - log_probs.max()
            scaled /= self.temperature
        chances = np.exp(scaled, out=scaled)
        chances /= chances.sum()
        return Law(left, chances)

    def _within(self, log_probs: Floats, tokens: Sequence[int] | Ids) -> Floats:
        """Those that `only` and `bound` allow, and −∞ for all others.

        Raises InputError if none of them may come, or if one is none of the tokens.
        """
        largest = max(map(max, filter(None, (self.only, *self.bound))), default=-1)
        if largest >= len(log_probs):
            raise InputError(f"The settings name token {largest}, there are {len(log_probs)}.")
        free = np.full(len(log_probs), not self.only)
        free[list(self.only)] = True
        if self.bound:
            first, then = self.bound
            opened, closing = len(tokens) > 0 and int(tokens[-1]) in first, np.zeros_like(free)
            closing[list(then)] = True
            free &= closing if opened else ~closing
        kept = np.where(free, log_probs, -np.inf)
        if kept.max() == -np.inf:
            raise InputError("The model gives no token that may come here any probability.")
        return kept

    def _left(self, log_probs: Floats) -> Ids:
        """The tokens that top_k, top_p and min_p leave, rising."""
        if not (self.top_k or self.top_p < 1 or self.min_p):
            return np.arange(len(log_probs))
        row = np.ascontiguousarray(log_probs, np.float64)
        return kept(row, temperature=self.temperature, top_k=self.top_k, top_p=self.top_p, min_p=self.min_p)


def _check_ids(name: str, given: object) -> None:
    if not isinstance(given, tuple):
        raise InputError(f"{name} must be a tuple of token ids, got {given!r}.")
    for token in cast("tuple[object, ...]", given):
        whole(f"a token in {name}", token, 0)
