"""From a score on the grid to tokens, by either way of telling time.

Everything that happens has a tick and a rank: at one tick first the metre, then tempo, harmony, ends, beginnings.  It
is told in this order, each preceded by what leads there: shifts, or bars and a position.
"""

from collections.abc import Callable, Iterator, Mapping
from math import log2
from typing import Any

from polyloom.music.harmony import harmony
from polyloom.music.schemes import BEATS, METRES, PART_AT_FIRST, PARTS, POWERS, TEMPI, Scheme, bar_steps, metres
from polyloom.music.score import FIELDS, METRE, TEMPO, Score

COUNTED = 8  # empty bars that are told one by one
FIRST_VELOCITY = 80
PART = [FIELDS.index(name) for name in ("track", "channel", "program")]

Part = tuple[int, ...]


class Writer:
    """Writes one score; `first` has the first id of each family."""

    def __init__(self, scheme: Scheme, grid: int, velocities: int, first: Mapping[str, int]) -> None:
        self.scheme, self.unit, self.velocities, self.first = scheme, BEATS * grid, velocities, first
        self.grid, self.metres = grid, metres(grid)
        self.ids: list[int] = []
        self.now = self.start = 0  # of the bar
        self.length = bar_steps(METRES[0], grid)
        self.begun = False  # whether there was a bar
        self.velocity = binned(FIRST_VELOCITY, velocities)
        self.slot = 0
        self.parts: list[Part] = [*PART_AT_FIRST]

    def written(self, score: Score) -> list[int]:
        """The ids of a score whose ticks are steps."""
        note = self._on if self.scheme == "events" else self._note
        tell: tuple[Callable[..., None], ...] = (self._metre, self._tempo, self._chord, self._off, note)
        for tick, rank, *what in sorted(self._happenings(score)):
            if tick or rank > 1:  # metre and tempo of the beginning stand before the first bar
                self._go(tick)
            tell[rank](*what)
        return self.ids

    def _happenings(self, score: Score) -> Iterator[tuple[Any, ...]]:
        yield from ((tick, 0, (n, d)) for tick, n, d in score.metres if (tick, n, d) != METRE)
        yield from ((tick, 1, tempo) for tick, tempo in score.tempi if (tick, tempo) != TEMPO)
        if self.scheme == "chords":
            yield from ((tick, 2, chord) for tick, chord in harmony(score))
        slots: dict[Part, int] = {self.parts[0]: 0}
        for note in score.notes.tolist():
            part = tuple(note[at] for at in PART)
            slot = slots.setdefault(part, len(slots))
            onset, duration, pitch, velocity = note[:4]
            if self.scheme == "events":
                yield onset, 4, slot, pitch, part, velocity
                yield onset + duration, 3, slot, pitch, part
            else:
                yield onset, 4, slot, pitch, part, velocity, duration

    def _go(self, tick: int) -> None:
        if self.scheme == "events":
            self._shift(tick - self.now)
        else:
            bars, place = divmod(tick - self.start, self.length)
            self._bars(bars)
            if place != self.now - self.start:
                self._tell("Position", place)
        self.now = tick

    def _shift(self, steps: int) -> None:
        if steps:
            units, rest = divmod(steps - 1, self.unit)
            self._doublings(self.first["Shift"] + self.unit - 1, units)
            self._tell("Shift", rest)

    def _bars(self, bars: int) -> None:
        count = bars + (not self.begun)
        if count:
            self.start += bars * self.length
            self.now, self.begun = self.start, True
        if count > COUNTED:
            self._doublings(self.first["Bars"], count // 2)
            count %= 2
        self.ids += [self.first["Bar"]] * count if count else ()

    def _metre(self, metre: tuple[int, int]) -> None:
        self._tell("Metre", self.metres.index(metre))
        self.start, self.length = self.now, bar_steps(metre, self.grid)

    def _tempo(self, tempo: int) -> None:
        self._tell("Tempo", tempo_index(tempo))

    def _chord(self, chord: int) -> None:
        self._tell("Chord", chord)

    def _on(self, slot: int, pitch: int, part: Part, velocity: int) -> None:
        self._enter(slot, part)
        self._loudness(velocity)
        self._tell("On", pitch)

    def _off(self, slot: int, pitch: int, part: Part) -> None:
        self._enter(slot, part)
        self._tell("Off", pitch)

    def _note(self, slot: int, pitch: int, part: Part, velocity: int, duration: int) -> None:
        self._enter(slot, part)
        self._tell("Pitch", pitch)
        self._loudness(velocity)
        units, rest = divmod(duration - 1, self.unit)
        self._doublings(self.first["Long"], units)
        self._tell("Duration", rest)

    def _loudness(self, velocity: int) -> None:
        bin = binned(velocity, self.velocities)
        if bin != self.velocity:
            self._tell("Velocity", bin)
            self.velocity = bin

    def _enter(self, slot: int, part: Part) -> None:
        slot = min(slot, PARTS - 1)  # the last is told anew each time where there are more
        if slot != self.slot:
            self._tell("Part", slot)
            self.slot = slot
        for family, new, old in zip(("Track", "Channel", "Program"), part, self.parts[slot], strict=True):
            if new != old:
                self._tell(family, new)
        self.parts[slot] = part

    def _doublings(self, first: int, count: int) -> None:
        for power in reversed(range(POWERS)):
            times, count = divmod(count, 1 << power)
            self.ids += [first + power] * times

    def _tell(self, family: str, value: int) -> None:
        self.ids.append(self.first[family] + value)


def binned(velocity: int, velocities: int) -> int:
    """The bin of a velocity."""
    return (velocity - 1) * velocities // 127


def tempo_index(tempo: int) -> int:
    """Which tempo is nearest to so many microseconds a beat."""
    step = round(12 * log2(6e7 / max(1, tempo) / TEMPI[0]))
    return min(max(step, 0), len(TEMPI) - 1)
