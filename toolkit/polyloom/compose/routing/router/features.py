"""What a text is made of: words, phrases of two, signs of its kind; and, for what is misspelt or bent, parts of words.

    whole    "lost my card"  ->  lost, my, card, lost my, my card, and language:en
    parts                        2 to 5 characters within a word, with the spaces around it: " c", "car", "card "

Each feature has the weight of TF-IDF (Spärck Jones, 1972): (1 + ln how often) · idf, idf = ln((1 + N) / (1 + texts
with it)) + 1 over the N texts learned from.  Each of the two halves is made √½ long, so a text has length 1, however
many words it has.  What nobody has seen is a part of that length and of nothing else: strange words leave less of a
text for everybody.  The commonest `LIMIT` features are kept, those of equal number by name.

The length of `names` is F; the first `wholes` of them are whole.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from polyloom.compose.routing.router.signs import signs
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.model import Arrays, Floats

WORD = re.compile(r"\w+(?:['’]\w+)*")
SHORTEST, LONGEST = 2, 5  # characters of a part
PART = "·"  # around a part of a word, as a person sees it; no word has it
LIMIT = 30_000  # features: on CLINC150 twice as many gain nothing


class Read(NamedTuple):
    """How often each feature stands in a text."""

    whole: Counter[str]
    parts: Counter[str]


class Vector(NamedTuple):
    """A text among features: which, int64 (n,), rising; how much of each, float64 (n,); how many of them are whole."""

    ids: Ids
    values: Floats
    wholes: int


def words(text: str) -> list[str]:
    """The words in order, whatever their case."""
    return WORD.findall(text.casefold())


def read(text: str) -> Read:
    """The features of a text."""
    found, parts = words(text), Counter[str]()
    whole = Counter([*found, *map(" ".join, pairwise(found)), *signs(text)])
    for word, many in Counter(text.casefold().split()).items():
        edged = f" {word} "
        for size in range(SHORTEST, min(LONGEST, len(edged)) + 1):
            for at in range(len(edged) - size + 1):
                parts[edged[at : at + size]] += many
    return Read(whole, parts)


@dataclass(frozen=True)
class Features:
    """The features that are known, the weight of each, float64 (F,), and from how many texts."""

    names: tuple[str, ...]
    wholes: int
    idf: Floats
    texts: int

    def __post_init__(self) -> None:
        if self.idf.shape != (len(self.names),) or not 0 <= self.wholes <= len(self.names):
            raise InputError(f"{len(self.names)} features have weights of shape {self.idf.shape}.")

    @classmethod
    def of(cls, texts: Sequence[Read]) -> "Features":
        """Those of some texts."""
        halves = [Counter[str](), Counter[str]()]
        for one in texts:
            halves[0].update(one.whole.keys())
            halves[1].update(one.parts.keys())
        every = [(-many, half, name) for half, counted in enumerate(halves) for name, many in counted.items()]
        kept = sorted(sorted(every)[:LIMIT], key=lambda one: one[1:])
        seen = np.array([-many for many, _, _ in kept], np.float64)
        wholes = sum(half == 0 for _, half, _ in kept)
        return cls(tuple(name for _, _, name in kept), wholes, np.log((1 + len(texts)) / (1 + seen)) + 1, len(texts))

    def vector(self, text: Read, learned: bool = False) -> Vector:
        """A text among them; nothing in a text that was `learned` from is strange, even if too rare to be kept."""
        whole, parts = (
            self._half(counted, known, learned)
            for counted, known in ((text.whole, self._wholes), (text.parts, self._parts))
        )
        ids, values = np.concatenate([whole[0], parts[0]]), np.concatenate([whole[1], parts[1]])
        return Vector(ids, values, len(whole[0]))

    def shown(self, feature: int) -> str:
        """A feature as a person should see it: parts of words between dots."""
        name = self.names[feature]
        return name if feature < self.wholes else f"{PART}{name}{PART}"

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """The names as UTF-8, a line each, for no feature has a line break; and the weights."""
        spelt = np.frombuffer("\n".join(self.names).encode("utf-8", "surrogatepass"), np.uint8)
        return {"wholes": self.wholes, "texts": self.texts}, {"features": spelt, "idf": self.idf}

    @classmethod
    def from_state(cls, manifest: dict[str, Any], arrays: Arrays) -> "Features":
        """As `state` gave it."""
        spelt = arrays["features"].tobytes().decode("utf-8", "surrogatepass")
        return cls(tuple(spelt.split("\n")) if spelt else (), manifest["wholes"], arrays["idf"], manifest["texts"])

    @cached_property
    def _wholes(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self.names[: self.wholes])}

    @cached_property
    def _parts(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self.names[self.wholes :], self.wholes)}

    def _half(self, counted: Counter[str], known: dict[str, int], learned: bool) -> tuple[Ids, Floats]:
        """Which of one half, and how much of each, beside what is not known."""
        found = sorted((known[name], many) for name, many in counted.items() if name in known)
        ids = np.array([at for at, _ in found], np.int64)
        values = _often([many for _, many in found]) * self.idf[ids]
        new = [] if learned else [many for name, many in counted.items() if name not in known]
        strange = _often(new) * (np.log(1 + self.texts) + 1)
        return ids, values / np.sqrt(2 * (values @ values + strange @ strange))


def _often(counts: list[int]) -> Floats:
    return 1 + np.log(np.array(counts, np.float64))
