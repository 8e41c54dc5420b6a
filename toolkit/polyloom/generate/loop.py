"""The loop that writes: draw, record, advance, until `</s>`, a stop text or the length asked for.

Where the steps come from is settled once: one token after another, or several at a time that a draft proposed (see
`speculate`).  Either way the place in the text moves along, one token a step.
"""

from collections.abc import Iterable, Iterator

import numpy as np

from polyloom.generate.sampling import Sampling
from polyloom.generate.speculate import Ahead, Speculation
from polyloom.generate.trace import Generation, Step, step_of
from polyloom.protocols import Continues


def generate(
    continuation: Continues, sampling: Sampling | None = None, speculation: Speculation | None = None
) -> Generation:
    """Go on from a place in a text; the continuation moves along, so fork it first to keep the place.

    With `speculation` a draft proposes tokens that are read several at a time: see there what that changes.
    """
    sampling = Sampling.settled(sampling)
    start = Generation(continuation.model.vocabulary.decode(continuation.tokens), "", (), sampling, continuation.fork())
    return resume(start, (), continuation, None, sampling, speculation)


def resume(
    start: Generation,
    kept: tuple[Step, ...],
    place: Continues,
    token: int | str | None,
    sampling: Sampling,
    speculation: Speculation | None = None,
) -> Generation:
    """Write on at `place`, which stands after the steps `kept`; a given `token` is the first."""
    vocabulary, steps = place.model.vocabulary, list(kept)
    forced = None if token is None else place.model.token_id(token)
    first = len(place.tokens) - len(steps)
    ahead = None if speculation is None else Ahead(place, sampling, speculation, len(steps))
    written = _one_by_one(place, sampling, len(steps), forced) if ahead is None else ahead.steps(forced)
    while len(steps) < sampling.max_tokens and (step := next(written, None)) is not None:
        steps.append(step)
        place.advance(step.token)
        if sampling.stop and any(stop in vocabulary.decode(place.tokens[first:]) for stop in sampling.stop):
            break
    text = vocabulary.decode(place.tokens[first:])
    ends = [text.find(stop) for stop in sampling.stop if stop in text]
    text = text[: min(ends)] if ends else text
    report = None if ahead is None else ahead.report
    return Generation(start.prompt, text, tuple(steps), sampling, start.origin, len(kept), forced, report)


def retrace(place: Continues, tokens: Iterable[int]) -> tuple[Step, ...]:
    """The steps of tokens that are known; the place moves along."""
    steps: list[Step] = []
    for token in tokens:
        steps.append(step_of(place, token, place.distribution()))
        place.advance(token)
    return tuple(steps)


def _one_by_one(place: Continues, sampling: Sampling, done: int, forced: int | None) -> Iterator[Step]:
    """The steps at a place that whoever takes them moves along; a forced token is the first."""
    random = np.random.default_rng(sampling.seed)
    random.random(done)  # the dice of the steps that stand
    while True:
        log_probs = place.distribution()
        drawn = sampling.draw(log_probs, random, place.tokens)
        drawn, forced = (drawn if forced is None else forced), None
        if drawn == place.model.vocabulary.sentence_end:
            return
        yield step_of(place, drawn, log_probs)
