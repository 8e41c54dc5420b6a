"""How a text is remembered: which orders, and how recent tokens fade."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_ORDERS = 8  # compiled code marks the orders of a token in one byte
LONGEST = 255  # tokens of an order
MOST_BUCKETS = 1024
LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Memory:
    """The default halves the weight of a token every five hundred tokens, and forgets it after some four thousand.

    `prior` is how many tokens' weight the unigram has among the recent ones; `discount` is taken off every count.
    Raises ValueError for numbers with which a text cannot be remembered.
    """

    orders: tuple[int, ...] = (1, 2, 3, 4, 6)
    bucket: int = 256  # tokens
    buckets: int = 16
    half_life: float = 500.0  # tokens
    prior: float = 10.0
    discount: float = 0.1

    def __post_init__(self) -> None:
        whole = [*self.orders, self.bucket, self.buckets]
        if any(type(number) is not int or number < 1 for number in whole) or max(whole) > LARGEST:
            raise ValueError(f"Orders, bucket and buckets must be whole numbers from 1 to {LARGEST:,}, got {self}.")
        if not 1 <= len(self.orders) <= MOST_ORDERS or list(self.orders) != sorted(set(self.orders)):
            raise ValueError(f"Expected 1 to {MOST_ORDERS} orders, ascending, got {self.orders}.")
        if self.orders[-1] > LONGEST:
            raise ValueError(f"Expected orders of at most {LONGEST} tokens, got {self.orders}.")
        if self.buckets > MOST_BUCKETS:
            raise ValueError(f"Expected at most {MOST_BUCKETS} buckets, got {self.buckets}.")
        real = [self.half_life, self.prior, self.discount]
        if any(type(number) not in (int, float) for number in real):
            raise ValueError(f"The half-life, the prior and the discount must be numbers, got {self}.")
        if not (0 < self.half_life <= LARGEST and 0 < self.prior <= LARGEST and 0 < self.discount < 1):
            raise ValueError(
                f"The half-life and the prior must be above 0 and at most {LARGEST:,}, the discount between 0 and 1 "
                f"(or a token might be impossible), got {self}."
            )

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
