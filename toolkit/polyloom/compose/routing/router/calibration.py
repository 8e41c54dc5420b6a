"""How the witnesses are weighed: so that the scores of texts that none of them has seen are honest probabilities.

    p_k = exp z_k / (exp z_0 + Σ_l exp z_l),    z_k = Σ_a weight_a · witness_a,k

z_0 stands for "none of them".  The weights, 0 or more, and z_0 are the maximum of the log-likelihood of held-out texts,
each of which was kept from the witnesses that judge it; and, since nobody gives examples of what nobody wants, of the
same texts with their own expert taken away, for which "none of them" is right.  Such a text counts `OUTSIDE` of one.
A wide normal prior around what CLINC150 gave decides where texts are few.

The threshold is where the part of texts accepted and the part of strangers turned away add up to most (Youden, 1950).
Two experts have no strangers: with its own taken away, a text leaves nobody to be mistaken for.  Nor is it below what
one in ten of the texts does not reach, nor below K^−½, half way in nats from a guess, 1 / K, to certainty, which is
all there is to go by if every expert has but one example.
Here n texts, K experts, A witnesses.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polyloom.concave import Point, Region, maximise
from polyloom.documents import Ids
from polyloom.model import Floats

LOWEST = -20.0  # z_0: it is fitted as what is above this, so that nothing fitted is below 0
# Weights of the three on words, z_0: about those of CLINC150; a keyword counts e² to 1.
USUAL = np.array([5.0, 0.12, 2.0, -5.5 - LOWEST])
WIDE = np.array([2.5, 0.06, 1.0, 2.0])  # standard deviations of the prior
OUTSIDE = 0.005  # with more the router is too modest about the texts of the validation part of CLINC150
MOST = 50.0  # no weight is larger
ENOUGH = 1e-6  # nats a text: nearer to the top nobody would notice
UNREACHED = 0.1  # of the texts


@dataclass(frozen=True)
class Calibration:
    """Weights float64 (A,), z_0, and what the best must have for its score."""

    weights: Floats
    none: float
    threshold: float


def calibrated(judged: Floats, barred: Floats, of: Ids, beside: Sequence[tuple[float, float]] = ()) -> Calibration:
    """Fitted to witnesses of held-out texts (n, K, A), what is taken off their sums (n, K), and whose each is (n,).

    `beside` is what weight is usual, and how widely, for each witness after the three on words.
    """
    usual, wide = np.insert([USUAL, WIDE], -1, np.reshape(beside, (-1, 2)), 1) if beside else (USUAL, WIDE)
    told, region = _told(judged, barred), Region(np.zeros(len(usual)), np.full(len(usual), MOST))
    best = maximise(lambda weights: _judge(weights, usual, wide, *told, of), usual, region, ENOUGH * max(1, len(of)))
    weights, none = best.weights[:-1], float(best.weights[-1]) + LOWEST
    own, strange = (_best(chances) for chances in _both(best.weights, *told, of))
    return Calibration(weights, none, _threshold(own, strange, judged.shape[1]))


def _told(judged: Floats, barred: Floats) -> tuple[Floats, Floats]:
    """The witnesses with a last one that is 1 for "none of them", (n, K + 1, A + 1), and what is taken off."""
    texts, experts, witnesses = judged.shape
    told = np.zeros((texts, experts + 1, witnesses + 1))
    told[:, :-1, :-1], told[:, -1, -1] = judged, 1.0
    return told, np.concatenate([barred, np.full((texts, 1), -LOWEST)], 1)


def _both(weights: Floats, told: Floats, barred: Floats, of: Ids) -> tuple[Floats, Floats]:
    """ln p (n, K + 1) of the texts, and of the same with their own expert taken away."""
    z = told @ weights - barred
    away = z.copy()
    away[np.arange(len(of)), of] = -np.inf
    return _normalised(z), _normalised(away)


def _normalised(z: Floats) -> Floats:
    most = z.max(-1, keepdims=True)
    return z - most - np.log(np.exp(z - most).sum(-1, keepdims=True))


def _best(chances: Floats) -> Floats:
    """The score of the best expert, (n,)."""
    return np.exp(chances[:, :-1].max(-1))


def _judge(weights: Floats, usual: Floats, wide: Floats, told: Floats, barred: Floats, of: Ids) -> Point:
    """The log-likelihood with its prior."""
    apart = (weights - usual) / wide
    value, slope, curve = -0.5 * float(apart @ apart), -apart / wide, np.diag(wide**-2)
    none = np.full(len(of), told.shape[1] - 1)
    for chances, right, weight in zip(_both(weights, told, barred, of), (of, none), (1.0, OUTSIDE), strict=True):
        parts = np.exp(chances)
        mean = np.einsum("nk,nka->na", parts, told)
        value += weight * float(chances[np.arange(len(of)), right].sum())
        slope = slope + weight * (told[np.arange(len(of)), right] - mean).sum(0)
        spread = np.einsum("nka,nkb->ab", told * parts[..., None], told, optimize=True) - mean.T @ mean
        curve = curve + weight * spread
    return Point(weights, value, slope, curve)


def _threshold(own: Floats, strange: Floats, experts: int) -> float:
    """Between two scores that were seen; of equally good ones the lowest."""
    least = experts**-0.5
    if not len(own):
        return least
    least = max(least, float(np.quantile(own, UNREACHED)))
    if experts == 2:
        return least
    seen = np.unique(np.concatenate([own, strange, [0.0, 1.0]]))
    between = (seen[1:] + seen[:-1]) / 2
    kept = 1 - np.searchsorted(np.sort(own), between) / len(own)
    turned = np.searchsorted(np.sort(strange), between) / len(strange)
    return max(least, float(between[int(np.argmax(kept + turned))]))
