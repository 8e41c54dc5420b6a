"""What one model has and another has not: contrastive decoding, and steering clear of what is unwanted.

    Contrast    tilt(y) = s · ln (p_expert(y) / p_amateur(y))               gains what the expert finds likelier
    avoid       tilt(y) = s · min(0, ln (p_model(y) / p_unwanted(y)))       only loses: what the unwanted finds likelier

*Contrast* is a log pool with the exponents 1 + s and −s: Li et al., "Contrastive decoding" (2022), in the form of
O'Brien and Lewis (2023), as a normalised distribution.  Both warn of tokens that the expert finds most unlikely and the
amateur even more so, and cut off what has less than a tenth of the expert's likeliest.  `plausible` is that part: such
tokens are never raised here, but not cut off, so nothing becomes impossible.

*avoid* follows the self-debiasing of Schick et al. (2021), which lowers a token by how much likelier an unwanted
prompt makes it.  They take the difference of the probabilities, of one model under two prompts; between two models the
difference of the logarithms is used, which reaches the words that are rare in one and common in the other, and leaves
the common words of both.
"""

import math

import numpy as np

from polyloom.compose.tilted import Tilted
from polyloom.model import Floats, LanguageModel
from polyloom.real import real


class Contrast(Tilted):
    """`expert` in contrast to `amateur`: the log pool with the exponents 1 + strength and −strength.

    Tokens with less than `plausible` times the probability of the expert's likeliest are not raised; 0.1 is usual, 0
    raises all.  Raises InputError for a strength below 0 and for a part that is not from 0 to 1, VocabularyMismatch
    unless both speak one vocabulary.
    """

    kind, names, effect = "contrast", ("expert", "amateur"), "contrast"

    def __init__(
        self, expert: LanguageModel, amateur: LanguageModel, strength: float = 0.5, *, plausible: float = 0.0
    ) -> None:
        super().__init__(expert, amateur)
        self.strength, self.plausible = real("strength", strength, 0), real("plausible", plausible, 0, 1)
        self.settings = {"strength": self.strength, "plausible": self.plausible}

    def tilt(self, ours: Floats, theirs: Floats) -> Floats:
        """s · (ln p − ln q), but at most 0 for what is implausible."""
        if not self.strength:  # which holds for what the amateur finds impossible, too
            return np.zeros_like(ours)
        found = self.strength * (ours - theirs)
        if not self.plausible:
            return found
        least = ours.max(-1, keepdims=True) + math.log(self.plausible)
        return np.where(ours < least, np.minimum(found, 0.0), found)

    def told(self, ours: float, theirs: float, tilt: float) -> str:
        """The quotient, and whether it counts."""
        held = ", not raised: too unlikely for that" if ours > theirs and self.strength and not tilt else ""
        return f"{self.strength:g} × ln ({ours:.6g} / {theirs:.6g}){held}"


class Avoiding(Tilted):
    """A model that steers clear of what another finds likelier; `avoid` makes it."""

    kind, names, effect = "avoiding", ("model", "unwanted"), "penalty"

    def __init__(self, model: LanguageModel, unwanted: LanguageModel, strength: float = 1.0) -> None:
        super().__init__(model, unwanted)
        self.strength = real("strength", strength, 0)
        self.settings = {"strength": self.strength}

    def tilt(self, ours: Floats, theirs: Floats) -> Floats:
        """s · min(0, ln p − ln q)."""
        return self.strength * np.minimum(ours - theirs, 0.0)

    def told(self, ours: float, theirs: float, tilt: float) -> str:
        """The quotient, if it counts."""
        return f"{self.strength:g} × ln ({ours:.6g} / {theirs:.6g})" if tilt else f"{theirs:.6g}, not likelier there"


def avoid(model: LanguageModel, unwanted: LanguageModel, strength: float = 1.0) -> Avoiding:
    """`model`, steering clear of what `unwanted` finds likelier; nothing else is touched, but for the normaliser.

    A token that `unwanted` finds n times as likely becomes n^strength times less likely.  Raises InputError for a
    strength below 0, VocabularyMismatch unless both speak one vocabulary.
    """
    return Avoiding(model, unwanted, strength)
