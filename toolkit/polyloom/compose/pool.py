"""Pools: the ways in which the distributions of several layers become one.  Each is a small object without state.

    linear    p(y) = Σ_k v_k p_k(y)                          v_k = w_k / Σ w      w_k ≥ 0
    log       p(y) = Π_k p_k(y)^w_k / Z,   Z = Σ_y' Π_k p_k(y')^w_k               w_k finite

In a linear pool only the proportions of the weights matter: a token is likely if *some* layer finds it likely.  In a
log pool (Genest and Zidek, "Combining probability distributions", 1986) the weights are exponents: a token is likely if
*no* layer objects, weights that sum to more than 1 sharpen the mix, and a negative weight makes a layer a contrast:
well defined as long as that layer gives every token some chance, since a vocabulary is finite.

A layer of weight 0 is not asked: it has no say, and in a log pool p^0 = 1 whatever p is.  At least one weight must not
be 0.  `voices` below are pairs of a factor and what one layer that is asked has to say; arrays are (…, V).
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, TypeVar, final

import numpy as np

from polyloom.compose import linear
from polyloom.compose.exponents import pooled
from polyloom.compose.fitting import Evidence, Exponents, Shares, blocks
from polyloom.compose.linear import Voices, distributions
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.explanation import Explanation, Scale, Term
from polyloom.model import Candidates, Continuation, Floats, LanguageModel, best
from polyloom.real import number

T = TypeVar("T")
Factored = Sequence[tuple[float | Floats, T]]  # factors that may be arrays, another one at each place


class Pool(ABC):
    """One way to mix."""

    name: ClassVar[str]
    least: ClassVar[float]  # weight that makes sense
    asked: ClassVar[str]  # of a weight, in words
    evidence: ClassVar[type[Evidence]]  # what weights are fitted to

    @final
    def check(self, weights: Mapping[str, object]) -> None:
        """InputError naming the layer whose weight this pool cannot use, or if all of them are 0."""
        for name, weight in weights.items():
            self.check_weight(name, weight)
        if not any(weights.values()):
            raise InputError(f"All weights are zero ({', '.join(weights)}): raise at least one.")

    @final
    def check_weight(self, name: str, weight: object) -> None:
        """InputError if this pool cannot use the weight of a layer of this name."""
        given = number(int(weight) if isinstance(weight, bool) else weight)  # a switch is a fader, too
        if not (math.isfinite(given) and given >= self.least):
            raise InputError(f"The weight of {name!r} must be {self.asked}, got {weight!r}.")

    @abstractmethod
    def distribution(self, voices: Voices[Continuation]) -> Floats:
        """The log-probabilities of the mix where the layers stand, float64 (V,)."""

    @abstractmethod
    def top(self, voices: Voices[Continuation], k: int) -> Candidates:
        """The k likeliest tokens where the layers stand."""

    def summed(self, voices: Voices[Continuation]) -> Voices[Continuation] | None:
        """Factors and places that p is the sum of, if it is one."""
        del voices
        return None

    @abstractmethod
    def factors(self, weights: Sequence[float] | Floats) -> Floats:
        """What multiplies each layer, float64 (…, K) as the weights: at one place, or at each of many."""

    @abstractmethod
    def like(self, factors: Floats, weights: Sequence[float]) -> Floats:
        """Weights with these factors, as large on the whole as those given, float64 (K,)."""

    @abstractmethod
    def mixed(self, voices: Factored[Floats]) -> Floats:
        """The log-probabilities of the mix, of those of the layers."""

    @abstractmethod
    def log_likelihood(self, voices: Factored[LanguageModel], ids: Ids) -> Floats:
        """ln p(token_t | tokens before t), float64 (T,); factors may be arrays (T,), one for each token."""

    @abstractmethod
    def account(
        self, layers: Sequence[tuple[str, float, Explanation]], rows: Voices[Floats], token: int
    ) -> tuple[Scale, tuple[Term, ...], float]:
        """Scale, terms and total of one token: from all layers' own accounts, and the rows of those that are asked."""

    @abstractmethod
    def voice(self, factor: float, log_prob: float) -> float:
        """How loudly one layer speaks for a token to which it alone gives this log-probability."""


@final
class Linear(Pool):
    """The weighted mean."""

    name = "linear"
    least = 0.0
    asked = "a finite number of 0 or more"
    evidence = Shares

    def factors(self, weights: Sequence[float] | Floats) -> Floats:
        """The weights divided by their sum."""
        given = np.array(weights)
        given = given / given.max(-1, keepdims=True)  # first, since the sum of very large ones would not be finite
        return given / given.sum(-1, keepdims=True)

    def like(self, factors: Floats, weights: Sequence[float]) -> Floats:
        """With the same sum, if a float can hold it."""
        total = math.fsum(weights)
        return factors * total if math.isfinite(total) else factors

    def mixed(self, voices: Factored[Floats]) -> Floats:
        """ln Σ_k v_k p_k, element by element: of one token as well as of all."""
        return linear.mixed(voices)

    def distribution(self, voices: Voices[Continuation]) -> Floats:
        """Association models are asked together."""
        return linear.distribution(voices)

    def top(self, voices: Voices[Continuation], k: int) -> Candidates:
        """Of association models most rows of the vocabulary are not read."""
        return linear.top(voices, k)

    def summed(self, voices: Voices[Continuation]) -> Voices[Continuation] | None:
        """The layers, or their layers if they are such mixes."""
        return linear.opened(voices)

    def log_likelihood(self, voices: Factored[LanguageModel], ids: Ids) -> Floats:
        """Of the members' likelihoods alone, without reading the whole vocabulary."""
        return self.mixed([(share, model.log_likelihood(ids)) for share, model in voices])

    def account(
        self, layers: Sequence[tuple[str, float, Explanation]], rows: Voices[Floats], token: int
    ) -> tuple[Scale, tuple[Term, ...], float]:
        """p = Σ_k v_k p_k."""
        terms = tuple(Term(n, v * c.probability, f"{v:.3f} × {c.probability:.6f}", c) for n, v, c in layers)
        return "probability", terms, float(np.exp(self.mixed(rows)[token]))

    def voice(self, factor: float, log_prob: float) -> float:
        """Its part of the probability."""
        return factor * float(np.exp(log_prob))


@final
class Log(Pool):
    """The weighted geometric mean, normalised anew."""

    name = "log"
    least = -math.inf
    asked = "a finite number"
    evidence = Exponents

    def factors(self, weights: Sequence[float] | Floats) -> Floats:
        """The weights as they are."""
        return np.array(weights, np.float64)

    def like(self, factors: Floats, weights: Sequence[float]) -> Floats:
        """The factors themselves."""
        del weights
        return factors

    def mixed(self, voices: Factored[Floats]) -> Floats:
        """Σ_k w_k ln p_k − ln Z."""
        scores, normaliser = pooled(voices)
        return scores - normaliser[..., None]

    def distribution(self, voices: Voices[Continuation]) -> Floats:
        """Of those of the layers."""
        return self.mixed(distributions(voices))

    def top(self, voices: Voices[Continuation], k: int) -> Candidates:
        """Of the whole distribution, which Z needs."""
        return best(self.distribution(voices), k)

    def log_likelihood(self, voices: Factored[LanguageModel], ids: Ids) -> Floats:
        """Block by block over the whole vocabulary, which Z needs."""
        found, start = np.empty(len(ids)), 0
        weights = [np.broadcast_to(weight, len(ids))[:, None] for weight, _ in voices]  # (T, 1)
        for logs, targets in blocks([model for _, model in voices], [ids]):
            part = slice(start, start + len(targets))
            scores, normaliser = pooled([(weight[part], rows) for weight, rows in zip(weights, logs, strict=True)])
            found[part] = scores[np.arange(len(targets)), targets] - normaliser
            start += len(targets)
        return found

    def account(
        self, layers: Sequence[tuple[str, float, Explanation]], rows: Voices[Floats], token: int
    ) -> tuple[Scale, tuple[Term, ...], float]:
        """ln p = Σ_k w_k ln p_k − ln Z."""
        scores, normaliser = pooled(rows)
        spoken = iter([weight * float(row[token]) for weight, row in rows])
        terms = [Term(n, next(spoken) if w else 0.0, f"{w:g} × ln {c.probability:.6g}", c) for n, w, c in layers]
        return "log", (*terms, minus_ln_z(float(normaliser))), float(scores[token] - normaliser)

    def voice(self, factor: float, log_prob: float) -> float:
        """The probability that it gives alone, if it speaks for what it finds likely: exponents are no parts."""
        return float(np.exp(log_prob)) * (factor * log_prob < 0)


POOLS: dict[str, Pool] = {pool.name: pool for pool in (Linear(), Log())}


def pool_of(name: object) -> Pool:
    """The pool of a name; InputError listing the known ones."""
    if not isinstance(name, str) or name not in POOLS:
        raise InputError(f"Unknown pool {name!r}; known are {', '.join(POOLS)}.")
    return POOLS[name]


def minus_ln_z(normaliser: float) -> Term:
    """What makes all tokens sum to 1 on the log scale, given ln Z."""
    z = f"Z = {math.exp(normaliser):.6g}, so that all tokens sum to 1" if normaliser < 700 else "Z is very large"
    return Term("−ln Z", -normaliser, z)


def sounding(factors: Floats, things: Iterable[T]) -> Voices[T]:
    """Factor and thing of each layer whose factor is not 0."""
    return [(factor, thing) for factor, thing in zip(factors.tolist(), things, strict=True) if factor]
