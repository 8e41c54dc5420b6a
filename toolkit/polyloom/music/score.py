"""A score: notes with exact ticks, and the maps of tempo and metre.

    score.notes     a structured array, sorted: onset and duration in ticks, pitch, velocity, channel, program, track
    score.tempi     (tick, microseconds a beat), the first at 0;  score.metres  (tick, beats of a bar, unit)
    seconds(tick)   Σ over stretches of one tempo: ticks · microseconds / (10⁶ · ticks a beat)

A score is a value: what changes it gives another.  Ticks are whole numbers, so nothing is rounded but by `quantised`,
which says by how much.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom.errors import InputError
from polyloom.real import real
from polyloom.whole import whole

FIELDS = ("onset", "duration", "pitch", "velocity", "channel", "program", "track")
NOTE = np.dtype([(name, "<i8" if name in ("onset", "duration") else "<i2") for name in FIELDS])
ORDER = ("velocity", "program", "track", "channel", "duration", "pitch", "onset")  # the last counts most
LIMITS = {"pitch": (0, 127), "velocity": (1, 127), "channel": (0, 15), "program": (0, 127), "track": (0, 1023)}
LATEST = 2**40  # ticks
TEMPO = (0, 500_000)  # 120 beats a minute, as MIDI says where nothing is said
SLOWEST = 2**24 - 1  # microseconds of a beat
METRE = (0, 4, 4)
MOST_BARS = 100_000
DRUMS = 9  # the channel of percussion: its pitches are instruments

Notes = NDArray[Any]


@final
@dataclass(frozen=True)
class Rounding:
    """How far `quantised` moved notes, in beats: on average, and at most; and how many became as short as a step."""

    mean: float
    most: float
    shortest: int


@final
@dataclass(frozen=True, eq=False)
class Score:
    """See the module.

    Raises InputError for notes that are none, and for maps that do not begin at 0 and rise, or that MIDI cannot hold.
    """

    notes: Notes
    ticks_per_beat: int = 480
    tempi: tuple[tuple[int, int], ...] = (TEMPO,)
    metres: tuple[tuple[int, int, int], ...] = (METRE,)
    report: tuple[str, ...] = ()  # what was repaired where it was read

    def __post_init__(self) -> None:
        whole("ticks_per_beat", self.ticks_per_beat, 1, 32_767)
        if self.notes.dtype != NOTE or self.notes.ndim != 1:
            raise InputError(f"Expected notes as an array of {', '.join(FIELDS)}, got {self.notes.dtype}.")
        for name, (least, most) in LIMITS.items():
            _within(name, self.notes[name], least, most)
        _within("onset", self.notes["onset"], 0, LATEST)
        _within("duration", self.notes["duration"], 1, LATEST)
        for name, given in (("tempi", self.tempi), ("metres", self.metres)):
            ticks = [one[0] for one in given]
            if not ticks or ticks[0] != 0 or any(a >= b for a, b in pairwise(ticks)):
                raise InputError(f"The {name} must begin at tick 0 and rise, got {ticks[:8]}.")
        for _, tempo in self.tempi:
            whole("tempo", tempo, 1, SLOWEST)
        for _, count, unit in self.metres:
            if not (0 < count < 256 and unit > 0 and unit & (unit - 1) == 0):
                raise InputError(f"A metre is 1 to 255 beats of a power of two, such as 3/4, got {count}/{unit}.")
        ordered = self.notes[in_order(self.notes)]
        ordered.flags.writeable = False
        object.__setattr__(self, "notes", ordered)

    @classmethod
    def of(cls, notes: Iterable[Sequence[int]], **more: Any) -> "Score":
        """A score of rows: onset, duration, pitch, and if given velocity (80), channel, program and track (0)."""
        usual = (0, 1, 60, 80, 0, 0, 0)
        rows = [(*row, *usual[len(row) :]) for row in notes]
        if any(len(row) != len(FIELDS) for row in rows):
            raise InputError(f"Expected rows of at most {len(FIELDS)} numbers: {', '.join(FIELDS)}.")
        return cls(np.array(rows, NOTE), **more)

    def __len__(self) -> int:
        return len(self.notes)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Score):
            return NotImplemented
        return np.array_equal(self.notes, other.notes) and self._maps() == other._maps()

    __hash__ = None  # type: ignore[assignment]

    def _maps(self) -> tuple[Any, ...]:
        return self.ticks_per_beat, self.tempi, self.metres

    def __repr__(self) -> str:
        return f"<Score of {len(self):,} notes, {self.beats:g} beats, {self.seconds(self.end):.1f} s>"

    @property
    def end(self) -> int:
        """The tick at which the last note ends."""
        return int((self.notes["onset"] + self.notes["duration"]).max()) if len(self) else 0

    @property
    def beats(self) -> float:
        """How many beats that is."""
        return self.end / self.ticks_per_beat

    def seconds(self, tick: int) -> float:
        """When a tick is heard."""
        return float(self.times(tick))

    def times(self, ticks: ArrayLike) -> NDArray[np.float64]:
        """When each of the ticks is heard, in seconds, float64 of their shape."""
        starts, tempi, before = self._clock
        given = np.maximum(np.asarray(ticks, np.float64), 0)
        at = np.searchsorted(starts, given, side="right") - 1
        passed: NDArray[np.float64] = before[at] + (given - starts[at]) * tempi[at]
        return passed / (1e6 * self.ticks_per_beat)

    def spans(self) -> NDArray[np.float64]:
        """When each note begins and when it ends, in seconds, float64 (2, n)."""
        onsets = self.notes["onset"]
        return self.times([onsets, onsets + self.notes["duration"]])

    @cached_property
    def _clock(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Of each tempo its first tick, its microseconds a beat, and Σ ticks · microseconds before it, (tempi,)."""
        starts, tempi = np.array(self.tempi, np.float64).T
        return starts, tempi, np.concatenate([[0.0], np.cumsum(np.diff(starts) * tempi[:-1])])

    def chroma(self) -> NDArray[np.float64]:
        """For how many beats each of the 12 notes sounds, C first, float64 (12,), drums left out; for `find_key`."""
        pitched = self.notes[self.notes["channel"] != DRUMS]
        found = np.bincount(pitched["pitch"] % 12, pitched["duration"] / self.ticks_per_beat, 12)
        return found.astype(np.float64)

    def bars(self) -> tuple[int, ...]:
        """The ticks at which bars begin, and where the last one ends: one more than there are bars.

        A metre begins a bar where it stands.  Raises InputError for more bars than anybody wrote.
        """
        found, last = list[int](), 0
        ends = [*(tick for tick, _, _ in self.metres[1:]), max(self.end, self.metres[-1][0] + 1)]
        for (start, count, unit), end in zip(self.metres, ends, strict=True):
            length = max(1, 4 * count * self.ticks_per_beat // unit)
            if len(found) + (end - start) // length > MOST_BARS:
                raise InputError(f"The score has more than {MOST_BARS:,} bars: it lasts {self.beats:,.0f} beats.")
            found += range(start, end, length)
            last = found[-1] + length
        return (*found, last)

    def transposed(self, semitones: int) -> "Score":
        """Every note so much higher, but for percussion; InputError if one would leave 0 … 127."""
        notes = self.notes.copy()
        notes["pitch"][notes["channel"] != DRUMS] += whole("semitones", semitones, -127, 127)
        return replace(self, notes=notes)

    def stretched(self, factor: float) -> "Score":
        """The same ticks in `factor` times the time."""
        by = real("factor", factor, 1e-3, 1e3)
        tempi = tuple((tick, max(1, round(tempo * by))) for tick, tempo in self.tempi)
        if max(tempo for _, tempo in tempi) > SLOWEST:
            raise InputError("A beat of more than 16 seconds has no place in a MIDI file.")
        return replace(self, tempi=tempi)

    def quantised(self, steps: int = 24) -> "tuple[Score, Rounding]":
        """Onsets and ends on a grid of so many steps a beat, as ticks of that grid; no note shorter than a step."""
        grid = whole("steps", steps, 1, 960)
        notes, scale = self.notes.copy(), grid / self.ticks_per_beat
        ends = _nearest((self.notes["onset"] + self.notes["duration"]) * scale)
        notes["onset"] = _nearest(self.notes["onset"] * scale)
        notes["duration"] = np.maximum(1, ends - notes["onset"])
        moved = np.abs(notes["onset"] / grid - self.notes["onset"] / self.ticks_per_beat)
        short = int((ends <= notes["onset"]).sum())
        rounding = Rounding(float(moved.mean()), float(moved.max()), short) if len(self) else Rounding(0, 0, 0)
        tempi = _kept((int(_nearest(tick * scale)), *rest) for tick, *rest in self.tempi)
        metres = _kept((int(_nearest(tick * scale)), *rest) for tick, *rest in self.metres)
        return replace(self, notes=notes, ticks_per_beat=grid, tempi=tempi, metres=metres), rounding


def in_order(notes: Notes) -> NDArray[np.int64]:
    """Which of the notes (n,) comes first in a score, which next: by onset, then pitch, then what else they have."""
    return np.lexsort([notes[name] for name in ORDER])


def _nearest(values: Any) -> Any:
    """Halves go up, so that equal distances stay equal."""
    return np.floor(np.asarray(values) + 0.5).astype(np.int64)


def _kept(entries: Iterable[tuple[int, ...]]) -> tuple[Any, ...]:
    """Of entries that fell on one tick, the last."""
    return tuple(sorted({entry[0]: entry for entry in entries}.values()))


def _within(name: str, values: NDArray[Any], least: int, most: int) -> None:
    if len(values) and not (values.min() >= least and values.max() <= most):
        raise InputError(f"A note's {name} is from {least} to {most:,}, got {values.min()} … {values.max()}.")
