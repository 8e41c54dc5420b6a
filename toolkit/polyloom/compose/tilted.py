"""A model tilted by another: each token gains or loses by what the other says of it.

    p(y) = p_1(y) · exp(tilt(y)) / Z        ln p(y) = ln p_1(y) + tilt(y) − ln Z

Exponential tilting (Esscher, 1932), with a tilt that follows from both distributions at this place.  A kind of it says
what the tilt is; all of them read, explain and save in the same way.  What the first model finds impossible stays so.
Where a tilt knows no bound and the second model finds a token impossible there is no distribution, and asking for it
raises InputError.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar, Self, final

import numpy as np

from polyloom.compose.exponents import pooled
from polyloom.compose.pool import POOLS, minus_ln_z
from polyloom.compose.rowwise import Account, Rowwise, RowwiseContinuation
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.explanation import Explanation, Term
from polyloom.model import Arrays, Continuation, Floats, LanguageModel, Manifest


class Tilted(Rowwise[RowwiseContinuation]):
    """Two models, the second of which tilts the first; `settings` are the numbers that the tilt depends on, by name."""

    kind: ClassVar[str]  # in files
    names: ClassVar[tuple[str, str]]  # of the members
    effect: ClassVar[str]  # what a receipt calls the tilt

    def __init__(self, ours: LanguageModel, theirs: LanguageModel) -> None:
        super().__init__(dict(zip(self.names, (ours, theirs), strict=True)))
        self.settings: dict[str, float] = {}

    @abstractmethod
    def tilt(self, ours: Floats, theirs: Floats) -> Floats:
        """What each token gains, in nats, (…, V), of log-probabilities (…, V); of a token that `ours` has not, any."""

    @abstractmethod
    def told(self, ours: float, theirs: float, tilt: float) -> str:
        """In words, of one token's probabilities and tilt."""

    @final
    def place(self, ids: Ids, members: Sequence[Continuation]) -> RowwiseContinuation:
        """A place in a text after these tokens, from the states of both members there."""
        return RowwiseContinuation(self, ids, members)

    @final
    def mixed(self, rows: Sequence[Floats]) -> Floats:
        """Log-probabilities (…, V) of those of both members."""
        scores, normaliser = self._scores(rows[0], self._tilt(*rows))
        return scores - normaliser[..., None]

    @final
    def account(self, accounts: Sequence[Explanation], rows: Sequence[Floats], token: int) -> Account:
        """ln p = ln p_1 + tilt − ln Z; the tilt opens into what the second member says."""
        (name, other), (ours, theirs) = self.names, accounts
        tilt = self._tilt(*rows)
        scores, normaliser = self._scores(rows[0], tilt)
        gained = float(tilt[token])
        heard = Term(other, gained, f"{theirs.probability:.6g}", theirs)
        terms = (
            Term(name, float(rows[0][token]), f"ln {ours.probability:.6g}", ours),
            Term(
                self.effect,
                gained,
                self.told(ours.probability, theirs.probability, gained),
                replace(ours, scale="logit", terms=(heard,), total=gained),
            ),
            minus_ln_z(float(normaliser)),
        )
        return "log", terms, float(scores[token] - normaliser)

    @final
    def voices(self, rows: Sequence[Floats], token: int) -> dict[str, float]:
        """The first member alone speaks for tokens; the second moves them."""
        return {self.names[0]: POOLS["log"].voice(1.0, float(rows[0][token]))}

    @final
    def manifest(self) -> tuple[Manifest, Arrays]:
        """Kind and settings."""
        return {"kind": self.kind, "settings": self.settings}, {}

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays, members: Sequence[LanguageModel]) -> Self:
        """The model that `state` described, of members that were restored already; InputError if it is none."""
        del arrays
        if len(members) != 2:
            raise InputError(f"A model of kind {cls.kind!r} has 2 members, not {len(members)}.")
        return cls(*members, **manifest["settings"])

    def __repr__(self) -> str:
        told = ", ".join(f"{name} {value:g}" for name, value in self.settings.items())
        return f"<{type(self).__name__}{': ' * bool(told)}{told}>"

    def _tilt(self, ours: Floats, theirs: Floats) -> Floats:
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            tilt = self.tilt(ours, theirs)
        return np.where(np.isneginf(ours), 0.0, tilt)

    def _scores(self, ours: Floats, tilt: Floats) -> tuple[Floats, Floats]:
        """ln p + ln Z, float64 (…, V), and ln Z, float64 (…)."""
        try:
            return pooled([(1.0, ours), (1.0, tilt)])
        except InputError:
            raise InputError(
                f"{self!r} is no distribution here: no token is left that both models find possible, or one gains "
                f"without end that {self.names[1]!r} finds impossible. Mix a little of a model into it that finds all "
                f"tokens possible: Layered({self.names[1]}, {{'any': Layer(model, 0.01)}})."
            ) from None
