"""Two pieces heard against one another: switched at the same place of the same bar, equally loud, open or blind.

    view = ListenAB(mix.generate(…), louder.generate(…), names=("as it was", "more blues"))
    view.told_apart                     of A/B/X: right answers, all answers, p of chance
    view.liked                          of blind preference: votes for b, all votes, p
    view.suggested                      weights between those of the two mixes, as the votes lean

What differs stands in the picture: notes of both are grey, those of one alone have its colour.  While it is heard blind
the picture is hidden, and who is who is drawn anew after every vote.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import traitlets

from polyloom.compose.layered import Layered
from polyloom.errors import InputError
from polyloom.generate.trace import Generation
from polyloom.music.loudness import loudness
from polyloom.music.score import DRUMS, Score
from polyloom.music.written import score_of
from polyloom_widgets.base.widget import Widget, refusing
from polyloom_widgets.listen.votes import Verdict, Vote, abx, checked, preference
from polyloom_widgets.roll.still import still

FARTHEST = 40.0  # dB by which a piece is made softer, at most
KEPT_OFFLINE = ("names", "bars", "levels", "votes", "side")


class ListenAB(Widget):
    """Two scores, or two texts that models of music wrote; earlier `votes` can be given to go on from.

    Raises InputError for anything else, and for pieces without a note.
    """

    module: ClassVar[Path] = Path(__file__).with_name("listen.js")
    reported: ClassVar[frozenset[str]] = frozenset({"votes", "side"})

    names = traitlets.List[str]().tag(sync=True)
    notes_a = traitlets.Bytes().tag(sync=True)  # float32 (n, 5): second, seconds, pitch, velocity, percussion
    notes_b = traitlets.Bytes().tag(sync=True)
    bars = traitlets.List[list[float]]().tag(sync=True)  # of each piece the seconds at which bars begin, and its end
    levels = traitlets.List[float]().tag(sync=True)  # by which each piece is as loud as the other
    votes = traitlets.List[dict[str, Any]]().tag(sync=True)
    side = traitlets.Int(0).tag(sync=True)  # which is heard

    def __init__(
        self,
        a: Score | Generation,
        b: Score | Generation,
        names: Sequence[str] = ("A", "B"),
        votes: Sequence[Vote] = (),
        **traits: Any,
    ) -> None:
        self._given = (a, b)
        scores = [score_of(one) for one in self._given]
        if len(named := [str(name) for name in names]) != len(scores) or isinstance(names, str):
            raise InputError(f"Expected two names, got {names!r}.")
        for name, score in zip(named, scores, strict=True):
            if not len(score):
                raise InputError(f"{name} has no note to be heard.")
        self.scores = (scores[0], scores[1])
        super().__init__(**traits)
        with self.hold_sync():
            self.names, self.votes = named, list(votes)
            self.notes_a, self.notes_b = (_heard(score) for score in scores)
            self.bars = [score.times(score.bars()).tolist() for score in scores]
            self.levels = _levelled([loudness(score) for score in scores])

    @property
    def told_apart(self) -> Verdict:
        """Of A/B/X: right answers, all answers, and the p of doing as well by chance."""
        return abx(self.votes)

    @property
    def liked(self) -> Verdict:
        """Of the blind preference: votes for b, all votes, and the p of a lean as strong by chance."""
        return preference(self.votes)

    @property
    def suggested(self) -> dict[str, float]:
        """Weights between those of the two mixes: as far towards b as the votes lean, by Laplace's rule of succession.

        Give them to `mix.with_weights`.  Raises InputError unless both were written by mixes of the same layers.
        """
        mixes = [_mix_of(one) for one in self._given]
        if mixes[0].layers.keys() != mixes[1].layers.keys():
            raise InputError(
                f"The two mixes have other layers: {', '.join(mixes[0].layers)}; {', '.join(mixes[1].layers)}."
            )
        lean = (self.liked.count + 1) / (self.liked.total + 2)
        first, second = (_shares(mix) for mix in mixes)
        return {name: (1 - lean) * first[name] + lean * second[name] for name in first}

    @traitlets.validate("votes")
    def _known_votes(self, proposal: Any) -> list[Vote]:
        with refusing():
            return checked(proposal["value"])

    @traitlets.validate("side")
    def _known_side(self, proposal: Any) -> int:
        with refusing():
            if proposal["value"] not in (0, 1):
                raise InputError(f"The side is 0 or 1, got {proposal['value']}.")
            return proposal["value"]

    def _text(self) -> str:
        apart, liked = self.told_apart, self.liked
        told = f", told apart {apart.count} of {apart.total}, {self.names[1]!r} liked {liked.count} of {liked.total}"
        return f"ListenAB({self.names[0]!r}, {self.names[1]!r}{told if self.votes else ''})"

    def _still(self) -> str:
        rolls = [still(score, [side] * len(score), self.names) for side, score in enumerate(self.scores)]
        return "".join(rolls)

    def _export(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        state = {name: getattr(self, name) for name in KEPT_OFFLINE}
        return state, {"notes_a": self.notes_a, "notes_b": self.notes_b}


def _heard(score: Score) -> bytes:
    """See `notes_a`, in the order of their beginnings."""
    notes = score.notes
    starts, ends = score.spans()
    columns = [starts, ends - starts, notes["pitch"], notes["velocity"], notes["channel"] == DRUMS]
    return np.column_stack(columns).astype("<f4").tobytes()


def _levelled(loud: list[float]) -> list[float]:
    """By what each of two is multiplied so that both are as loud as the softer one, or as far as that can be heard."""
    softest = max(min(loud), max(loud) - FARTHEST)
    return [10 ** (min(0.0, softest - one) / 20) for one in loud]


def _mix_of(given: Score | Generation) -> Layered:
    model = given.scrub(0).model if isinstance(given, Generation) else None
    if not isinstance(model, Layered):
        raise InputError("Weights can be suggested for two texts that mixes wrote: ListenAB(mix.generate(…), …).")
    return model


def _shares(mix: Layered) -> dict[str, float]:
    total = math.fsum(mix.weights.values())
    return {name: weight / total for name, weight in mix.weights.items()}
