"""An algebra of distributions: between two models, what both have, and what one has without the other.

    interpolate(a, b, t)    (1 − t) · p_a + t · p_b, or p_a^(1 − t) · p_b^t / Z
    intersection(a, b)      min(p_a, p_b) / Z            a token is as likely as the stricter of both allows
    difference(a, b)        max(p_a − p_b, ε p_a) / Z    what is left of a when b takes its own; at least a hundredth

Each gives a model like any other, of any two models on one vocabulary.  Combined with itself a model stays what it is,
and the order of an intersection does not matter.  ε keeps possible what a finds possible, and leaves something to
normalise where b takes all.  Before they are normalised, Σ min(p_a, p_b) is the part of probability that both models
share, and Σ max(p_a − p_b, 0), the rest to 1, their total variation distance.
"""

import numpy as np

from polyloom.compose.layered import Layer, Layered
from polyloom.compose.tilted import Tilted
from polyloom.model import Floats, LanguageModel
from polyloom.real import real

LEFT = 0.01  # ε: how much of a token at least is left by a difference


class Intersection(Tilted):
    """What both models allow; `intersection` makes it.  Where no token is possible for both it raises InputError."""

    kind, names, effect = "intersection", ("a", "b"), "held back"

    def tilt(self, ours: Floats, theirs: Floats) -> Floats:
        """ln of min(p, q) / p."""
        return np.minimum(theirs - ours, 0.0)

    def told(self, ours: float, theirs: float, tilt: float) -> str:
        """Who is stricter."""
        return f"b allows {theirs:.6g}" + (f" of {ours:.6g}" if tilt else ", a no more")


class Difference(Tilted):
    """What the first model has and the second has not; `difference` makes it."""

    kind, names, effect = "difference", ("a", "b"), "taken away"

    def tilt(self, ours: Floats, theirs: Floats) -> Floats:
        """ln of max(p − q, ε p) / p."""
        return np.log(np.maximum(1.0 - np.exp(theirs - ours), LEFT))

    def told(self, ours: float, theirs: float, tilt: float) -> str:
        """How much is left."""
        del tilt
        return f"b takes {theirs:.6g} of {ours:.6g}" + (
            f", a part of {LEFT:g} is left" if theirs > (1 - LEFT) * ours else ""
        )


def interpolate(a: LanguageModel, b: LanguageModel, t: float, pool: str = "linear") -> Layered:
    """The model at `t` between `a` (0) and `b` (1): a mix of layers "a" and "b", in a "linear" or a "log" pool.

    Raises InputError unless t is from 0 to 1 and for an unknown pool, VocabularyMismatch unless both speak one
    vocabulary.
    """
    t = real("t", t, 0, 1)
    return Layered(a, {"b": Layer(b, t)}, pool, name="a", weight=1 - t)


def intersection(a: LanguageModel, b: LanguageModel) -> Intersection:
    """What both allow: of each token the smaller probability, normalised.  The order of both does not matter.

    Raises VocabularyMismatch unless both speak one vocabulary.
    """
    return Intersection(a, b)


def difference(a: LanguageModel, b: LanguageModel) -> Difference:
    """What `a` has and `b` has not: of each token what b leaves of a, but at least a hundredth of it, normalised.

    Raises VocabularyMismatch unless both speak one vocabulary.
    """
    return Difference(a, b)
