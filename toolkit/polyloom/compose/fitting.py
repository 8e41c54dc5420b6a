"""Weights fitted to text, for each pool: what to hand to the two searches, and what to make of their answer.

A linear pool needs nothing but the likelihood each layer gives each token, and goes to `em`.  A log pool needs all
log-probabilities at each place, and goes to `exponents`.  Neither ever returns weights under which the text is less
likely than under those it was given.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from polyloom.compose.exponents import Block, Point, gain, log_pool, maximise
from polyloom.documents import Ids
from polyloom.em import TOLERANCE, Optimum, judged, mixture_optimum
from polyloom.errors import InputError
from polyloom.model import Floats, LanguageModel

SILENT = 1e-6  # a fitted share below this is 0 if that costs nothing: a fader that far down is off
LARGEST = 10.0  # exponent that is considered
KEPT = 2**28  # bytes of log-probabilities kept between the rounds
TRACE = 1e-9  # exponent of every layer where a fair draw among all words would be best: all 0 is no mix


@dataclass(frozen=True)
class Fit(Optimum):
    """Fitted weights; what is left to gain holds within `box`, or among all weights if that is None."""

    box: tuple[tuple[float, float], ...] | None = None


def fit_shares(models: Sequence[LanguageModel], start: Floats, documents: Sequence[Ids]) -> Fit:
    """The best weights of a linear pool, the largest 1; `start` are the shares (K,) to beat."""
    found = np.concatenate([[model.log_likelihood(ids) for model in models] for ids in documents], axis=1)
    if not np.isfinite(found.max(0)).all():
        raise InputError("The text holds a token that no layer gives any chance: no weights can explain it.")
    optimum = mixture_optimum(found)
    quiet = np.where(optimum.weights < SILENT, 0.0, optimum.weights)
    tried = [(shares, *judged(shares, found)) for shares in (quiet / quiet.sum(), optimum.weights, start)]
    enough = max(tried[-1][1], max(value for _, value, _ in tried) - TOLERANCE)
    shares, value, gain = next(one for one in tried if one[1] >= enough)
    return Fit(shares / shares.max(), value, gain, optimum.rounds)


def fit_exponents(models: Sequence[LanguageModel], start: Floats, documents: Sequence[Ids]) -> Fit:
    """The best weights of a log pool, each from 0 to 10, or to the one in `start` if that lies beyond."""
    low, high = np.minimum(0.0, start), np.maximum(LARGEST, start)
    size = 8 * len(models) * models[0].vocabulary.size * sum(map(len, documents))
    kept = list(_finite(blocks(models, documents))) if size <= KEPT else None
    judge = log_pool(lambda: _finite(blocks(models, documents)) if kept is None else kept)
    top = maximise(judge, start, low, high)
    top = top if top.weights.any() else _trace(judge, start, low, high, top.rounds)
    return Fit(top.weights, top.objective, top.gain, top.rounds, tuple(zip(low.tolist(), high.tolist(), strict=True)))


def _trace(judge: Callable[[Floats], Point], start: Floats, low: Floats, high: Floats, rounds: int) -> Optimum:
    """Next to no weight for anybody, or the start if that is even better."""
    point = max(judge(np.full(len(start), TRACE)), judge(start), key=lambda point: point.value)
    return Optimum(point.weights, point.value, gain(point, low, high), rounds)


def blocks(models: Sequence[LanguageModel], documents: Iterable[Ids]) -> Iterator[Block]:
    """The log-probabilities of all models at each place, float64 (K, n, V), with the tokens that came there."""
    for ids in documents:
        start = 0
        for logs in zip(*(model.log_probs(ids) for model in models), strict=True):
            stop = start + len(logs[0])
            yield np.stack(logs), ids[start:stop]
            start = stop


def _finite(given: Iterable[Block]) -> Iterator[Block]:
    for logs, targets in given:
        if not np.isfinite(logs).all():
            raise InputError("A layer gives a token no chance at all: the exponents of a log pool cannot be fitted.")
        yield logs, targets
