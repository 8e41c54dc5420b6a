"""The loop that writes: draw, record, advance, until `</s>`, a stop text or the length asked for."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from polyloom.generate.sampling import Sampling
from polyloom.generate.trace import Generation, Step
from polyloom.protocols import Continues

CANDIDATES = 5  # that a step remembers


def generate(continuation: Continues, sampling: Sampling | None = None) -> Generation:
    """Go on from a place in a text; the continuation moves along, so fork it first to keep the place."""
    sampling = sampling or Sampling()
    start = Generation(continuation.model.vocabulary.decode(continuation.tokens), "", (), sampling, continuation.fork())
    return resume(start, (), continuation, None, sampling)


def resume(
    start: Generation, kept: tuple[Step, ...], place: Continues, token: int | str | None, sampling: Sampling
) -> Generation:
    """Write on at `place`, which stands after the steps `kept`; a given `token` is the first."""
    vocabulary, steps = place.model.vocabulary, list(kept)
    forced = None if token is None else place.model.token_id(token)
    random = np.random.default_rng(sampling.seed)
    random.random(len(steps))  # the dice of the steps that stand
    first = len(place.tokens) - len(steps)
    while len(steps) < sampling.max_tokens:
        log_probs = place.distribution()
        drawn = sampling.draw(log_probs, random, place.tokens)
        if forced is not None and len(steps) == len(kept):
            drawn = forced
        if drawn == vocabulary.sentence_end:
            break
        steps.append(_step(place, drawn, log_probs))
        place.advance(drawn)
        if sampling.stop and any(stop in vocabulary.decode(place.tokens[first:]) for stop in sampling.stop):
            break
    text = vocabulary.decode(place.tokens[first:])
    ends = [text.find(stop) for stop in sampling.stop if stop in text]
    text = text[: min(ends)] if ends else text
    return Generation(start.prompt, text, tuple(steps), sampling, start.origin, len(kept), forced)


def retrace(place: Continues, tokens: Iterable[int]) -> tuple[Step, ...]:
    """The steps of tokens that are known; the place moves along."""
    steps: list[Step] = []
    for token in tokens:
        steps.append(_step(place, token, place.distribution()))
        place.advance(token)
    return tuple(steps)


def _step(place: Continues, token: int, log_probs: NDArray[np.float64]) -> Step:
    pieces, shares = place.model.vocabulary.pieces, place.explain(token).shares()
    best = np.argsort(-log_probs, kind="stable")[:CANDIDATES]
    candidates = tuple((pieces[int(other)], float(np.exp(log_probs[other]))) for other in best)
    return Step(token, pieces[token], float(log_probs[token]), shares, candidates)
