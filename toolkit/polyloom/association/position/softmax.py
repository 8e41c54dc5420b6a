"""From integer scores to log-probabilities: a softmax that reads only the tokens which a context touches.

    ln p(b) = (bias(b) + sum(b)) / 2¹⁶ − ln Z       Z = Σ exp bias  +  Σ over touched b of (exp (bias + sum) − exp bias)

The first sum of Z is the same everywhere and made once.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from polyloom.documents import Ids
from polyloom.model import Floats
from polyloom_kernels.recall import UNIT, Store, Touched, touched

BLOCK = 1024  # places whose likelihood is found at a time


@dataclass(frozen=True, eq=False)
class PositionSoftmax:
    """The distributions of a store."""

    store: Store

    @cached_property
    def mass(self) -> float:
        """Σ exp bias: one, but for the rounding of the biases."""
        return float(np.exp(self.store.bias / UNIT).sum())

    def spread(self, seen: Touched) -> Floats:
        """Log-probabilities of every token at the places of `seen`, float64 (n, V)."""
        logits = np.tile(self.store.bias, (len(seen.starts) - 1, 1))
        logits[_places(seen), seen.tokens] += seen.sums
        return logits / UNIT - self.log_normalisers(seen)[:, None]

    def log_likelihood(self, ids: Ids) -> Floats:
        """ln p of each token of a text, given those before it, float64 (T,)."""
        found = [np.empty(0)]
        for start in range(0, len(ids), BLOCK):
            targets = ids[start : start + BLOCK]
            seen = touched(self.store, ids, start, start + len(targets))
            logits, place = self.store.bias[targets], _places(seen)
            mine = seen.tokens == targets[place]
            logits[place[mine]] += seen.sums[mine]
            found.append(logits / UNIT - self.log_normalisers(seen))
        return np.concatenate(found)

    def log_normalisers(self, seen: Touched) -> Floats:
        """ln Z of each place, float64 (n,); numbers are kept in range by the largest logit above zero."""
        place, n = _places(seen), len(seen.starts) - 1
        bias = self.store.bias[seen.tokens] / UNIT
        logits = bias + seen.sums / UNIT
        top = np.zeros(n)
        np.maximum.at(top, place, logits)
        added = np.bincount(place, np.exp(logits - top[place]), n)
        taken = np.bincount(place, np.exp(bias - top[place]), n)
        return np.log(np.maximum(0.0, np.exp(-top) * self.mass - taken) + added) + top


def _places(seen: Touched) -> Ids:
    """The place of each touched token."""
    return np.repeat(np.arange(len(seen.starts) - 1), np.diff(seen.starts))
