"""How the numbers of a position score are fitted: the decay and consensus under which held-out text is likeliest.

    Σ over places of  ln p(y) − ln u(y)  =  Σ [ score(y) − ln Σ_b u(b) · exp score(b) ]

A score is linear in decay and consensus (one value of each for an octave of distance), so this is concave, and Newton's
method finds the one best choice, held at or above zero.  The exponent of the IDF is the best of 0, ½ and 1.  A weak
prior draws towards the defaults, so that an octave which the text says nothing about keeps its default.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polyloom.association.gate import ENOUGH
from polyloom.association.position.rows import PositionRows
from polyloom.association.position.score import PositionScore, octaves
from polyloom.association.text import Text
from polyloom.documents import Ids
from polyloom.model import Floats

EXPONENTS = (0.0, 0.5, 1.0)
PLACES = 1024  # of the held-out text at most, evenly spread, are looked at
PRIOR = 1.0  # how many places' worth of certainty the defaults have
ROUNDS = 25
GAIN = 1e-6  # nats a place; a smaller step is the last


def fitted(rows: PositionRows, idf: Floats, unigram: Floats, documents: Sequence[Ids], window: int) -> PositionScore:
    """The score under which held-out documents are likeliest; the default one if they have fewer than 200 tokens."""
    if sum(map(len, documents)) < ENOUGH:
        return PositionScore.unfitted(window)
    places = _Places.of(documents, window)
    octave = octaves(window)
    columns = int(octave.max()) + 1
    default: Floats = np.append(np.power(0.5, np.arange(columns)), np.zeros(columns))
    tried = [(_climb(_Sample.of(rows, idf**x, unigram, places, window), default), x) for x in EXPONENTS]
    (_, best), exponent = max(tried, key=lambda found: found[0][0])
    decay, consensus = np.split(best, 2)
    return PositionScore(decay[octave], consensus[octave], exponent)


@dataclass(frozen=True, eq=False)
class _Places:
    """Places of held-out text: `context` (n, window) with the token d back in column d − 1, −1 for none; `target`."""

    context: Ids
    target: Ids

    @classmethod
    def of(cls, documents: Sequence[Ids], window: int) -> "_Places":
        text = Text.join(sorted(documents, key=lambda tokens: tokens.tobytes()))  # so that their order never matters
        at = np.unique(np.linspace(0, len(text.tokens) - 1, PLACES).astype(np.int64))
        since = at - text.starts[np.searchsorted(text.starts, at, "right") - 1]
        back = np.arange(1, window + 1)
        return cls(np.where(back <= since[:, None], text.tokens[at[:, None] - back], -1), text.tokens[at])


@dataclass(frozen=True, eq=False)
class _Sample:
    """What the places touch, one line for each (place, token): the features that a fit weighs, (lines, 2 · octaves)."""

    place: Ids
    chance: Floats  # (lines,) unigram
    features: Floats
    starts: Ids  # (places,) first line of each place
    rest: Floats  # (places,) unigram mass of what the place does not touch
    hit: Ids  # line of each place's own next token, where it is touched
    hits: Ids  # the places that have one

    @classmethod
    def of(cls, rows: PositionRows, rarity: Floats, unigram: Floats, places: _Places, window: int) -> "_Sample":
        size, owner, distance = len(unigram), *np.nonzero(places.context >= 0)
        token = places.context[owner, distance]
        row = token * window + distance
        lengths = rows.starts[row + 1] - rows.starts[row]
        at: Ids = np.arange(int(lengths.sum())) + np.repeat(rows.starts[row] - np.cumsum(lengths) + lengths, lengths)
        keys = np.repeat(owner, lengths) * size + rows.targets[at]
        lines, which = np.unique(keys, return_inverse=True)
        columns = int(octaves(window).max()) + 1
        cells = which * columns + np.repeat(octaves(window)[distance], lengths)
        weights = rows.pmi[at] * np.repeat(rarity[token], lengths)
        features = np.empty((len(lines), 2, columns))
        features[:, 0] = np.bincount(cells, weights, len(lines) * columns).reshape(-1, columns)
        features[:, 1] = np.bincount(cells, minlength=len(lines) * columns).reshape(-1, columns)
        return cls._with(lines, features.reshape(len(lines), 2 * columns), unigram, places.target)

    @classmethod
    def _with(cls, lines: Ids, features: Floats, unigram: Floats, target: Ids) -> "_Sample":
        place, token = np.divmod(lines, len(unigram))
        touching, starts, place = np.unique(place, return_index=True, return_inverse=True)
        chance = unigram[token]
        rest = np.maximum(0.0, 1.0 - np.bincount(place, chance, len(touching)))
        wanted = touching * len(unigram) + target[touching]
        hit = np.minimum(np.searchsorted(lines, wanted), max(0, len(lines) - 1))
        hits = np.flatnonzero(lines[hit] == wanted) if len(lines) else touching
        return cls(place, chance, features, starts, rest, hit[hits], hits)

    def gain(self, weights: Floats) -> tuple[float, Floats]:
        """Nats won over the unigram, summed over the places, and p of each line."""
        if not len(self.place):
            return 0.0, self.chance
        score = self.features @ weights
        top = np.maximum(0.0, np.maximum.reduceat(score, self.starts))
        mass = self.chance * np.exp(score - top[self.place])
        whole = self.rest * np.exp(-top) + np.add.reduceat(mass, self.starts)
        return float(score[self.hit].sum() - (np.log(whole) + top).sum()), mass / whole[self.place]

    def slope(self, p: Floats) -> tuple[Floats, Floats]:
        """Gradient and curvature (the negative Hessian) of the gain."""
        columns = int(self.features.shape[1])
        if not len(p):
            return np.zeros(columns), np.zeros((columns, columns))
        weighed = self.features * p[:, None]
        means: Floats = np.add.reduceat(weighed, self.starts)
        wanted: Floats = self.features[self.hit]
        gradient: Floats = wanted.sum(0) - means.sum(0)
        return gradient, self.features.T @ weighed - means.T @ means


def _climb(sample: _Sample, default: Floats) -> tuple[float, Floats]:
    """The best weights at or above zero, by projected Newton steps from the default; and what they reach."""

    def objective(weights: Floats) -> tuple[float, Floats]:
        value, p = sample.gain(weights)
        return value - 0.5 * PRIOR * float(((weights - default) ** 2).sum()), p

    weights, (value, p) = default, objective(default)
    for _ in range(ROUNDS):
        slope, curvature = sample.slope(p)
        slope = slope - PRIOR * (weights - default)
        free = (weights > 0) | (slope > 0)
        step = np.zeros(len(weights))
        step[free] = np.linalg.solve((curvature + PRIOR * np.eye(len(weights)))[np.ix_(free, free)], slope[free])
        before = value
        for size in 0.5 ** np.arange(12):
            tried = np.maximum(0.0, weights + size * step)
            reached, chances = objective(tried)
            if reached > value:
                weights, value, p = tried, reached, chances
                break
        if value - before < GAIN * max(1, len(sample.starts)):
            break
    return value, weights
