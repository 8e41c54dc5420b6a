"""How music is told in tokens: three schemes, each a table of families of pieces.

    events    Shift_24 On_60 Shift_24 Off_60          what a keyboard sends (Oore et al. 2018)
    remi      Bar Position_24 Pitch_60 Duration_24    where it stands in the bar (Huang and Yang 2020)
    chords    Bar Chord_C Position_24 Pitch_60 …      remi, and the harmony of each half bar

A piece is `Family_value`.  Times are steps of a grid, so many a beat.  What holds until it is changed is told only
where it changes: metre, tempo, velocity, and the part, which is a track, a channel and a program.  Long times are sums
of powers of two, so that a rest of an hour is a handful of tokens.
"""

from typing import Literal, TypeAlias

from polyloom.errors import InputError
from polyloom.music.score import DRUMS

Scheme: TypeAlias = Literal["events", "remi", "chords"]
Table: TypeAlias = dict[str, tuple[str, ...]]  # family: its values; "" for the only piece of a family

BEATS = 4  # of the longest time that is one token
LONGEST_BAR = 8  # beats
POWERS = 24  # doublings
PARTS, TRACKS = 32, 64
MELODIC = [channel for channel in range(16) if channel != DRUMS]
PART_AT_FIRST = tuple((part, MELODIC[part % len(MELODIC)], 0) for part in range(PARTS))  # track, channel, program
METRES = ((4, 4), *((n, d) for d in (4, 8, 2, 16) for n in range(1, 17) if (n, d) != (4, 4)))
PITCHES = tuple(map(str, range(128)))
TEMPI = tuple(120 * 2 ** (k / 12) for k in range(-36, 25))  # beats a minute: 15 to 480, 12 to the double
ROOTS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
QUALITIES = ("", "m", "7", "m7", "maj7", "dim", "m7b5", "dim7", "sus4", "aug")

SETTINGS = ("Metre", "Tempo", "Part", "Track", "Channel", "Program", "Velocity")
FAMILIES: dict[Scheme, tuple[str, ...]] = {
    "events": (*SETTINGS, "Shift", "On", "Off"),
    "remi": (*SETTINGS, "Bar", "Bars", "Position", "Pitch", "Duration", "Long"),
    "chords": (*SETTINGS, "Bar", "Bars", "Position", "Chord", "Pitch", "Duration", "Long"),
}


def table(scheme: Scheme, grid: int, velocities: int) -> Table:
    """The families of a scheme with their values, in the order of their ids; InputError for an unknown scheme."""
    if scheme not in FAMILIES:
        raise InputError(f"Unknown scheme {scheme!r}; there are {', '.join(FAMILIES)}.")
    unit = BEATS * grid
    doubled = tuple(str(unit << power) for power in range(POWERS))
    steps = tuple(map(str, range(1, unit + 1)))
    values: Table = {
        "Metre": tuple(f"{n}/{d}" for n, d in metres(grid)),
        "Tempo": tuple(f"{tempo:.0f}" for tempo in TEMPI),
        "Part": tuple(map(str, range(PARTS))), "Track": tuple(map(str, range(TRACKS))),
        "Channel": tuple(map(str, range(16))), "Program": tuple(map(str, range(128))),
        "Velocity": tuple(str(loudness(bin, velocities)) for bin in range(velocities)),
        "Shift": (*steps, *doubled[1:]), "On": PITCHES, "Off": PITCHES, "Pitch": PITCHES,
        "Bar": ("",), "Bars": tuple(str(2 << power) for power in range(POWERS)),
        "Position": tuple(map(str, range(LONGEST_BAR * grid))),
        "Chord": (*(root + quality for root in ROOTS for quality in QUALITIES), "none"),
        "Duration": steps, "Long": doubled,
    }  # fmt: skip
    return {family: values[family] for family in FAMILIES[scheme]}


def metres(grid: int) -> tuple[tuple[int, int], ...]:
    """The metres whose bars the grid divides, none longer than 8 beats; 4/4 is the first."""
    return tuple((n, d) for n, d in METRES if not 4 * n * grid % d and 4 * n <= LONGEST_BAR * d)


def bar_steps(metre: tuple[int, int], grid: int) -> int:
    """The length of a bar in steps."""
    return 4 * metre[0] * grid // metre[1]


def loudness(bin: int, velocities: int) -> int:
    """The velocity that a bin stands for: its middle."""
    return int((bin + 0.5) * 127 / velocities) + 1
