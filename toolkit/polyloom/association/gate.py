"""The gate: who speaks how loudly at a place, judged by how much each has to go by, never by which words they are.

    shares = (1 − floor) · softmax(features · weights) + floor / K

Features: 1; of every context how often it was seen and with how many kinds of tokens; how deep the chain reaches
(`features` of `polyloom_kernels.gate`).  Such a gate does as well as one that reads words, and a few ten thousand
held-out tokens fit it (Chelba and Pereira, "Multinomial loss on held-out data for the sparse non-negative matrix
language model", 2015).  Without a floor a component that held-out text never needed could not speak again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from polyloom.errors import FileError
from polyloom.mixture import mixture_weights
from polyloom.model import Arrays, Floats
from polyloom_kernels.gate import opened
from polyloom_kernels.gate import slope as gain

FLOOR = 0.01  # of the mixture is spread evenly
ENOUGH = 200  # tokens; on fewer, fitted shares would be noise and the n-gram chain keeps most of the mixture
ALONE = 0.9  # its share then
STEPS, BATCH, RATE = 1000, 512, 0.03  # of Adam; larger batches gain nothing
LEAST = 0.01  # of the mixture at the start: a component without a share has no slope either, and could not come back
FIRST = 8192  # places are enough to choose the shares that Adam starts from
DECAY = 0.9, 0.999  # Kingma and Ba, "Adam" (2015)
PULL = 2.0  # towards shares that are the same everywhere, as strong as so many tokens' worth of squared weights


@dataclass(frozen=True, eq=False)
class Gate:
    """`weights` float64 (features, components); `stale` once the counts it was fitted with have changed."""

    weights: Floats
    stale: bool = False
    fitted: bool = False  # or else it has the same shares everywhere, the chain nine tenths

    @classmethod
    def constant(cls, features: int, shares: Floats) -> "Gate":
        """The same shares everywhere, but for the floor."""
        weights = np.zeros((features, len(shares)))
        weights[0] = np.log(np.maximum((shares - FLOOR / len(shares)) / (1 - FLOOR), 1e-12))
        return cls(weights)

    @classmethod
    def unfitted(cls, features: int, components: int) -> "Gate":
        """Most for the chain, the rest spread evenly."""
        others = [(1 - ALONE) / (components - 1)] * (components - 1) if components > 1 else []
        return cls.constant(features, np.array([ALONE, *others] if others else [1.0]))

    def fit(self, parts: Floats, features: Floats) -> "Gate":
        """Make held-out tokens likely: `parts` p of each under each component (K, T), `features` (T, F).

        Shares that are the same everywhere come first, the best there are; then Adam lets them depend on the
        features, pulled back the more the less text there is.  On too little text nothing is fitted.
        """
        if len(parts) == 1 or parts.shape[1] < ENOUGH:
            return replace(self, stale=False)
        some = np.log(parts[:, :: max(1, parts.shape[1] // FIRST)])
        alive = np.maximum(mixture_weights(some), LEAST)
        start = Gate.constant(features.shape[1], (1 - FLOOR) * alive / alive.sum() + FLOOR / len(parts))
        scale = np.maximum(np.abs(features).max(0), 1e-9)
        given = np.ascontiguousarray(parts.T), np.ascontiguousarray(features / scale)
        return Gate(_adam(start.weights * scale[:, None], *given) / scale[:, None], fitted=True)

    def shares(self, features: Floats) -> Floats:
        """The share of each component, float64 (T, K), summing to 1."""
        return opened(self.weights, FLOOR, features)

    @classmethod
    def stored(cls, arrays: Arrays, state: tuple[bool, bool], features: int, components: int) -> "Gate":
        """The gate of a file; FileError if it is none for this model."""
        weights = arrays.get("gate")
        if weights is None or weights.shape != (features, components) or weights.dtype != np.float64:
            raise FileError(f"The array 'gate' is missing, or does not hold {features} × {components} real numbers.")
        if not np.isfinite(weights).all():
            raise FileError("The array 'gate' holds a number that is not finite.")
        return cls(weights, *state)


def _adam(weights: Floats, parts: Floats, features: Floats) -> Floats:
    """Climb the mean log-likelihood; `parts` (T, K), `features` (T, F) no larger than 1."""
    start, mean, square = weights.copy(), np.zeros_like(weights), np.zeros_like(weights)
    pull = PULL / len(parts)
    for step, chosen in enumerate(_batches(len(parts)), 1):
        slope = pull * (weights - start) - gain(weights, FLOOR, parts, features, chosen)
        mean = DECAY[0] * mean + (1 - DECAY[0]) * slope
        square = DECAY[1] * square + (1 - DECAY[1]) * slope**2
        size = RATE * (1 - (step - 1) / STEPS) / (1 - DECAY[0] ** step)
        weights = weights - size * mean / (np.sqrt(square / (1 - DECAY[1] ** step)) + 1e-8)
    return weights


def _batches(size: int) -> Iterator[np.ndarray]:
    """Places chosen by dice that always fall alike."""
    dice = np.random.default_rng(0)
    for _ in range(STEPS):
        yield dice.integers(0, size, min(BATCH, size))
