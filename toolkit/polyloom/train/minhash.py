"""MinHash: short signatures whose agreement estimates the similarity of sets, and an index that finds similar ones.

    signature   h_i(A) = min over x in A of (a_i · x + b_i mod 2^64)        i = 1 … 128, the upper 32 bits are kept
    estimate    share of i with h_i(A) = h_i(B)  ≈  similarity(A, B)        standard deviation √(s (1 − s) / 128)

(Broder 1997, "On the resemblance and containment of documents".)  The index cuts signatures into b bands of r numbers,
and looks at those pairs only that agree in a whole band: a pair of similarity s is seen with a chance of
1 − (1 − s^r)^b (locality-sensitive hashing; Indyk and Motwani 1998).  Of the possible bands, those are taken that look
at the fewest pairs and miss at most one in a thousand at the threshold: b = 25, r = 5 for 0.8.

Whoever asks the index verifies: it may name pairs that are not similar.
"""

import math
from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from polyloom.train.shingles import Hashes, mixed

SIZE = 128  # numbers in a signature
MISSED = 1e-3  # of the pairs at the threshold
SURE = 4.0  # standard deviations below the threshold where an estimate rules a pair out
TOGETHER = 8_192  # shingles that are hashed at a time: 8 MB

Signature = NDArray[np.uint32]  # (SIZE,)
Signatures = NDArray[np.uint32]  # (documents, SIZE)

_NUMBERS = mixed(np.arange(2 * SIZE, dtype=np.uint64))
FACTORS, SHIFTS = _NUMBERS[:SIZE] | np.uint64(1), _NUMBERS[SIZE:]


def signatures(sets: Sequence[Hashes]) -> Signatures:
    """The signatures of sets of shingles; that of an empty set means nothing."""
    found = np.full((len(sets), SIZE), np.iinfo(np.uint32).max, np.uint32)
    flat = np.concatenate([*sets, np.empty(0, np.uint64)])  # (shingles,)
    sizes = np.array([len(each) for each in sets])
    ends = np.cumsum(sizes)
    for at in range(0, len(flat), TOGETHER):  # a large set may lie in several parts
        here = np.flatnonzero((ends > at) & (ends - sizes < at + TOGETHER) & (sizes > 0))
        hashed = flat[at : at + TOGETHER] * FACTORS[:, None] + SHIFTS[:, None]  # (SIZE, part)
        smallest = np.minimum.reduceat(hashed, np.maximum(ends - sizes - at, 0)[here], axis=1)  # (SIZE, here)
        found[here] = np.minimum(found[here], (smallest >> np.uint64(32)).astype(np.uint32).T)
    return found


def agreement(one: Signature, others: Signatures) -> NDArray[np.float64]:
    """The estimated similarity of one signature (SIZE,) to each of others (n, SIZE)."""
    return (one == others).mean(axis=1)


def bands_for(threshold: float) -> tuple[int, int]:
    """How many bands of how many numbers find pairs at the threshold."""
    fine = [rows for rows in range(1, SIZE + 1) if (1 - threshold**rows) ** (SIZE // rows) <= MISSED]
    rows = max(fine, default=1)
    return SIZE // rows, rows


@final
class Index:
    """Signatures by number; `near` gives the numbers of those that may be as similar as the threshold."""

    def __init__(self, threshold: float) -> None:
        self._bands, self._rows = bands_for(threshold)
        self._least = threshold - SURE * math.sqrt(threshold * (1 - threshold) / SIZE)
        self._first: dict[int, int] = {}  # by key: the first number, and the others; most keys have no others
        self._others: dict[int, list[int]] = {}
        self._signatures: dict[int, Signature] = {}

    def keys(self, found: Signatures) -> list[list[int]]:
        """For each signature the keys of its bands, different for different bands."""
        parts = found[:, : self._bands * self._rows].reshape(len(found), self._bands, self._rows)
        keys = np.broadcast_to(np.arange(self._bands, dtype=np.uint64), parts.shape[:2])
        for row in range(self._rows):
            keys = mixed(keys ^ parts[:, :, row])
        return keys.tolist()

    def add(self, number: int, signature: Signature, keys: Sequence[int]) -> None:
        """Hold a signature (SIZE,), with its keys, under a number."""
        self._signatures[number] = signature
        for key in keys:
            if self._first.setdefault(key, number) != number:
                self._others.setdefault(key, []).append(number)

    def near(self, signature: Signature, keys: Sequence[int]) -> list[int]:
        """The numbers that share a band with a signature (SIZE,) and are not ruled out by its estimate, in order."""
        known = [key for key in keys if key in self._first]
        if not known:
            return []
        others = (number for key in known for number in self._others.get(key, ()))
        numbers = sorted({self._first[key] for key in known}.union(others))
        estimates = agreement(signature, np.stack([self._signatures[number] for number in numbers]))
        return [number for number, estimate in zip(numbers, estimates, strict=True) if estimate >= self._least]
