"""What a token says about the one some distance after it: positive pointwise mutual information, the best of each row.

    PMI(a, d, b) = ln  (c(a, d, b) − D) / c(a, d)  −  ln u(b)                  u the smoothed unigram
    evidence     = c(a, d, b) · PMI                                            what the text gains by knowing it

D = n₁ / (n₁ + 2 n₂) discounts every count, as in Kneser–Ney: without it what came once looks as sure as what came
always.  A row keeps the pairs with positive PMI, and of those the `cap` with most evidence, ties by smaller id.
Choosing by evidence and not by PMI matters: the largest PMI belongs to pairs of rare tokens that came together once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from polyloom.association.position.counts import PositionCounts
from polyloom.documents import Ids
from polyloom.model import Floats

FALLBACK = 0.75  # the discount where nothing was seen once, or twice
BLOCK = 1 << 20  # pairs weighed at a time


@dataclass(frozen=True, eq=False)
class PositionRows:
    """The capped rows: row r holds starts[r] : starts[r + 1] of `targets` (ascending) and `pmi` float32, in nats."""

    starts: Ids
    targets: Ids
    pmi: NDArray[np.float32]

    @classmethod
    def of(cls, counts: PositionCounts, cap: int) -> "PositionRows":
        """Weigh all pairs and keep the best `cap` of each row."""
        unigram, discount = np.log(unigram_of(counts.frequency)), _discount(counts)
        parts = [_weighed(counts, rows, unigram, discount, cap) for rows in _blocks(counts.pairs.starts)]
        lengths, targets, pmi = (np.concatenate(part) for part in zip(*parts, strict=True))
        return cls(np.append(0, np.cumsum(lengths)), targets, pmi)


def unigram_of(frequency: Ids) -> Floats:
    """How likely each token is wherever it stands: counted, plus half."""
    return (frequency + 0.5) / (frequency.sum() + 0.5 * len(frequency))


def idf_of(frequency: Ids) -> Floats:
    """Inverse frequency ln(N / c(a)), scaled so that over the text its mean is one; float64 (V,)."""
    total = frequency.sum()
    rarity = np.log(total / np.maximum(frequency, 1))
    mean = float(rarity @ frequency) / total
    return rarity / mean if mean > 0 else np.ones(len(frequency))


def _discount(counts: PositionCounts) -> float:
    once, twice = (int(np.count_nonzero(counts.pairs.counts == n)) for n in (1, 2))
    return once / (once + 2 * twice) if once and twice else FALLBACK


def _blocks(starts: Ids) -> Iterator[slice]:
    """Runs of rows with about BLOCK pairs each; all rows, in order."""
    edges = np.searchsorted(starts, np.arange(BLOCK, int(starts[-1]), BLOCK))
    edges = np.unique(np.concatenate([[0], edges, [len(starts) - 1]]))
    return (slice(first, last) for first, last in pairwise(edges.tolist()))


def _weighed(
    counts: PositionCounts, rows: slice, unigram: Floats, discount: float, cap: int
) -> tuple[Ids, Ids, NDArray[np.float32]]:
    """Lengths, targets and PMI of the kept pairs of some rows."""
    starts = counts.pairs.starts[rows.start : rows.stop + 1]
    place = slice(int(starts[0]), int(starts[-1]))
    targets, seen = counts.pairs.targets[place].astype(np.int64), counts.pairs.counts[place].astype(np.float64)
    row = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    totals = np.log(np.maximum(1, np.bincount(row, seen, len(starts) - 1)))
    pmi = (np.log(seen - discount) - totals[row] - unigram[targets]).astype(np.float32)
    positive = np.flatnonzero(pmi > 0)
    evidence = (seen[positive] * pmi[positive]).astype(np.float32)
    kept = positive[_best(row[positive], evidence, cap)]
    return np.bincount(row[kept], minlength=len(starts) - 1), targets[kept], pmi[kept]


def _best(row: Ids, evidence: NDArray[np.float32], cap: int) -> NDArray[np.bool_]:
    """The `cap` best entries of each row, earlier ones first among equals; rows ascend, evidence is positive.

    The bits of a positive float order as the float does, so row and evidence make one key to sort.
    """
    if not len(row):
        return np.zeros(0, np.bool_)
    worse = np.uint64(2**32 - 1) - evidence.view(np.uint32).astype(np.uint64)
    keys = row.astype(np.uint64) << np.uint64(32) | worse
    ends = np.flatnonzero(np.diff(row, append=-1)) + 1
    starts = np.append(0, ends[:-1])
    lengths = ends - starts
    last = np.sort(keys)[np.minimum(starts + cap, ends) - 1]  # the worst key that is kept in each row
    which = np.repeat(np.arange(len(ends)), lengths)
    better, equal = keys < last[which], keys == last[which]
    room = np.minimum(cap, lengths) - np.add.reduceat(better, starts, dtype=np.int64)
    before = np.cumsum(equal) - equal
    return better | (equal & (before - before[starts][which] < room[which]))
