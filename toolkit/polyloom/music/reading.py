"""From tokens to a score, whatever the tokens: each does what it says where the text stands, and none is refused.

Models write nonsense too.  A pitch whose duration never comes is left out, a note that is never let go ends where the
text does, an end without a beginning says nothing, and no time goes beyond what a score holds.

Of each row of `rows`, `places` has two of the tokens, counted from 0: the one that said its pitch, and the one that
completed it, −1 where the text ended first.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from polyloom.music.schemes import BEATS, METRES, PART_AT_FIRST, TEMPI, bar_steps, loudness, metres
from polyloom.music.score import METRE, NOTE, TEMPO, Score, in_order
from polyloom.music.writing import FIRST_VELOCITY, binned

FARTHEST: Final = 2**38  # steps


class Reader:
    """Reads token after token; `score` is what was read."""

    def __init__(self, grid: int, velocities: int) -> None:
        self.grid, self.unit, self.velocities, self.metres = grid, BEATS * grid, velocities, metres(grid)
        self.rows: list[tuple[int, ...]] = []
        self.places: list[tuple[int, int]] = []
        self.at = -1  # which token is read
        self.now = self.start = self.long = 0
        self.length = bar_steps(METRES[0], grid)
        self.begun = False
        self.velocity = loudness(binned(FIRST_VELOCITY, velocities), velocities)
        self.pitch: tuple[int, int] | None = None  # and the place of its token
        self.slot = 0
        self.parts = [list(part) for part in PART_AT_FIRST]
        self.held: dict[tuple[int, ...], list[tuple[int, int, int]]] = {}
        self.tempi: dict[int, int] = {0: TEMPO[1]}
        self.measures: dict[int, tuple[int, int]] = {0: METRE[1:]}
        self.does: dict[str, Callable[[int], None]] = {
            "Bar": lambda _: self._bars(1), "Bars": lambda power: self._bars(2 << power), "Position": self._position,
            "Shift": self._shift, "Metre": self._metre, "Tempo": self._tempo, "Part": self._part,
            "Track": self._setting(0), "Channel": self._setting(1), "Program": self._setting(2),
            "Velocity": self._loudness, "Pitch": self._begin, "Long": self._longer, "Duration": self._end,
            "On": self._on, "Off": self._off,
        }  # fmt: skip

    def read(self, family: str, value: int) -> None:
        """One token; those that only describe, such as chords, do nothing."""
        self.at += 1
        if family in self.does:
            self.does[family](value)

    def score(self) -> Score:
        """What was read, in steps of the grid."""
        self._let_go()
        tempi, measures = changes(self.tempi), changes(self.measures)
        return Score(np.array(self.rows, NOTE), self.grid, tempi, tuple((tick, *metre) for tick, metre in measures))

    def whence(self) -> NDArray[np.int64]:
        """Of each note of `score`, in its order, the two places (n, 2)."""
        self._let_go()
        return np.array(self.places, np.int64).reshape(-1, 2)[in_order(np.array(self.rows, NOTE))]

    def _let_go(self) -> None:
        """What still sounds ends here."""
        for (pitch, *part), waiting in self.held.items():
            for onset, velocity, at in waiting:
                self._row(onset, self.now - onset, pitch, velocity, part, (at, -1))
        self.held = {}

    def _bars(self, count: int) -> None:
        self.start = min(self.start + (count - (not self.begun)) * self.length, FARTHEST)
        self.now, self.begun = self.start, True

    def _position(self, place: int) -> None:
        self.now = self.start + place

    def _shift(self, value: int) -> None:
        steps = value + 1 if value < self.unit else self.unit << (value - self.unit + 1)
        self.now = min(self.now + steps, FARTHEST)

    def _metre(self, value: int) -> None:
        self.start, self.length = self.now, bar_steps(self.metres[value], self.grid)
        self.measures[self.now] = self.metres[value]

    def _tempo(self, value: int) -> None:
        self.tempi[self.now] = round(6e7 / TEMPI[value])

    def _part(self, slot: int) -> None:
        self.slot = slot

    def _setting(self, at: int) -> Callable[[int], None]:
        def settle(value: int) -> None:
            self.parts[self.slot][at] = value

        return settle

    def _loudness(self, bin: int) -> None:
        self.velocity = loudness(bin, self.velocities)

    def _begin(self, pitch: int) -> None:
        self.pitch, self.long = (pitch, self.at), 0

    def _longer(self, power: int) -> None:
        self.long = min(self.long + (self.unit << power), FARTHEST)

    def _end(self, value: int) -> None:
        if self.pitch is not None:
            pitch, at = self.pitch
            part = self.parts[self.slot]
            self._row(self.now, self.long + value + 1, pitch, self.velocity, part, (at, self.at))
        self.pitch, self.long = None, 0

    def _on(self, pitch: int) -> None:
        self.held.setdefault((pitch, *self.parts[self.slot]), []).append((self.now, self.velocity, self.at))

    def _off(self, pitch: int) -> None:
        part = self.parts[self.slot]
        waiting = self.held.get((pitch, *part))
        if waiting:
            onset, velocity, at = waiting.pop(0)
            self._row(onset, self.now - onset, pitch, velocity, part, (at, self.at))

    def _row(
        self, onset: int, duration: int, pitch: int, velocity: int, part: Sequence[int], places: tuple[int, int]
    ) -> None:
        track, channel, program = part
        self.places.append(places)
        self.rows.append((onset, max(1, duration), pitch, velocity, channel, program, track))


def changes(entries: dict[int, Any]) -> tuple[tuple[int, Any], ...]:
    """Of values by tick, in order, those that are others than before."""
    found: list[tuple[int, Any]] = []
    for tick in sorted(entries):
        if not found or found[-1][1] != entries[tick]:
            found.append((tick, entries[tick]))
    return tuple(found)
