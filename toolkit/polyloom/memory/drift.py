"""Drift: how far what a model says has moved, measured on a text that stays the same.

    JS(t) = ½ Σ_y p log₂(p / m) + ½ Σ_y q log₂(q / m)         m = (p + q) / 2

p and q are what two models expect at place t of the probe.  The mean over its places is 0 bits where they never differ
and 1 bit where they never agree.  Lin, "Divergence measures based on the Shannon entropy" (1991).
"""

from dataclasses import dataclass

import numpy as np

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.model import Floats, LanguageModel


@dataclass(frozen=True)
class Drift:
    """`bits` a token on average over `tokens` places; `most` bits where it is largest, before the token of `at`."""

    bits: float
    tokens: int
    most: float
    at: int

    def __str__(self) -> str:
        return (
            f"{self.bits:.4f} bits a token over {self.tokens:,} tokens (0: says the same, 1: never agrees); "
            f"most, {self.most:.3f} bits, before token {self.at}"
        )


def drift(before: LanguageModel, after: LanguageModel, probe: Ids) -> Drift:
    """How far `after` says something else than `before` along the probe, int64 (T,) with T > 0."""
    if not len(probe):
        raise InputError("The probe holds no token: give a text that is typical of what the model shall say.")
    pairs = zip(before.log_probs(probe), after.log_probs(probe), strict=True)
    found = np.concatenate([divergence(np.exp(ours), np.exp(theirs)) for ours, theirs in pairs])
    return Drift(float(found.mean()), len(probe), float(found.max()), int(found.argmax()))


def divergence(ours: Floats, theirs: Floats) -> Floats:
    """Jensen–Shannon in bits, float64 (n,), of probabilities (n, V)."""
    middle = (ours + theirs) / 2
    return np.maximum(0.0, (_relative(ours, middle) + _relative(theirs, middle)) / 2)


def _relative(chances: Floats, middle: Floats) -> Floats:
    ratio = np.divide(chances, middle, out=np.ones_like(chances), where=chances > 0)
    return (chances * np.log2(ratio)).sum(-1)
