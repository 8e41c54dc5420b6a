"""The association witness: how much likelier each word of a text is in the texts of an expert than in all texts.

    s_k(text) = Σ_j ln (p(j | k) / p(j)),    p(j | k) = (c_jk + μ p(j)) / (n_k + μ)

over the words, phrases and signs j that the text has; c_jk is how many texts of the expert have j, n_k = Σ_j c_jk, and
p(j) the part of j in all.  So a word that nobody uses apart from others says nothing, and what an expert never said is
forgiven (Dirichlet smoothing: Zhai and Lafferty, 2004).  With c_jk = 0 a ratio is the same for all j, so only what is
above that is kept, by feature: where it starts, of which expert, how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyloom.compose.routing.router.features import Vector
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.model import Arrays, Floats

PRIOR = 20.0  # μ: as much as so many features that were seen; the best on the validation part of CLINC150


@dataclass(frozen=True)
class Association:
    """What is kept: `starts` int64 (wholes + 1,), `experts` int32 (m,), `above` float64 (m,), `unseen` float64 (K,)."""

    starts: Ids
    experts: NDArray[np.int32]
    above: Floats
    unseen: Floats

    @classmethod
    def fit(cls, texts: Sequence[Vector], of: Ids, experts: int, wholes: int) -> "Association":
        """Counted over texts that are each `of` an expert."""
        features = np.concatenate([one.ids[: one.wholes] for one in texts])
        who = np.repeat(of, [one.wholes for one in texts])
        keys, counts = np.unique(features * experts + who, return_counts=True)
        feature, expert = np.divmod(keys, experts)
        said = np.bincount(expert, counts, experts)
        part = np.bincount(feature, counts, wholes) / max(1, len(features))
        starts = np.searchsorted(feature, np.arange(wholes + 1))
        above = np.log1p(counts / (PRIOR * part[feature]))
        return cls(starts, expert.astype(np.int32), above, np.log(PRIOR / (said + PRIOR)))

    def scores(self, text: Vector) -> Floats:
        """The log-likelihood ratio of each expert, float64 (K,)."""
        found = text.wholes * self.unseen
        for feature in text.ids[: text.wholes].tolist():
            here = slice(self.starts[feature], self.starts[feature + 1])
            found[self.experts[here]] += self.above[here]
        return found

    def terms(self, text: Vector, expert: int) -> Floats:
        """What each whole feature of the text adds to the score of an expert, float64 (wholes of the text,)."""
        found = np.full(text.wholes, self.unseen[expert])
        for at, feature in enumerate(text.ids[: text.wholes].tolist()):
            here = slice(self.starts[feature], self.starts[feature + 1])
            found[at] += self.above[here][self.experts[here] == expert].sum()
        return found

    def state(self) -> Arrays:
        """The arrays."""
        return {"starts": self.starts, "experts": self.experts, "above": self.above, "unseen": self.unseen}

    @classmethod
    def from_state(cls, arrays: Arrays) -> "Association":
        """As `state` gave it."""
        found = cls(*(arrays[name] for name in ("starts", "experts", "above", "unseen")))
        inside = (found.experts >= 0) & (found.experts < len(found.unseen))
        if not inside.all() or found.starts[-1] != len(found.above) or len(found.experts) != len(found.above):
            raise InputError("The association ratios are of experts or features that are not there.")
        return found
