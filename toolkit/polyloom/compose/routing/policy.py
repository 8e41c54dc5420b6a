"""Who speaks, and how loudly: from the scores of a chooser to shares of the members that sum to 1.

    shares ∝ scores of the k members with the highest, 0 for the others

With k = 1 the best one speaks alone; k = None lets all speak.  Of equal scores the first named come first.  With a
margin those who speak are given so much in advance: they go on until another leads by more, which makes the shares a
function of the whole way through the text.  Where the chooser abstains the fallback speaks; with a margin, those who
spoke go on, and the fallback speaks only where nobody did.

Scores and shares are float64 (…, K).
"""

from dataclasses import dataclass

import numpy as np

from polyloom.errors import InputError
from polyloom.model import Floats
from polyloom.whole import whole


@dataclass(frozen=True)
class Blend:
    """The k members with the highest scores speak, each as loudly as its score; all of them if k is None."""

    k: int | None = None

    def __post_init__(self) -> None:
        if self.k is not None:
            object.__setattr__(self, "k", whole("k", self.k, 1))

    def shares(self, scores: Floats, fallback: Floats) -> Floats:
        """Shares (n, K) at n places, each by itself."""
        kept = scores * self._chosen(scores)
        whole = kept.sum(-1, keepdims=True)
        return np.where(whole > 0, kept / np.where(whole > 0, whole, 1), fallback)

    def held(self, scores: Floats, fallback: Floats, margin: float, before: Floats | None) -> Floats:
        """Shares (K,) at one place, where the members with a share `before`, if any, are `margin` ahead."""
        if before is None:
            return self.shares(scores, fallback)
        if not scores.any():
            return before
        chosen = self._chosen(np.where(before > 0, scores + margin, scores))
        kept = scores * chosen if (scores * chosen).any() else chosen.astype(np.float64)
        return kept / kept.sum()

    def _chosen(self, scores: Floats) -> Floats:
        """1 for each of the k highest, float64 (…, K)."""
        chosen = np.ones_like(scores)
        if self.k is not None:
            others = np.argsort(-scores, -1, kind="stable")[..., self.k :]
            np.put_along_axis(chosen, others, 0.0, -1)
        return chosen

    def __str__(self) -> str:
        return "all" if self.k is None else "best" if self.k == 1 else f"best {self.k}"


POLICIES = {"best": Blend(1), "blend": Blend()}


def policy_of(given: object) -> Blend:
    """A policy by name, or as it is; InputError listing the known names."""
    if isinstance(given, Blend):
        return given
    if not isinstance(given, str) or given not in POLICIES:
        raise InputError(f"Unknown policy {given!r}; known are {', '.join(POLICIES)}, and Blend(k) for the best k.")
    return POLICIES[given]
