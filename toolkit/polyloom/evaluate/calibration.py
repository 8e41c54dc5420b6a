"""Calibration: of the tokens that a model was 30 % sure of, did 30 % come?

At each place the model's confidence is the probability of its likeliest token, and it is right if that token came.
Places are gathered in 15 equal bins of confidence; the expected calibration error (Naeini, Cooper and Hauskrecht, 2015;
Guo et al., 2017) is how far confidence is from accuracy in each bin, by their size.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BINS = 15


def binned(chances: Floats, right: Floats) -> Floats:
    """Of places (T,): how many fall into each bin, the sum of their confidence, how many were right; (3, BINS)."""
    within = np.minimum((chances * BINS).astype(np.int64), BINS - 1)
    summed = [np.bincount(within, weights, BINS) for weights in (np.ones(len(chances)), chances, right)]
    return np.array(summed, np.float64)


def calibration_error(bins: Floats) -> Floats:
    """Expected calibration error of bins (…, 3, BINS), shape (…); NaN where they are empty."""
    count, confidence, right = np.moveaxis(bins, -2, 0)
    with np.errstate(invalid="ignore"):
        return np.abs(confidence - right).sum(-1) / count.sum(-1)
