"""The arithmetic of `sample`: whole numbers, so that NumPy, compiled code and a GPU agree to the last bit.

    q_y = (max x − x_y) · log2(e) / temperature        how far below the likeliest, in octaves: multiples of 2^-32
    w_y = 2^40 · 2^-q_y                                its weight: a whole number, whatever the order of a sum

The distance is taken in float64, where one subtraction and one product are rounded alike everywhere; adding 2^20 then
leaves its bits in the lower half of the number.  2^-f for the fraction f of a distance is a polynomial on whole numbers
of 32 bits, within 2^-29 of the truth.  Beyond 40 octaves a weight is zero; beyond 64 no distance is told from another.

The dice are counted, not kept: 64 bits of Philox 4 × 32 with ten rounds (Salmon et al., "Parallel random numbers: as
easy as 1, 2, 3", 2011) of a seed and a place.
"""

import math
import sys
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

Longs: TypeAlias = NDArray[np.int64]
Words: TypeAlias = NDArray[np.uint64]
Reals: TypeAlias = NDArray[np.float64]

ONE = 1 << 32  # an octave, and the fraction that is 1
HALVING = (ONE, 2977044451, 1031764582, 238385179, 41297481, 5701304, 631391, 46168)  # 2^-f = Σ (−1)^k c_k f^k, minimax
LIFT = 8  # a weight of 1 is 2^(32 + 8)
FARTHEST, CLOSED = 64, 65  # octaves: no distance is larger, and that of what may not come
SHIFT = float(1 << 20)  # added to a distance, its last bit is 2^-32
MANTISSA = (1 << 52) - 1
FINEST = 27  # low bits of a distance that a level leaves out: 32 levels an octave
OPEN, LEVELS = (FARTHEST * ONE >> FINEST) + 1, (CLOSED * ONE >> FINEST) + 1
IDS = 24  # bits of a token id beside its distance, in the key by which tokens are in order
NOTHING = 2.0**-200  # instead of a temperature or a min_p of 0, which are taken by themselves

MULTIPLY, WEYL = (0xD2511F53, 0xCD9E8D57), (0x9E3779B9, 0xBB67AE85)
ROUNDS = 10
MOST_DICE = (1 << 64) - 2  # one below all bits set, which says that none are thrown
MIX = (0x85EBCA6B, 0xC2B2AE35)  # of the finaliser of MurmurHash3


class Settings(NamedTuple):
    """What is left of each row, as whole numbers (B,): `scale` float64 is log2(e) / temperature.

    `most` is top_k; `part` is top_p in parts of 2^32; `reach` is the largest distance that min_p leaves.
    """

    scale: Reals
    most: Longs
    part: Words
    reach: Words


def settled(
    rows: int, tokens: int, temperature: ArrayLike, top_k: ArrayLike, top_p: ArrayLike, min_p: ArrayLike
) -> Settings:
    """Settings of so many rows, each one number or one for each row.  Raises ValueError for what has no meaning."""
    heat, most = spread("temperature", temperature, rows, 0), spread("top_k", top_k, rows, 0)
    part, least = spread("top_p", top_p, rows, sys.float_info.min, 1), spread("min_p", min_p, rows, 0, 1)
    if (most % 1).any():
        raise ValueError(f"top_k must be a whole number, got {top_k!r}.")
    scale = math.log2(math.e) / np.maximum(heat, NOTHING)
    reach = np.minimum(np.rint(-np.log2(np.maximum(least, NOTHING)) * ONE), FARTHEST * ONE)
    most = np.where(heat == 0, 1, np.minimum(np.where(most == 0, tokens, most), tokens))
    return Settings(scale, most.astype(np.int64), np.floor(part * ONE).astype(np.uint64), reach.astype(np.uint64))


def spread(name: str, given: ArrayLike, rows: int, smallest: float, largest: float = sys.float_info.max) -> Reals:
    """One number for each row, float64 (rows,), within bounds."""
    numbers = np.asarray(given)
    if numbers.dtype.kind not in "iuf" or numbers.shape not in ((), (rows,)):
        raise ValueError(f"{name} must be a number, or one for each of {rows} rows; got {given!r}.")
    ends: tuple[Any, Any] = (numbers.min(), numbers.max()) if numbers.shape and rows else (given, given)
    if rows and not smallest <= ends[0] <= ends[1] <= largest:
        bound = "more than 0" if 0 < smallest < 1 else f"{smallest:g} or more"
        raise ValueError(f"{name} must be {bound} and at most {largest:g}, got {given!r}.")
    found = np.empty(rows)
    found[:] = numbers
    return found


def philox(seed: int, low: int, high: int = 0) -> int:
    """64 random bits that belong to 64 bits of seed and 128 of a counter: the first two words of four."""
    a, b, c, d = low & ONE - 1, low >> 32, high & ONE - 1, high >> 32
    red, blue = seed & ONE - 1, seed >> 32
    for _ in range(ROUNDS):
        left, right = MULTIPLY[0] * a, MULTIPLY[1] * c
        a, b, c, d = right >> 32 ^ b ^ red, right & ONE - 1, left >> 32 ^ d ^ blue, left & ONE - 1
        red, blue = red + WEYL[0] & ONE - 1, blue + WEYL[1] & ONE - 1
    return a | b << 32


def dice(seed: int, place: int) -> int:
    """What is thrown at a place of a text: from 0 to 2^64 − 2."""
    return min(philox(seed, place), MOST_DICE)
