"""What the layers of a pool say of a text: enough to judge any weights on it, and to find the best ones.

    F(w) = mean_t ln p_w(token_t | tokens before t)                 concave in both pools

A linear pool needs nothing but the likelihood each layer gives each token, and weights are shares that sum to 1.  A log
pool needs all log-probabilities at each place, and weights are exponents from 0 to 10.  The layers are asked once;
fitting, pruning, reaching a target and fair credit all go by what they said.  No fit ever returns weights under which
the text is less likely than under those it was given.

K is the number of layers, T that of places, V that of tokens.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self, final

import numpy as np

from polyloom.compose import coalitions
from polyloom.compose.exponents import Block, judged, pooled
from polyloom.compose.linear import mixed
from polyloom.concave import TOLERANCE, Optimum, Point, Region, maximise, simplex
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.mixture import KEPT as LEFT
from polyloom.mixture import Mixture
from polyloom.model import Floats, LanguageModel

SILENT = 1e-6  # a fitted share below this is 0 if that costs nothing: a fader that far down is off
LARGEST = 10.0  # exponent that is considered
KEPT = 2**28  # bytes of log-probabilities kept between the rounds
TRACE = 1e-9  # exponent of every layer where a fair draw among all words would be best: all 0 is no mix


@dataclass(frozen=True)
class Fit(Optimum):
    """Fitted weights; what is left to gain holds within `box`, or among all weights if that is None."""

    box: tuple[tuple[float, float], ...] | None = None


class Evidence(ABC):
    """What K layers said of T places; `flat` if F depends on one linear function of the weights alone."""

    flat: bool

    @classmethod
    @abstractmethod
    def read(cls, models: Sequence[LanguageModel], documents: Sequence[Ids]) -> Self:
        """Ask the layers; InputError if the text is one that no weights can explain."""

    @classmethod
    @abstractmethod
    def at(cls, rows: Floats, token: int) -> Self:
        """Of one token at one place, where the layers' log-probabilities are `rows` (K, V)."""

    @abstractmethod
    def judge(self, weights: Floats) -> Point:
        """F, its slope and its curve."""

    @abstractmethod
    def scores(self, weights: Floats) -> Floats:
        """ln p of each token, float64 (T,)."""

    @staticmethod
    @abstractmethod
    def region(start: Floats) -> Region:
        """The weights that are considered."""

    @classmethod
    def box(cls, start: Floats) -> tuple[tuple[float, float], ...] | None:
        """The least and the largest weight of each layer that is considered; None if all are."""
        region = cls.region(start)
        return None if region.total is not None else tuple(zip(region.low.tolist(), region.high.tolist(), strict=True))

    @abstractmethod
    def fit(self, start: Floats) -> Fit:
        """The best weights, never worse than the `start`, as `Pool.factors` gives it."""

    @abstractmethod
    def only(self, layers: Sequence[int]) -> Self:
        """The same of some of the layers."""

    @abstractmethod
    def coalitions(self, weights: Floats, size: int, done: Callable[[int], None]) -> Floats:
        """F of each set of layers, float64 (2^K,): layer k is in set s if bit k of s is.  V is `size`; see there."""


@final
class Shares(Evidence):
    """Of a linear pool: ln p of each token under each layer, float64 (K, T)."""

    def __init__(self, found: Floats) -> None:
        self.found, self.flat = found, found.shape[1] == 1
        self._mixture = Mixture(found)

    @classmethod
    def read(cls, models: Sequence[LanguageModel], documents: Sequence[Ids]) -> "Shares":
        """Of the layers' likelihoods alone."""
        return cls(
            _explicable(np.concatenate([[model.log_likelihood(ids) for model in models] for ids in documents], axis=1))
        )

    @classmethod
    def at(cls, rows: Floats, token: int) -> "Shares":
        """Of one token at one place."""
        return cls(_explicable(rows[:, token, None]))

    def judge(self, weights: Floats) -> Point:
        """F, its slope and its curve."""
        return self._mixture(weights)

    def scores(self, weights: Floats) -> Floats:
        """ln p of each token, float64 (T,)."""
        return mixed([(share, row) for share, row in zip(weights.tolist(), self.found, strict=True) if share])

    @staticmethod
    def region(start: Floats) -> Region:
        """All shares."""
        return simplex(len(start), LEFT)

    def fit(self, start: Floats) -> Fit:
        """The best shares, the largest as weight 1."""
        optimum = self._mixture.optimum()
        quiet = np.where(optimum.weights < SILENT, 0.0, optimum.weights)
        tried = [self.judge(shares) for shares in (quiet / quiet.sum(), optimum.weights, start)]
        enough = max(tried[-1].value, max(point.value for point in tried) - TOLERANCE)
        best = next(point for point in tried if point.value >= enough)
        left = float(np.log(max(1.0, best.slope.max())))
        return Fit(best.weights / best.weights.max(), best.value, left, optimum.rounds)

    def only(self, layers: Sequence[int]) -> "Shares":
        """The same of some of the layers."""
        return Shares(self.found[list(layers)])

    def coalitions(self, weights: Floats, size: int, done: Callable[[int], None]) -> Floats:
        """F of each set of layers, their weights made to sum to 1."""
        return coalitions.linear(self.found, weights, size, done)


@final
class Exponents(Evidence):
    """Of a log pool: all log-probabilities, in blocks that are given anew for each reading."""

    flat = False

    def __init__(self, blocks: Callable[[], Iterable[Block]]) -> None:
        self.blocks = blocks

    @classmethod
    def read(cls, models: Sequence[LanguageModel], documents: Sequence[Ids]) -> "Exponents":
        """The log-probabilities are kept if they are small; if not, the layers are asked again in each round."""
        size = 8 * len(models) * models[0].vocabulary.size * sum(map(len, documents))
        kept = list(_finite(blocks(models, documents))) if size <= KEPT else None
        return cls(lambda: _finite(blocks(models, documents)) if kept is None else kept)

    @classmethod
    def at(cls, rows: Floats, token: int) -> "Exponents":
        """Of one token at one place."""
        kept = list(_finite([(rows[:, None], np.array([token]))]))
        return cls(lambda: kept)

    def judge(self, weights: Floats) -> Point:
        """F, its slope and its curve."""
        return judged(weights, self.blocks())

    def scores(self, weights: Floats) -> Floats:
        """ln p of each token, float64 (T,)."""
        found: list[Floats] = []
        for logs, targets in self.blocks():
            scores, normaliser = pooled(list(zip(weights.tolist(), logs, strict=True)))
            found.append(scores[np.arange(len(targets)), targets] - normaliser)
        return np.concatenate(found)

    @staticmethod
    def region(start: Floats) -> Region:
        """Exponents from 0 to 10, or to the one in `start` if that lies beyond."""
        return Region(np.minimum(0.0, start), np.maximum(LARGEST, start))

    def fit(self, start: Floats) -> Fit:
        """The best exponents."""
        region = self.region(start)
        top = maximise(self.judge, start, region)
        top = top if top.weights.any() else self._trace(start, region, top.rounds)
        return Fit(top.weights, top.objective, top.gain, top.rounds, self.box(start))

    def only(self, layers: Sequence[int]) -> "Exponents":
        """The same of some of the layers."""
        chosen = list(layers)
        return Exponents(lambda: ((logs[chosen], targets) for logs, targets in self.blocks()))

    def coalitions(self, weights: Floats, size: int, done: Callable[[int], None]) -> Floats:
        """F of each set of layers, their exponents as they are."""
        del size
        return coalitions.log(self.blocks(), weights, done)

    def _trace(self, start: Floats, region: Region, rounds: int) -> Optimum:
        """Next to no weight for anybody, or the start if that is even better."""
        point = max(self.judge(np.full(len(start), TRACE)), self.judge(start), key=lambda point: point.value)
        return Optimum(point.weights, point.value, region.gap(point), rounds)


def blocks(models: Sequence[LanguageModel], documents: Iterable[Ids]) -> Iterator[Block]:
    """The log-probabilities of all models at each place, float64 (K, n, V), with the tokens that came there."""
    for ids in documents:
        start = 0
        for logs in zip(*(model.log_probs(ids) for model in models), strict=True):
            stop = start + len(logs[0])
            yield np.stack(logs), ids[start:stop]
            start = stop


def _explicable(found: Floats) -> Floats:
    if not np.isfinite(found.max(0)).all():
        raise InputError("The text holds a token that no layer gives any chance: no weights can explain it.")
    return found


def _finite(given: Iterable[Block]) -> Iterator[Block]:
    for logs, targets in given:
        if not np.isfinite(logs).all():
            raise InputError("A layer gives a token no chance at all: no exponents of a log pool can be judged by it.")
        yield logs, targets
