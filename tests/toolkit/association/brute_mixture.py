"""What the text so far must say, and the whole mixture under its gate, worked out with dictionaries and `math`.

    recent(y) = (heard(y) + prior · p_1(y)) / (mass + prior)                  a token of a bucket is worth fade^age
    echo_n(y) = (max(c(y) − d, 0) + d · |kinds| · recent(y)) / Σ c            c: what came after the same n tokens
    share_k = (1 − floor) · softmax(features · weights)_k + floor / K

The document is a list of token ids, as in `brute_force`, where the chain and the skips are.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from polyloom_kernels.history import Memory
from toolkit.association.brute_force import Counts, KneserNey, Skip, count_ngrams, count_skips


class Part(Protocol):
    """One component: what adds up to p(y | document); and of its contexts how often they came, with how many tokens."""

    def terms(self, document: Sequence[int], y: int) -> list[float]: ...

    def known(self, document: Sequence[int]) -> list[tuple[float, int]]: ...


@dataclass(frozen=True)
class Recent:
    """The tokens of the newest buckets, a bucket worth `fade` of the next one, over the unigrams of `below`."""

    memory: Memory
    below: KneserNey

    def weights(self, document: Sequence[int]) -> list[tuple[int, float]]:
        """Each recent token with what it is worth."""
        bucket, now = self.memory.bucket, len(document) // self.memory.bucket
        ages = [(token, now - at // bucket) for at, token in enumerate(document)]
        halvings = bucket / self.memory.half_life
        return [(token, 0.5 ** (age * halvings)) for token, age in ages if age < self.memory.buckets]

    def terms(self, document: Sequence[int], y: int) -> list[float]:
        """What was heard, and what falls to single words."""
        weights, prior = self.weights(document), self.memory.prior
        mass = sum(worth for _, worth in weights) + prior
        heard = sum(worth for token, worth in weights if token == y)
        return [heard / mass, prior / mass * self.below.unigram(y)]

    def known(self, document: Sequence[int]) -> list[tuple[float, int]]:
        """Its weight; it has no context, so that there are no kinds of what came after it."""
        return [(sum(worth for _, worth in self.weights(document)), 0)]


@dataclass(frozen=True)
class Echo:
    """What came in the document after the same `order` tokens, over the recent ones."""

    order: int
    recent: Recent

    def counts(self, document: Sequence[int]) -> Counter[int]:
        """The document is a list; nothing comes after fewer tokens than the order asks for."""
        last = list(document[len(document) - self.order :])
        places = range(self.order, len(document))
        return Counter(document[at] for at in places if list(document[at - self.order : at]) == last)

    def terms(self, document: Sequence[int], y: int) -> list[float]:
        """What was heard, and what falls to the recent tokens."""
        counts, discount = self.counts(document), self.recent.memory.discount
        below = sum(self.recent.terms(document, y))
        if not counts:
            return [0.0, below]
        return [
            max(counts[y] - discount, 0.0) / counts.total(),
            discount * len(counts) / counts.total() * below,
        ]

    def known(self, document: Sequence[int]) -> list[tuple[float, int]]:
        counts = self.counts(document)
        return [(float(counts.total()), len(counts))]


@dataclass(frozen=True)
class Mixture:
    """Components under a gate: weights for each feature and component, and a floor."""

    parts: Sequence[Part]
    order: int

    @classmethod
    def of(
        cls, ngrams: Sequence[Counts], skips: dict[tuple[int, ...], Counts], memory: Memory | None, size: int,
        end: int | None,
    ) -> "Mixture":  # fmt: skip
        """From raw counts: the chain, each template, the recent tokens, each order of the text so far."""
        chain = KneserNey(ngrams, size, end)
        parts: list[Part] = [chain, *(Skip(counts, template, chain) for template, counts in skips.items())]
        if memory is not None:
            recent = Recent(memory, chain)
            parts += [recent, *(Echo(order, recent) for order in memory.orders)]
        return cls(parts, len(ngrams))

    @classmethod
    def counted(
        cls, documents: Sequence[Sequence[int]], order: int, templates: Iterable[tuple[int, ...]],
        memory: Memory | None, size: int, end: int | None,
    ) -> "Mixture":  # fmt: skip
        """From documents."""
        skips = {template: count_skips(documents, template) for template in templates}
        return cls.of(count_ngrams(documents, order, end), skips, memory, size, end)

    def terms(self, document: Sequence[int], y: int) -> list[list[float]]:
        """What each component says, opened."""
        return [part.terms(document, y) for part in self.parts]

    def features(self, document: Sequence[int]) -> list[float]:
        """1; of every context ln(1 + how often), whether it came, kinds / how often, whether of one kind; and, one of
        `order`, how many of the chain's contexts came.
        """
        known = [pair for part in self.parts for pair in part.known(document)]
        depth = sum(often > 0 for often, _ in known[: self.order - 1])
        return [
            1.0,
            *(math.log1p(often) for often, _ in known),
            *(float(often > 0) for often, _ in known),
            *(kinds / max(often, 1.0) for often, kinds in known),
            *(float(kinds == 1) for _, kinds in known),
            *(float(n == depth) for n in range(self.order)),
        ]

    def shares(self, document: Sequence[int], weights: Sequence[Sequence[float]], floor: float) -> list[float]:
        """A softmax with a floor; `weights` has a row for each feature, a column for each component."""
        features, size = self.features(document), len(self.parts)
        scores = [sum(f * row[k] for f, row in zip(features, weights, strict=True)) for k in range(size)]
        loud = [math.exp(score - max(scores)) for score in scores]
        return [(1 - floor) * each / sum(loud) + floor / size for each in loud]

    def chance(self, document: Sequence[int], y: int, weights: Sequence[Sequence[float]], floor: float) -> float:
        """p(y | document)."""
        shares = self.shares(document, weights, floor)
        return sum(share * sum(part) for share, part in zip(shares, self.terms(document, y), strict=True))
