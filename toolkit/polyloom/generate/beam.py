"""Which middles to look at: all single tokens, or for longer gaps the likeliest ways through, along a beam.

    before   ln p(m | left)             the `width` likeliest beginnings are gone on with, token by token
    after    ln p(right | left, m)      read for four times as many whole middles

The last token must suit both sides.  So what the right side says of every last token is read once, after the likeliest
beginning, and added to what each beginning says; by this sum whole middles are chosen, and then read for what they are.
(On War and Peace that finds likelier middles than going by the left side alone, at the same width.  Looking ahead from
earlier tokens, as if the right side came at once, finds none that are likelier.)

What is given back are the model's own probabilities of what was found, never the scores by which it was found.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple, cast

import numpy as np

from polyloom.documents import Ids
from polyloom.model import Floats, best
from polyloom.protocols import Judges

READ = 4  # times the width: whole middles that are read with the right side


class Found(NamedTuple):
    """Middles int64 (n, L), rising, and ln p(m | left) and ln p(right | left, m) of each, float64 (n,).

    `complete` says that these are all of this length; otherwise all others together have at most the probability
    `unseen` after the left side.
    """

    middles: Ids
    before: Floats
    after: Floats
    complete: bool
    unseen: float


class Beginning(NamedTuple):
    """A place after the first tokens of a middle, and ln p of these."""

    place: Judges
    tokens: tuple[int, ...]
    log_prob: float

    def then(self, token: int, log_prob: float) -> "Beginning":
        """One token further."""
        place = cast("Judges", self.place.fork())
        place.advance(token)
        return Beginning(place, (*self.tokens, token), log_prob)


def single(place: Judges, right: Ids, width: int | None) -> Found:
    """Every token, or the `width` likeliest after the left side."""
    row = place.distribution()
    tokens = np.arange(len(row)) if width is None else np.sort(best(row, width).tokens)
    unseen = float(np.exp(np.delete(row, tokens)).sum())
    complete = len(tokens) == len(row)
    return Found(tokens[:, None], row[tokens], after(place, tokens[:, None], right), complete, unseen)


def beam(place: Judges, right: Ids, length: int, width: int, ahead: bool) -> Found:
    """Middles of `length` tokens, four times the `width` or all there are; `ahead` says whether to look ahead."""
    beginnings = [Beginning(place, (), 0.0)]
    for _ in range(length - 1):
        scores = _scores(beginnings)
        beginnings = [beginnings[n].then(token, scores[n, token]) for n, token in _largest(scores, width)]
    scores = _scores(beginnings)
    size: int = scores.shape[1]
    every = np.arange(size)[:, None]
    look = after(beginnings[0].place, every, right) if ahead else 0.0
    chosen = sorted(_largest(scores + look, READ * width))
    return _read(beginnings, chosen, scores, right, all_there_are=size**length)


def after(place: Judges, middles: Ids, right: Ids) -> Floats:
    """ln p(right | text, m) for each of middles (n, L), float64 (n,)."""
    if not len(right):
        return np.zeros(len(middles))
    ways = np.concatenate([middles, np.broadcast_to(right, (len(middles), len(right)))], axis=1)
    return place.judge(ways)[:, middles.shape[1] :].sum(1)


def _read(
    beginnings: Sequence[Beginning],
    chosen: Sequence[tuple[int, int]],
    scores: Floats,
    right: Ids,
    all_there_are: int,
) -> Found:
    """Chosen beginnings with their last tokens, rising, as what they are."""
    found: list[tuple[tuple[int, ...], float, float]] = []
    for n, beginning in enumerate(beginnings):
        last = np.array([token for at, token in chosen if at == n], np.int64)
        read = after(beginning.place, last[:, None], right)
        found += [
            ((*beginning.tokens, token), scores[n, token], x) for token, x in zip(last.tolist(), read, strict=True)
        ]
    middles, before, others = (np.array(part) for part in zip(*sorted(found), strict=True))
    complete = len(found) == all_there_are
    return Found(middles, before, others, complete, 0.0 if complete else max(0.0, 1 - math.fsum(np.exp(before))))


def _scores(beginnings: Sequence[Beginning]) -> Floats:
    """ln p of each beginning with each token after it, float64 (n, V)."""
    return np.stack([beginning.log_prob + beginning.place.distribution() for beginning in beginnings])


def _largest(scores: Floats, count: int) -> list[tuple[int, int]]:
    """Where the largest scores stand, (row, token), the largest first."""
    found: list[int] = best(scores.ravel(), count).tokens.tolist()
    return [divmod(at, scores.shape[1]) for at in found]
