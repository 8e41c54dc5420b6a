"""A watermark: after each token some tokens are green, and their numbers are raised; a text then has too many of them.

    green(y)  ⇔  hash(y, seed of the token before) < share · 2^32             the seed from Philox of the key

(Kirchenbauer et al., "A Watermark for Large Language Models", 2023, with the soft list: numbers of green tokens grow by
δ.)  Who has the key counts: of T pairs of tokens that nobody marked, share · T ± √(T · share · (1 − share)) are green.
Pairs that come again count once, because one of them says nothing about the next.
"""

import math
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom_kernels.sample.weights import MIX, ONE, Words, philox


@dataclass(frozen=True)
class Watermark:
    """A `key` from 0 to below 2^64, the `share` of tokens that are green, and the `boost` δ that they get.

    Raises ValueError naming the value that is out of range.
    """

    key: int
    share: float = 0.5
    boost: float = 2.0

    def __post_init__(self) -> None:
        if isinstance(self.key, bool) or not isinstance(self.key, Integral) or not 0 <= self.key < 1 << 64:
            raise ValueError(f"A watermark's key is a whole number from 0 to below 2^64, got {self.key!r}.")
        for name, given, most in (("share", self.share, 1), ("boost", self.boost, math.inf)):
            if isinstance(given, bool) or not isinstance(given, Real) or not 0 < given < most:
                raise ValueError(f"A watermark's {name} is a number above 0 and below {most}, got {given!r}.")

    @property
    def threshold(self) -> int:
        """The hash below which a token is green."""
        return int(self.share * ONE)

    def green(self, before: int, tokens: ArrayLike) -> NDArray[np.bool_]:
        """Which of some tokens are green after `before`."""
        return mixed(np.asarray(tokens), philox(self.key, before) & ONE - 1) < self.threshold

    def evidence(self, tokens: ArrayLike) -> float:
        """By how many standard deviations a text (T,) has more green tokens than chance gives; 0 for one token."""
        ids = np.asarray(tokens)
        if ids.ndim != 1 or ids.dtype.kind not in "iu" or (len(ids) and ids.min() < 0):
            raise ValueError(f"Expected the tokens of a text, whole numbers (T,), got {ids.dtype} {ids.shape}.")
        pairs: list[list[int]] = np.unique(np.stack([ids[:-1], ids[1:]], 1), axis=0).tolist() if len(ids) > 1 else []
        found = sum(bool(self.green(before, token)) for before, token in pairs)
        spread = math.sqrt(len(pairs) * self.share * (1 - self.share))
        return (found - self.share * len(pairs)) / spread if pairs else 0.0


def mixed(tokens: NDArray[np.generic], seed: int) -> Words:
    """The hash of tokens under a seed: 32 bits, by the finaliser of MurmurHash3."""
    low, h = np.uint64(ONE - 1), tokens.astype(np.uint64) ^ np.uint64(seed)
    for shift, factor in zip((16, 13), MIX, strict=True):
        h = (h ^ h >> np.uint64(shift)) * np.uint64(factor) & low
    return h ^ h >> np.uint64(16)
