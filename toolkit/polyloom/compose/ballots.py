"""Ballots: what members make of their order of the tokens, without how far apart they stand.

Each function takes K arrays of log-probabilities (…, V) and gives as many of probabilities: a distribution for each
member and place.
"""

from collections.abc import Sequence

import numpy as np

from polyloom.model import Floats


def first_choices(rows: Sequence[Floats]) -> list[Floats]:
    """All of it on the likeliest token, ties by smaller id."""
    ballots = [np.zeros_like(row) for row in rows]
    for ballot, row in zip(ballots, rows, strict=True):
        np.put_along_axis(ballot, row.argmax(-1)[..., None], 1.0, -1)
    return ballots


def by_rank(rows: Sequence[Floats]) -> list[Floats]:
    """To the r-th likeliest token what the members' r-th likeliest have on average; tied tokens share evenly."""
    orders = [row.argsort(-1) for row in rows]
    rising = [np.take_along_axis(row, order, -1) for row, order in zip(rows, orders, strict=True)]
    points = np.mean([np.exp(row) for row in rising], axis=0)
    ballots = [np.empty_like(row) for row in rows]
    for ballot, order, row in zip(ballots, orders, rising, strict=True):
        np.put_along_axis(ballot, order, _shared(points, row), -1)
    return ballots


def _shared(points: Floats, rising: Floats) -> Floats:
    """The points (…, V) of places in order, evened out among those whose rows (…, V) are equal."""
    first = np.ones(rising.shape, np.bool_)
    first[..., 1:] = rising[..., 1:] != rising[..., :-1]
    starts = np.flatnonzero(first)
    lengths = np.diff(starts, append=first.size)
    sums = np.add.reduceat(points.ravel(), starts) if len(starts) else np.empty(0)
    return np.repeat(sums / lengths, lengths).reshape(points.shape)
