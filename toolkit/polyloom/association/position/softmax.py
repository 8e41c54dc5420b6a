"""From integer scores to log-probabilities, by the softmax of `polyloom_kernels.recall.likelihood`."""

from dataclasses import dataclass

import numpy as np

from polyloom.documents import Ids
from polyloom.model import Floats
from polyloom_kernels.recall import UNIT, Store, Touched, log_likelihood, log_normalisers


@dataclass(frozen=True, eq=False)
class PositionSoftmax:
    """The distributions of a store."""

    store: Store

    def spread(self, seen: Touched) -> Floats:
        """Log-probabilities of every token at the places of `seen`, float64 (n, V)."""
        logits = np.tile(self.store.bias, (len(seen.starts) - 1, 1))
        logits[seen.places, seen.tokens] += seen.sums
        return logits / UNIT - self.log_normalisers(seen)[:, None]

    def log_likelihood(self, ids: Ids) -> Floats:
        """ln p of each token of a text, given those before it, float64 (T,)."""
        return log_likelihood(self.store, ids)

    def log_normalisers(self, seen: Touched) -> Floats:
        """ln Z of each place, float64 (n,)."""
        return log_normalisers(self.store, seen)
