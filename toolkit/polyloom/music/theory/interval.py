"""Intervals and degrees, as fifths.

degree      "1", "b3", "#11": a step of the major scale above a root, raised or lowered
interval    "P5", "m3", "A4": quality and number (perfect, major, minor, augmented, diminished)

fifths of degree n of a major scale: 1 → 0, 2 → 2, 3 → 4, 4 → −1, 5 → 1, 6 → 3, 7 → 5;  ♯ is +7, ♭ is −7
"""

import re

from polyloom.errors import InputError
from polyloom.music.theory.note import Note

SCALE = {1: 0, 2: 2, 3: 4, 4: -1, 5: 1, 6: 3, 7: 5}
DEGREE = re.compile(r"([#b]*)(1[0-5]|[1-9])\Z")
PERFECT = (1, 4, 5)
NAMES = {1: "unison", 2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth", 7: "seventh"}
QUALITIES = {"P": "perfect", "M": "major", "m": "minor", "A": "augmented", "d": "diminished"}


def degree(name: str) -> int:
    """The fifths of a degree such as "b7" or "#11"; InputError for what is none."""
    found = DEGREE.match(name)
    if found is None:
        raise InputError(f"Expected a degree such as 3, b7 or #11, got {name!r}.")
    return SCALE[(int(found[2]) - 1) % 7 + 1] + 7 * (found[1].count("#") - found[1].count("b"))


def number(name: str) -> int:
    """The number of a degree: 7 of "b7"."""
    return int(name.lstrip("#b"))


def interval(low: str, high: str) -> str:
    """The interval from one note up to the next of the other's name, such as "M3" from C to E."""
    fifths = Note(high).fifths - Note(low).fifths
    size = 4 * fifths % 7 + 1
    away = (fifths - SCALE[size]) // 7  # signs beyond the major scale's
    if size in PERFECT:
        return ("P" if not away else "A" * away if away > 0 else "d" * -away) + str(size)
    return ("M" if not away else "A" * away if away > 0 else "m" if away == -1 else "d" * (-away - 1)) + str(size)


def spoken(name: str) -> str:
    """An interval in words: "M3" is "major third"."""
    quality = "doubly " * (len(name) - 2) + QUALITIES[name[0]]
    return f"{quality} {NAMES[int(name[-1])]}"


def semitones(name: str) -> int:
    """Its size within an octave, 0 … 11: "M3" is 4."""
    size, quality = int(name[-1]), name[:-1]
    lowered = 1 if size not in PERFECT else 0
    away = {"P": 0, "M": 0, "m": -1}.get(quality, len(quality) if quality[0] == "A" else -len(quality) - lowered)
    return 7 * (SCALE[size] + 7 * away) % 12
