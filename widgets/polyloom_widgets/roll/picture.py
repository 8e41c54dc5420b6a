"""A version as the page draws it: times in beats, what each note is, where bars begin, how fast it goes, and reasons.

    times     float64 (n, 2)  beats at which a note begins and ends
    facts     int32 (n, 8)    pitch, velocity, percussion, part, voice, its share in per cent, step, hand
    tempi     [beat, seconds, seconds a beat] from there on
    metres    [beat, beats of a bar, beats that are counted as one, number of the bar]

A part is a track, a channel and a program.  The voice of a note is the layer that spoke loudest for its pitch, −1 for
none; hand is 0, 1 for a note that was put by hand, 2 while the model has not gone on from there.
"""

from collections.abc import Sequence
from math import exp, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom.compose.layered import Layered
from polyloom.generate.trace import Generation, Step
from polyloom.music.constraints import SOUNDS
from polyloom.music.score import DRUMS, Score
from polyloom_widgets.roll.versions import Version

FACTS = 8
INSTRUMENTS = (
    "piano", "chimes", "organ", "guitar", "bass", "strings", "ensemble", "brass", "reed", "pipe", "lead", "pad",
    "effects", "ethnic", "percussive", "sounds",
)  # fmt: skip  # of General MIDI, each of eight programs


def times(score: Score) -> NDArray[np.float64]:
    """Beats (n, 2)."""
    onsets = score.notes["onset"]
    return np.column_stack([onsets, onsets + score.notes["duration"]]) / score.ticks_per_beat


def facts(version: Version, voices: Sequence[str]) -> NDArray[np.int32]:
    """See the module."""
    notes, found = version.score.notes, np.zeros((len(version.score), FACTS), np.int32)
    found[:, 0], found[:, 1], found[:, 2] = notes["pitch"], notes["velocity"], notes["channel"] == DRUMS
    found[:, 3], found[:, 6] = _parted(version.score)[1], version.steps[:, 0]
    pending = np.isin(version.steps[:, 0], list(version.moved))
    found[:, 4], found[:, 7] = -1, np.where(pending, 2, version.hand)
    for at in np.flatnonzero((version.steps[:, 0] >= 0) & ~version.hand).tolist():
        step = version.own.generation.steps[int(version.steps[at, 0])]
        if step.shares:
            found[at, 4:6] = voices.index(step.loudest), round(100 * step.shares[step.loudest])
    return found


def parts(score: Score) -> list[str]:
    """What plays each part, numbered where one plays several."""
    found = [_player(*row) for row in _parted(score)[0].tolist()]
    return [f"{one} {found[: n + 1].count(one)}" if found.count(one) > 1 else one for n, one in enumerate(found)]


def voices(made: Generation) -> list[str]:
    """The layers of the model, and whoever else spoke."""
    model = made.scrub(0).model
    own = model.layers if isinstance(model, Layered) else ()
    return list(dict.fromkeys([*own, *(name for step in made.steps for name in step.shares)]))


def tempi(score: Score) -> list[list[float]]:
    """See the module."""
    return [[tick / score.ticks_per_beat, score.seconds(tick), tempo / 1e6] for tick, tempo in score.tempi]


def metres(score: Score) -> list[list[float]]:
    """See the module."""
    found: list[list[float]] = []
    for tick, count, unit in score.metres:
        beat, bar = tick / score.ticks_per_beat, 0.0
        if found:
            start, length, _, number = found[-1]
            bar = number + np.ceil((beat - start) / length - 1e-9)
        length = max(4 * count / unit, 1 / score.ticks_per_beat)
        found.append([beat, length, 4 / unit, float(bar)])
    return found


def reason(said: Step) -> dict[str, Any]:
    """Why a token was said: how likely it was, who spoke for it, what else could have come, and its pitch."""
    return {
        "p": round(exp(said.log_prob), 6), "bits": round(-said.log_prob / log(2), 3),
        "shares": {name: round(share, 4) for name, share in said.shares.items()},
        "others": [[piece, _pitch(piece), round(p, 6)] for piece, p in said.candidates],
    }  # fmt: skip


def _pitch(piece: str) -> int:
    """The pitch that a piece says, in angle brackets if tunes have captions; −1 if it says something else."""
    family, _, value = piece.strip("<>").partition("_")
    return int(value) if family in SOUNDS and value.isdecimal() else -1


def _player(track: int, channel: int, program: int) -> str:
    del track
    return "drums" if channel == DRUMS else INSTRUMENTS[program // 8]


def _parted(score: Score) -> tuple[NDArray[np.int16], NDArray[np.int64]]:
    """The parts as track, channel, program (p, 3), and of each note which it is."""
    columns = np.column_stack([score.notes[name] for name in ("track", "channel", "program")])
    rows, which = np.unique(columns, axis=0, return_inverse=True)
    return rows, which.reshape(-1)
