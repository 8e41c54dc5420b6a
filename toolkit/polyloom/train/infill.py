"""Fill in the middle: a document told with its middle at the end, so that a causal model learns to write one.

    prefix, middle, suffix = the document, cut at two places, each anywhere with the same chance
    PSM    <prefix> prefix <suffix> suffix <middle> middle
    SPM    <prefix> <suffix> suffix <middle> prefix middle

Bavarian et al., "Efficient Training of Language Models to Fill in the Middle", 2022; SPM is their second variant
(appendix D), which shares its markers with PSM.  The loss is taken over all tokens, as there.  Cuts fall between tokens
and never inside one: a model asked to fill in at any character has to be given text that is encoded in parts.
A closing `end` stays the last token, so that the middle is known to be complete.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.whole import whole


@dataclass(frozen=True)
class FillInTheMiddle:
    """Which ids mark the parts, and how many documents are told so: the share `rate`, of them the share `spm` as SPM.

    Raises InputError for ids that are not three different ones, or a share beyond 0 … 1.
    """

    prefix: int
    suffix: int
    middle: int
    rate: float = 0.5
    spm: float = 0.5
    end: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        marks = [whole(name, getattr(self, name), 0) for name in ("prefix", "suffix", "middle")]
        if len({*marks, self.end}) < 4:
            raise InputError(f"prefix, suffix, middle and end must be different ids, got {(*marks, self.end)}.")
        whole("seed", self.seed, 0)
        if self.end is not None:
            whole("end", self.end, 0)
        for name in ("rate", "spm"):
            value = getattr(self, name)
            if not isinstance(value, float | int) or not 0 <= value <= 1:
                raise InputError(f"{name} must be a number from 0 to 1, got {value!r}.")


def infilled(documents: Iterable[Ids], settings: FillInTheMiddle) -> Iterator[Ids]:
    """The documents, int64 (T,) each, some of them with their middle at the end, (T + 3,).

    What becomes of the n-th one depends on the seed, on n and on nothing else.
    """
    for number, document in enumerate(documents):
        dice = np.random.default_rng((settings.seed, number))
        told = dice.random() < settings.rate
        yield _told(document, settings, dice) if told else document


def _told(document: Ids, settings: FillInTheMiddle, dice: np.random.Generator) -> Ids:
    closed = len(document) > 0 and document[-1] == settings.end
    body, close = (document[:-1], document[-1:]) if closed else (document, document[:0])
    first, second = np.sort(dice.integers(0, len(body) + 1, 2))
    prefix, middle, suffix = body[:first], body[first:second], body[second:]
    if dice.random() < settings.spm:
        parts = ([settings.prefix, settings.suffix], suffix, [settings.middle], prefix, middle, close)
    else:
        parts = ([settings.prefix], prefix, [settings.suffix], suffix, [settings.middle], middle, close)
    return np.concatenate([np.asarray(part, np.int64) for part in parts])
