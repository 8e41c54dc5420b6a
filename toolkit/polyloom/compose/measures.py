"""How alike two distributions are: three measures, each from 0 (nothing in common) to 1 (the same).

    jensen-shannon    1 − ½ Σ_y [ p log₂ (p / m) + q log₂ (q / m) ],   m = ½ (p + q)
                      (Lin, "Divergence measures based on the Shannon entropy", 1991): 1 minus how many bits one token
                      tells of which of the two models it came from
    hellinger         1 − √( ½ Σ_y (√p − √q)² ): like the first, but small differences count for more
    top-k overlap     how many of the k likeliest tokens of both are the same, divided by k; ties by smaller id

The first two are of whole distributions; the last is of what a reader sees.  Rows are log-probabilities (n, V), and are
read in strips that stay in the processor's cache.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError
from polyloom.model import Floats
from polyloom.whole import whole

Measure: TypeAlias = Callable[[Floats, Floats], Floats]

STRIP = 2**18  # bytes of rows of each model that are read together


def measure_of(name: object, k: object) -> Measure:
    """The measure of a name: how alike rows (n, V) are, float64 (n,); InputError listing the known ones.

    `k` is for the overlap, and is at least 1; a vocabulary of fewer tokens has that many likeliest ones.
    """
    found = {**MEASURES, "top-k overlap": partial(overlap, k=whole("k", k, 1))}
    if not isinstance(name, str) or name not in found:
        raise InputError(f"Unknown measure {name!r}; known are {', '.join(found)}.")
    return found[name]


def jensen_shannon(ours: Floats, theirs: Floats) -> Floats:
    """1 minus the Jensen–Shannon divergence in bits."""
    return 1.0 - np.clip(0.5 * _in_strips(_bits, np.exp(ours), np.exp(theirs)), 0.0, 1.0)


def hellinger(ours: Floats, theirs: Floats) -> Floats:
    """1 minus the Hellinger distance."""
    return 1.0 - np.sqrt(np.minimum(0.5 * _in_strips(_squares, ours, theirs), 1.0))


def overlap(ours: Floats, theirs: Floats, k: int) -> Floats:
    """The share of the k likeliest tokens that both have in common."""
    k = min(k, ours.shape[1])
    return _in_strips(partial(_common, k=k), ours, theirs) / k


MEASURES: dict[str, Measure] = {"jensen-shannon": jensen_shannon, "hellinger": hellinger}


def _bits(p: Floats, q: Floats) -> Floats:
    """Σ p log₂ (p / m) + q log₂ (q / m) of each row; exactly 0 where both are the same."""
    middle = 0.5 * (p + q)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 · log 0 is nothing
        found = p * np.log2(p / middle), q * np.log2(q / middle)
    ours, theirs = (np.nan_to_num(part, copy=False, nan=0.0, posinf=0.0).sum(1) for part in found)
    return ours + theirs


def _squares(ours: Floats, theirs: Floats) -> Floats:
    return np.square(np.exp(0.5 * ours) - np.exp(0.5 * theirs)).sum(1)


def _common(ours: Floats, theirs: Floats, k: int) -> Floats:
    return np.count_nonzero(_likeliest(ours, k) & _likeliest(theirs, k), axis=1).astype(np.float64)


def _likeliest(rows: Floats, k: int) -> NDArray[np.bool_]:
    """Where the k largest of each row stand, those of smaller id first among equals."""
    least = np.partition(rows, rows.shape[1] - k, axis=1)[:, rows.shape[1] - k, None]
    above, equal = rows > least, rows == least
    room = k - np.count_nonzero(above, axis=1)
    return above | (equal & (np.cumsum(equal, axis=1) <= room[:, None]))


def _in_strips(of: Measure, ours: Floats, theirs: Floats) -> Floats:
    step = max(1, STRIP // (8 * ours.shape[1]))
    parts = [of(ours[at : at + step], theirs[at : at + step]) for at in range(0, len(ours), step)]
    return np.concatenate(parts) if parts else np.empty(0)
