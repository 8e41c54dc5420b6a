"""The definition of `pairs` in NumPy: one key for each pair, counted."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.count.reference import Integers, count


class Pairs(NamedTuple):
    """The result of `pairs`: row r holds `starts[r] : starts[r + 1]` of `targets` and `counts`, targets ascending.

    `starts` int64 (V · window + 1,), `targets` uint16 or uint32 (M,), `counts` uint32 (M,).
    """

    starts: Integers
    targets: NDArray[np.uint16 | np.uint32]
    counts: NDArray[np.uint32]


def pairs(tokens: NDArray[Any], starts: Integers, vocabulary_size: int, window: int) -> Pairs:
    """Count the pairs of each offset."""
    wide = tokens.astype(np.int64)
    document = np.searchsorted(starts, np.arange(len(wide)), "right")
    keys: list[Integers] = [np.empty(0, np.int64)]
    for offset in range(1, min(window + 1, len(wide))):
        same = document[offset:] == document[:-offset]
        rows = wide[:-offset][same] * window + (offset - 1)
        keys.append(rows * vocabulary_size + wide[offset:][same])
    found = count(np.concatenate(keys), ranks=False)
    rows, targets = np.divmod(found.keys, vocabulary_size)
    ends = np.cumsum(np.bincount(rows, minlength=vocabulary_size * window))
    return Pairs(np.append(0, ends), targets.astype(target_type(vocabulary_size)), found.counts.astype(np.uint32))


def target_type(vocabulary_size: int) -> type[np.uint16] | type[np.uint32]:
    """The narrower type that holds every token, and the vocabulary's size itself."""
    return np.uint16 if vocabulary_size < 2**16 else np.uint32
