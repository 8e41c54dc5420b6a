"""The mean of something over the tokens of documents, and how sure one may be of it.

    mean = Σ values / tokens          interval: 95 % by the bootstrap

What is drawn anew are documents.  Two or three that happen to agree would make any mean look certain, so fewer than ten
are cut into blocks of tokens; these are not independent, and the interval is then too narrow rather than too wide.
Values may be +∞ (a token that one of two models finds impossible):
then so is the mean, and the interval says how often that would have been drawn.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError
from polyloom.evaluate.bootstrap import draws, interval
from polyloom.evaluate.report import BLOCK, FEWEST, Figure, many

Floats = NDArray[np.float64]

FEW = 10  # documents; fewer are cut


def mean_of(documents: Sequence[Floats], seed: int = 0) -> tuple[Figure, str]:
    """Of values of each token (T,), one array a document, none of them NaN or −∞; and what was drawn, in words.

    Raises InputError if there is no token.
    """
    given = [values for values in documents if len(values)]
    if not given:
        raise InputError("Expected texts with at least one token; they hold none.")
    units, drawn = (given, many(len(given), "document")) if len(given) >= FEW else _blocks(given)
    sums = np.array([_sums(values) for values in units])
    return Figure(float(_mean(sums.sum(0))), *interval(_mean(draws(sums, seed)))), drawn


def _blocks(documents: Sequence[Floats]) -> tuple[list[Floats], str]:
    """Each document cut into blocks of so many tokens, the last of fewer."""
    length = max(1, min(BLOCK, sum(map(len, documents)) // FEWEST))
    found = [block for values in documents for block in np.split(values, range(length, len(values), length))]
    return found, f"{many(len(found), 'block')} of {many(length, 'token')}"


def _sums(values: Floats) -> Floats:
    """Σ of what is finite, how many are not, how many there are."""
    finite = np.isfinite(values)
    return np.array([values[finite].sum(), np.count_nonzero(~finite), len(values)])


def _mean(sums: Floats) -> Floats:
    return np.where(sums[..., 1] > 0, np.inf, sums[..., 0] / sums[..., 2])
