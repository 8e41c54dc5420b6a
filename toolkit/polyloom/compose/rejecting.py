"""A model that keeps from what was rejected: from what counted texts say at this place in particular.

    tilt(y) = −s · max(0, ln (q(y | text) / q_1(y)))        q of the rejected texts, q_1 their own unigram

Where the rejected texts never had the words that stand before a place, q is q_1, by the way in which the n-gram chain
falls back, and nothing is touched: sequences of words are rejected, not words.  Where they had them, what came next
there loses, whatever the first model thinks of it.  `avoid` compares q with the first model instead, and so lets pass
what both find likely, which is just what a model that is being corrected has written.

The rejected texts are counts of their own, and are taken from no other counts.
"""

import numpy as np

from polyloom.association.model import AssociationModel
from polyloom.compose.tilted import Tilted
from polyloom.errors import InputError
from polyloom.model import Floats, LanguageModel
from polyloom.real import real


class Rejecting(Tilted):
    """`model`, kept from what the association model `rejected` counted, with a strength of 0 or more.

    A token that the rejected texts find n times as likely here as anywhere becomes n^strength times less likely, but
    for the normaliser.  Raises InputError for a strength below 0 and for a model without counts, VocabularyMismatch
    unless both speak one vocabulary.
    """

    kind, names, effect = "rejecting", ("model", "rejected"), "penalty"

    def __init__(self, model: LanguageModel, rejected: LanguageModel, strength: float = 1.0) -> None:
        super().__init__(model, rejected)
        if not isinstance(rejected, AssociationModel):
            raise InputError(f"Only counts can be rejected: expected an AssociationModel, got {rejected!r}.")
        self.strength = real("strength", strength, 0)
        self.settings = {"strength": self.strength}
        self._anywhere = np.log(rejected.store.unigram)

    def tilt(self, ours: Floats, theirs: Floats) -> Floats:
        """−s · max(0, ln q − ln q_1)."""
        del ours
        return -self.strength * np.maximum(theirs - self._anywhere, 0.0)

    def told(self, ours: float, theirs: float, tilt: float) -> str:
        """Whether the rejected texts speak against it."""
        del ours
        return f"rejected here: {theirs:.6g}" if tilt else f"{theirs:.6g}, no likelier here than anywhere"
