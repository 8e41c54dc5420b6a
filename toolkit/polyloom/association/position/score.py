"""The score of a position-specific model: its few numbers, and the packed rows that hold it.

    score(b | context) = Σ_d  [ decay(d) · idf(a_d)^x · PMI(a_d, d, b)  +  consensus(d) ]
    p(b | context)     ∝  u(b) · exp score(b)

a_d is the token d back, and the sum runs over the rows (a_d, d) that list b: the more of them, the more consensus.
Decay and consensus have one value for each octave of distance (1, 2, 3–4, 5–8 …).  They hold the temperature too:
smaller ones make a flatter distribution.  `fit` fits them, and x, on held-out text.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyloom.association.position.rows import PositionRows
from polyloom.documents import Ids
from polyloom.errors import FileError
from polyloom.model import Arrays, Floats, Manifest
from polyloom_kernels.recall import Store, pack

SUREST = 126.0  # nats that one pair may add
HIGHEST = 2**16  # a decay or a consensus


@dataclass(frozen=True, eq=False)
class PositionScore:
    """The numbers of a score: `decay` and `consensus` (nats) float64 (window,), `exponent` of the IDF."""

    decay: Floats
    consensus: Floats
    exponent: float

    @classmethod
    def unfitted(cls, window: int) -> "PositionScore":
        """Half as much with each octave of distance: near what is fitted on prose."""
        return cls(np.power(0.5, octaves(window)), np.zeros(window), 0.0)

    @classmethod
    def stored(cls, manifest: Manifest, arrays: Arrays, window: int) -> "PositionScore":
        """The score that a file holds; FileError if it holds none."""
        decay, consensus = (np.array(arrays[f"score.{name}"]) for name in ("decay", "consensus"))
        for values in (decay, consensus):
            sound = values.shape == (window,) and values.dtype == np.float64
            if not sound or not ((values >= 0) & (values < HIGHEST)).all():
                raise FileError(f"Decay and consensus must be from 0 to {HIGHEST} for each of {window} distances.")
        exponent = manifest["exponent"]
        if not isinstance(exponent, float) or not 0 <= exponent <= 1:
            raise FileError(f"The exponent of the IDF must be from 0 to 1, the file says {exponent!r}.")
        return cls(decay, consensus, exponent)

    def mixed(self, other: "PositionScore", share: float) -> "PositionScore":
        """A mean of two scores, `share` of it the other one's."""
        return PositionScore(
            (1 - share) * self.decay + share * other.decay,
            (1 - share) * self.consensus + share * other.consensus,
            (1 - share) * self.exponent + share * other.exponent,
        )


def octaves(window: int) -> Ids:
    """The octave of each distance 1 … window: 0, 1, 2, 2, 3, 3, 3, 3, …"""
    return np.ceil(np.log2(np.arange(1, window + 1))).astype(np.int64)


def packed(rows: PositionRows, score: PositionScore, idf: Floats, bias: NDArray[np.int32]) -> Store:
    """The rows under a score; what adds nothing is left out."""
    window = len(score.decay)
    factor, offset = np.outer(idf**score.exponent, score.decay).reshape(-1), np.tile(score.consensus, len(idf))
    row = np.repeat(np.arange(len(factor)), np.diff(rows.starts))
    added = np.minimum(rows.pmi * factor[row] + offset[row], SUREST)
    kept = added > 0
    starts = np.append(0, np.cumsum(np.bincount(row[kept], minlength=len(factor))))
    return pack(starts, rows.targets[kept], added[kept], bias, window)
