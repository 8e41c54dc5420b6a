"""How a text is remembered: which orders, and how recent tokens fade."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Memory:
    """The default halves the weight of a token every thousand tokens or so, and forgets it after some four thousand.

    `prior` is how many tokens' weight the unigram has among the recent ones; `discount` is taken off every count.
    """

    orders: tuple[int, ...] = (1, 2, 4)
    bucket: int = 256  # tokens
    buckets: int = 16
    half_life: float = 1000.0  # tokens
    prior: float = 10.0
    discount: float = 0.3

    @property
    def fade(self) -> float:
        """What a bucket is worth beside the next one."""
        return 0.5 ** (self.bucket / self.half_life)

    def weights(self) -> NDArray[np.float64]:
        """Of each bucket, the newest first, float64 (buckets,)."""
        return np.power(self.fade, np.arange(self.buckets, dtype=np.float64))

    def numbers(self) -> NDArray[np.float64]:
        """All but the orders, as the compiled back end reads it."""
        return np.array([self.bucket, self.buckets, self.fade, self.prior, self.discount])
