"""The declared witness: keywords and phrases that an expert asks for, and those that forbid it.

    h_k(text) = how many of its keywords stand in the text,    x_k(text) = how many of those that forbid it

A keyword is found among the words of a text, whole, whatever its case and spacing: "where is" is not in "WHERE is_on".
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polyloom.compose.routing.router.features import words
from polyloom.model import Floats

Phrase = tuple[str, ...]


@dataclass(frozen=True)
class Declared:
    """For each of K experts its words and phrases."""

    phrases: tuple[tuple[str, ...], ...]

    def found(self, text: Sequence[str]) -> list[tuple[str, int]]:
        """Each phrase in the words of a text with each expert that has it, once."""
        if not self._experts:
            return []
        there = dict.fromkeys(_phrases(text, self._longest))
        return [(" ".join(phrase), expert) for phrase in there for expert in self._experts.get(phrase, ())]

    def counts(self, found: Sequence[tuple[str, int]]) -> Floats:
        """How many of each expert's, float64 (K,)."""
        return np.bincount([expert for _, expert in found], minlength=len(self.phrases)).astype(np.float64)

    @cached_property
    def _experts(self) -> Mapping[Phrase, tuple[int, ...]]:
        """Who has a phrase; what has no word in it is never found."""
        having: dict[Phrase, dict[int, None]] = {}
        for expert, phrases in enumerate(self.phrases):
            for phrase in phrases:
                if spelt := tuple(words(phrase)):
                    having.setdefault(spelt, {})[expert] = None
        return {phrase: tuple(experts) for phrase, experts in having.items()}

    @cached_property
    def _longest(self) -> int:
        return max(map(len, self._experts), default=0)


def _phrases(text: Sequence[str], longest: int) -> Iterator[Phrase]:
    for size in range(1, longest + 1):
        for at in range(len(text) - size + 1):
            yield tuple(text[at : at + size])
