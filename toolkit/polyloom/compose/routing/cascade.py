"""A cascade: the small model speaks unless it is unsure, and then the large one does.

    the large one speaks   ⇔   −Σ_y p(y) ln p(y) > threshold        in nats, p that of the small one at this place

The large model is asked at no other place.  A threshold of 0 gives it every token of which the small one is not wholly
sure, an infinite one none.  What part of the tokens it gets depends on the text; `fit_threshold` finds the lowest
threshold that keeps within a budget.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Self, final

import numpy as np

from polyloom.compose.confidence import along, at_place, of_rows
from polyloom.compose.routing.chooser import Chooser, Judged, Stand, Where, known
from polyloom.documents import Documents, Ids, encoded
from polyloom.errors import InputError
from polyloom.explanation import Explanation, Term
from polyloom.model import Arrays, Continuation, Floats, LanguageModel, Manifest
from polyloom.real import number

SHOWN = 12  # tokens that an account repeats
APART = 1e-9  # nats: what differs by less is the same


@final
class Cascade(Chooser):
    """Ask the large one where the small one is unsure: `Routed(Cascade("small", "large", 2.0), members)`.

    `threshold` is in nats, 0 or more, perhaps infinite; exp(threshold) is the size of a fair choice as unsure as that.
    Raises InputError for any other, and for one name twice.
    """

    kind = "cascade"

    def __init__(self, small: str, large: str, threshold: float = 1.0) -> None:
        if not number(threshold) >= 0:
            raise InputError(f"The threshold must be a number of 0 or more, in nats, got {threshold!r}.")
        if not isinstance(small, str) or not isinstance(large, str) or small == large:  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
            raise InputError(f"Expected the names of two members, a small and a large one, got {small!r}, {large!r}.")
        self.small, self.large, self.threshold = small, large, float(threshold)

    def check(self, names: Sequence[str]) -> None:
        """Both must be members."""
        known("The cascade", (self.small, self.large), names)

    def along(self, models: Mapping[str, LanguageModel], ids: Ids) -> Judged:
        """1 for the one that speaks, before each token."""
        return Judged(self._scores(list(models), along(models[self.small], ids)[1][:, 0]))

    def at(self, where: Where, before: Floats | None, told: Floats | None) -> Floats:
        """1 for the one that speaks."""
        del before, told
        return self._scores(list(where.members), np.array([self._entropy(where)]))[0]

    def explain(self, where: Where, way: Sequence[Stand]) -> Explanation:
        """How unsure the small one is."""
        del way
        entropy = self._entropy(where)
        unsure = f"{self.small} is as unsure as among {math.exp(entropy):,.1f}"
        said = f"{unsure}: {entropy:.3f} nats, {self.threshold:g} allowed"
        scores = self._scores(list(where.members), np.array([entropy]))[0]
        terms = tuple(
            Term(name, score, said * (score > 0)) for name, score in zip(where.members, scores.tolist(), strict=True)
        )
        context = where.vocabulary.decode(where.tokens[-SHOWN:])
        return Explanation("who speaks", context, "probability", terms, float(scores.sum()))

    def fit_threshold(self, members: Mapping[str, LanguageModel], documents: Documents, budget: float) -> "Cascade":
        """The same with the lowest threshold under which the large one gets at most the part `budget` of the tokens.

        On other text like this the part will be about that, not at most.  Raises InputError for a budget that is no
        part of 1, and if the documents hold no token.
        """
        if not 0 <= number(budget) <= 1:
            raise InputError(f"The budget must be a part of the tokens, from 0 to 1, got {budget!r}.")
        self.check(list(members))
        small = members[self.small]
        entropies = [along(small, ids)[1][:, 0] for ids in encoded(documents, small.vocabulary)]
        found = np.sort(np.concatenate([np.empty(0), *entropies]))[::-1]
        if not len(found):
            raise InputError("Fitting the threshold needs at least one token; the documents hold none.")
        return Cascade(self.small, self.large, _threshold(found, math.floor(budget * len(found))))

    def state(self) -> tuple[Manifest, Arrays]:
        """Names and threshold."""
        threshold = None if math.isinf(self.threshold) else self.threshold  # JSON knows no infinity
        return {"kind": self.kind, "small": self.small, "large": self.large, "threshold": threshold}, {}

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays) -> Self:
        """As `state` gave it."""
        del arrays
        threshold = manifest["threshold"]
        return cls(manifest["small"], manifest["large"], math.inf if threshold is None else threshold)

    def __repr__(self) -> str:
        return f"Cascade({self.small!r}, {self.large!r}, {self.threshold:.3g})"

    def _entropy(self, where: Where) -> float:
        small = where.members[self.small]
        both = at_place(small) if isinstance(small, Continuation) else of_rows(small.distribution()[None])[0]
        return float(both[0])

    def _scores(self, names: Sequence[str], entropies: Floats) -> Floats:
        unsure, found = entropies > self.threshold, np.zeros((len(entropies), len(names)))
        found[:, list(names).index(self.small)] = ~unsure
        found[:, list(names).index(self.large)] = unsure
        return found


def _threshold(entropies: Floats, allowed: int) -> float:
    """Exceeded by at most so many of these, which fall; between two of them, so that rounding decides nothing."""
    if allowed == len(entropies):
        return 0.0
    above = entropies[entropies > entropies[allowed] + APART]
    return float(entropies[allowed] + above[-1]) / 2 if len(above) else math.inf
