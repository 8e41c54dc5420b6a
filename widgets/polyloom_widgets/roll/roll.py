"""Music, seen and heard: a piano roll that plays, says who chose each note and why, and lets a model go on.

    roll = PianoRoll(read_midi("tune.mid"))             any score
    roll = PianoRoll(mix.generate(prompt))              music that a model wrote: each note in its layer's colour
    roll.move(12, 64)                                   the thirteenth note becomes an E4
    roll.go_on(12)                                      and the model writes on from there
    roll.version -= 1                                   as it was before
    roll.score, roll.generation                         what is shown

Notes are in the order of `score.notes`.  The page draws what can be seen of them, plays them, and asks for the next few
tokens until the model is done; to stop is not to ask.
"""

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any, ClassVar, cast

import traitlets

from polyloom.errors import InputError
from polyloom.generate.trace import Generation
from polyloom.model import LanguageModel
from polyloom.music.score import Score
from polyloom.real import real
from polyloom.whole import whole
from polyloom_widgets.base.widget import Widget, refusing
from polyloom_widgets.roll import picture, still
from polyloom_widgets.roll.versions import Version, given, gone_on, longer, moved

VERSIONS = 64  # that can be gone back to
ZOOM = (0.05, 1000.0)  # pixels a beat
OFFLINE = 12_000  # reasons that an exported page carries
KEPT_OFFLINE = ("parts", "voices", "tempi", "metres", "note", "loop", "zoom", "muted", "soloed")


class PianoRoll(Widget):
    """The notes of `music`, a Score, or a Generation by a model of music, captioned or not.

    Traits may be given too: `note` the chosen one, −1 for none; `loop` two beats, or nothing; `zoom` pixels a beat;
    `muted` and `soloed` parts.  Raises InputError if something is not what it should be.
    """

    module: ClassVar[Path] = Path(__file__).with_name("roll.js")
    reported: ClassVar[frozenset[str]] = frozenset({"note", "loop", "zoom", "muted", "soloed", "version"})
    shared: ClassVar[Mapping[str, str]] = {"model": "model"}

    model = traitlets.Instance(LanguageModel, allow_none=True)  # writes what is gone on with; a linked desk sets it

    times = traitlets.Bytes(b"").tag(sync=True)
    facts = traitlets.Bytes(b"").tag(sync=True)
    parts = traitlets.List[str]().tag(sync=True)
    voices = traitlets.List[str]().tag(sync=True)
    tempi = traitlets.List[Any]().tag(sync=True)
    metres = traitlets.List[Any]().tag(sync=True)
    note = traitlets.Int(-1).tag(sync=True)
    loop = traitlets.List[Any]().tag(sync=True)
    zoom = traitlets.Float(32.0).tag(sync=True)
    muted = traitlets.List[Any]().tag(sync=True)
    soloed = traitlets.List[Any]().tag(sync=True)
    version = traitlets.Int(0).tag(sync=True)
    versions = traitlets.Int(1).tag(sync=True)
    goes_on = traitlets.Bool(False).tag(sync=True)  # whether a model can go on from a note
    reasons: "traitlets.Dict[str, Any]" = traitlets.Dict().tag(sync=True)  # by step, in a page without Python
    error = traitlets.Unicode("").tag(sync=True)
    offline = traitlets.Bool(False).tag(sync=True)

    def __init__(self, music: Score | Generation, **traits: Any) -> None:
        self._versions = [given(music)]
        super().__init__()
        try:
            self._publish()
            for name, value in traits.items():
                setattr(self, _known(self, name), value)
        except BaseException:
            self.close()
            raise
        self.observe(self._another_version, "version")

    # -- what is shown -----------------------------------------------------------------------------------------------

    @property
    def score(self) -> Score:
        """The notes that are shown."""
        return self._shown.score

    @property
    def generation(self) -> Generation:
        """What the model wrote, before notes that it has not gone on from were moved; InputError for a bare score."""
        return self._shown.own.generation

    def move(self, note: int, pitch: int) -> Score:
        """Another pitch, 0 … 127, for a note, counted from 0.  InputError for one that was given to the model."""
        self._move(note, pitch)
        return self.score

    def go_on(self, note: int) -> Score:
        """Let the model write on from a note, to the end.  Ctrl-C leaves what is there."""
        self._go_on(note)
        while self._more():
            pass
        return self.score

    @property
    def _shown(self) -> Version:
        return self._versions[self.version]

    def _move(self, note: object, pitch: object) -> None:
        self._add(*moved(self._shown, note, pitch))

    def _go_on(self, note: object) -> None:
        found = gone_on(self._shown, note, cast("LanguageModel | None", self.model), self.version)
        self._add(found, found.note_of(self._shown.step_of(note)))

    def _more(self) -> bool:
        """A few tokens more of the shown version; whether it goes on."""
        chosen = self._shown.step_of(self.note) if self.note >= 0 else -1
        self._versions[self.version] = longer(self._shown)
        self._publish()
        self.note = self._shown.note_of(chosen)
        return not self._shown.done

    def _add(self, version: Version, note: int) -> None:
        """Show a version after the shown one; what was undone is let go."""
        before = self.version
        self._versions = [*self._versions[: before + 1][-VERSIONS + 1 :], version]
        with self.hold_sync():
            self.versions, self.version = len(self._versions), len(self._versions) - 1
            if self.version == before:
                self._publish()
            self.note = note

    def _publish(self) -> None:
        """Send what is drawn of the shown version."""
        shown = self._shown
        voices = picture.voices(shown.leaf.generation) if shown.leaf else []
        voices = list(dict.fromkeys([*self.voices, *voices]))
        with self.hold_sync():
            self.parts, self.voices = picture.parts(shown.score), voices
            self.tempi, self.metres = picture.tempi(shown.score), picture.metres(shown.score)
            self.times, self.facts = picture.times(shown.score).tobytes(), picture.facts(shown, voices).tobytes()
            self.goes_on = shown.leaf is not None
            self.note = min(self.note, len(shown.score) - 1)

    # -- what the page and the user set ------------------------------------------------------------------------------

    @traitlets.validate("model")
    def _same_pieces(self, proposal: Any) -> LanguageModel | None:
        leaf, model = self._shown.leaf, proposal["value"]
        with refusing():
            if model is not None and leaf is None:
                raise InputError("This roll shows a score, so there is nothing that a model could go on with.")
            own = leaf and leaf.generation.scrub(0).model.vocabulary
            if model is not None and model.vocabulary != own:
                raise InputError(f"The model must speak {own!r}, as the one that wrote this does.")
        return model

    @traitlets.validate("version")
    def _one_of_the_versions(self, proposal: Any) -> int:
        with refusing():
            return whole("version", proposal["value"], 0, len(self._versions) - 1)

    @traitlets.validate("note")
    def _one_of_the_notes(self, proposal: Any) -> int:
        with refusing():
            return whole("note", proposal["value"], -1, len(self.score) - 1)

    @traitlets.validate("loop")
    def _two_beats(self, proposal: Any) -> list[float]:
        beats: Sequence[Any] = proposal["value"]
        with refusing():
            if beats and (len(beats) != 2 or not all(_number(beat) for beat in beats) or not 0 <= beats[0] < beats[1]):
                raise InputError(f"A loop is two beats, from 0 on, the first before the second, or []; got {beats!r}.")
        return list(beats)

    @traitlets.validate("zoom")
    def _pixels(self, proposal: Any) -> float:
        with refusing():
            return real("zoom", proposal["value"], *ZOOM)

    @traitlets.validate("muted", "soloed")
    def _some_parts(self, proposal: Any) -> list[int]:
        with refusing():
            return sorted({whole("part", part, 0, max(0, len(self.parts) - 1)) for part in proposal["value"]})

    def _another_version(self, change: Mapping[str, Any]) -> None:
        """Show it, with the same note chosen where it is still there."""
        old: int = change["old"]
        before = self._versions[min(old, len(self._versions) - 1)]
        step = int(before.steps[self.note, 0]) if 0 <= self.note < len(before.score) else -1
        self._publish()
        if (same := self._shown.note_of(step)) >= 0:
            self.note = same

    # -- what the page asks ------------------------------------------------------------------------------------------

    def _answer_reason(self, question: Mapping[str, Any]) -> dict[str, Any]:
        steps = self.generation.steps
        step = whole("step", question.get("step"), 0, len(steps) - 1)
        return {"step": step, "reason": picture.reason(steps[step])}

    def _answer_move(self, question: Mapping[str, Any]) -> dict[str, Any]:
        self._move(question.get("note"), question.get("pitch"))
        return {"note": self.note}

    def _answer_go_on(self, question: Mapping[str, Any]) -> dict[str, Any]:
        self._go_on(question.get("note"))
        return {"goes_on": not self._shown.done}

    def _answer_more(self, question: object) -> dict[str, Any]:
        del question
        return {"goes_on": self._more()}

    # -- forms -------------------------------------------------------------------------------------------------------

    def _text(self) -> str:
        voices = f", voices={', '.join(self.voices)}" if self.voices else ""
        return f"PianoRoll({still.described(self.score)}{voices})"

    def _still(self) -> str:
        facts = picture.facts(self._shown, self.voices)
        chosen, names = (facts[:, 4], self.voices) if self.goes_on else (facts[:, 3], self.parts)
        return still.still(self.score, chosen.tolist(), names)

    def _export(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        state = {name: getattr(self, name) for name in KEPT_OFFLINE}
        said = self._shown.steps[:, 0] if self._shown.leaf else ()
        steps = sorted({int(step) for step in said if step >= 0})[:OFFLINE]
        reasons = {str(step): picture.reason(self.generation.steps[step]) for step in steps}
        return state | {"reasons": reasons, "offline": True}, {"times": self.times, "facts": self.facts}


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _known(view: PianoRoll, name: str) -> str:
    known = sorted(view.reported - {"version"} | {"layout", "model"})
    if name not in known:
        raise InputError(f"PianoRoll takes no {name!r}; it takes {', '.join(known)}.")
    return name
