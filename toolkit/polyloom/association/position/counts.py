"""Raw counts of a position-specific association model: how often b came exactly d tokens after a.

Row r = a · window + (d − 1) lists the tokens that came d after a, ascending, each with its count; `frequency` says how
often each token came at all.  Integers only, and everything else is derived from them: so models merge and subtract
exactly, and the order of documents never matters.  No pair crosses from one document to the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom.association.joins import Join, Run, added, taken_away
from polyloom.association.text import Text
from polyloom.documents import Ids
from polyloom.errors import FileError, InputError
from polyloom.files import Arrays
from polyloom_kernels.count import Pairs, pairs

MOST = 2**32 - 1  # a count; uint32
TOTAL = 2.0**62  # tokens; their sum stays an int64


@dataclass(frozen=True, eq=False)
class PositionCounts:
    """`pairs` as counted, `frequency` int64 (V,)."""

    pairs: Pairs
    frequency: Ids

    @classmethod
    def of(cls, documents: Sequence[Ids], vocabulary_size: int, window: int) -> "PositionCounts":
        """Count documents of ids below `vocabulary_size`."""
        text = Text.join(documents)
        found = pairs(text.tokens, text.starts, vocabulary_size, window)
        return cls(found, np.bincount(text.tokens, minlength=vocabulary_size))

    @property
    def size(self) -> int:
        """The number of tokens in the vocabulary, V."""
        return len(self.frequency)

    @property
    def window(self) -> int:
        """The largest distance."""
        return (len(self.pairs.starts) - 1) // self.size

    @property
    def tokens(self) -> int:
        """How many tokens of text were counted."""
        return int(self.frequency.sum())

    def seen(self, token: int, distance: int, target: int) -> tuple[int, int]:
        """How often `target` came `distance` after `token`, and how many tokens did."""
        row = token * self.window + distance - 1
        place = slice(int(self.pairs.starts[row]), int(self.pairs.starts[row + 1]))
        targets, counts = self.pairs.targets[place], self.pairs.counts[place]
        at = int(np.searchsorted(targets, target))
        found = at < len(targets) and int(targets[at]) == target
        return int(counts[at]) if found else 0, int(counts.sum())

    def plus(self, other: "PositionCounts", sign: int = 1) -> "PositionCounts":
        """The counts of both texts; with sign −1, of this text without the other one."""
        return self.joined(other, added if sign > 0 else taken_away)

    def joined(self, other: "PositionCounts", join: Join) -> "PositionCounts":
        """What `join` makes of both, count by count.

        Raises InputError if the other one was to be taken away and was no part of it, or if a count no longer fits 32
        bits.
        """
        every = np.arange(self.size)
        keys, counts = join(self._run(), other._run())
        _, frequency = join((every, self.frequency), (every, other.frequency))
        if counts.min(initial=0) < 0 or frequency.min() < 0:
            raise InputError("Only text that was counted can be subtracted: some of this was not, or not so often.")
        _check(int(counts.max(initial=0)))
        left = counts > 0
        return PositionCounts(_rows(keys[left], counts[left], self), frequency)

    def times(self, n: int) -> "PositionCounts":
        """The counts of n copies of the text; InputError if one no longer fits 32 bits."""
        pairs = self.pairs
        _check(n * max(int(pairs.counts.max(initial=0)), int(self.frequency.max())))
        return PositionCounts(Pairs(pairs.starts, pairs.targets, pairs.counts * n), self.frequency * n)

    def arrays(self) -> Arrays:
        """The counts as arrays of a file; a row is stored by its length."""
        lengths = np.diff(self.pairs.starts).astype(np.uint32)
        return {
            "pairs.lengths": lengths,
            "pairs.targets": self.pairs.targets,
            "pairs.counts": self.pairs.counts,
            "frequency": self.frequency,
        }

    @classmethod
    def stored(cls, arrays: Arrays, vocabulary_size: int, window: int) -> "PositionCounts":
        """The counts that `arrays` described; FileError if one is missing or holds what cannot have been counted."""
        frequency = _array(arrays, "frequency", "int64")
        if len(frequency) != vocabulary_size or frequency.min() < 0 or not 0 < frequency.sum(dtype=float) < TOTAL:
            raise FileError(f"The array 'frequency' does not hold {vocabulary_size} counts of tokens.")
        starts = np.cumsum(np.append(0, _array(arrays, "pairs.lengths", "uint32")), dtype=np.int64)
        targets, counts = _array(arrays, "pairs.targets", "uint16", "uint32"), _array(arrays, "pairs.counts", "uint32")
        if len(starts) != vocabulary_size * window + 1 or not starts[-1] == len(targets) == len(counts):
            raise FileError("The arrays 'pairs.lengths', 'pairs.targets' and 'pairs.counts' do not agree.")
        if not _ascending(starts, targets, vocabulary_size) or (len(counts) and not counts.min()):
            raise FileError("The arrays of pairs do not hold ascending targets of the vocabulary, each counted.")
        return cls(Pairs(starts, targets, counts), frequency)

    def _run(self) -> Run:
        """Rows and targets as one sorted key, with their counts."""
        rows = np.repeat(np.arange(len(self.pairs.starts) - 1), np.diff(self.pairs.starts))
        return rows * self.size + self.pairs.targets, self.pairs.counts.astype(np.int64)


def _check(largest: int) -> None:
    if largest > MOST:
        raise InputError(f"A count would be {largest:,}; {MOST:,} is the largest that can be kept.")


def _rows(keys: Ids, counts: Ids, like: PositionCounts) -> Pairs:
    rows, targets = np.divmod(keys, like.size)
    starts = np.append(0, np.cumsum(np.bincount(rows, minlength=len(like.pairs.starts) - 1)))
    return Pairs(starts, targets.astype(like.pairs.targets.dtype), counts.astype(np.uint32))


def _array(arrays: Arrays, name: str, *types: str) -> NDArray[Any]:
    found = arrays.get(name)
    if found is None or found.ndim != 1 or found.dtype.name not in types:
        raise FileError(f"The array {name!r} is missing, or is no row of {' or '.join(types)}.")
    return found


def _ascending(starts: Ids, targets: NDArray[Any], vocabulary_size: int) -> bool:
    """Whether the targets are below the vocabulary's size and ascend within each row."""
    inside = np.ones(len(targets) + 1, np.bool_)
    inside[starts] = False
    later = np.flatnonzero(inside[:-1])
    return int(targets.max(initial=0)) < vocabulary_size and bool((targets[later] > targets[later - 1]).all())
