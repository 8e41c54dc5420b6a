"""A note by name, on the line of fifths: … B♭ F C G D A E B F♯ …

    fifths      C is 0, G 1, F −1: a sharp adds 7, a flat takes 7
    chroma      7 · fifths mod 12: the key on a piano, C = 0; F♯ and G♭ have the same, and different fifths

Intervals are differences of fifths, so spelling is arithmetic: a major third is 4, and up from E♭ (−3) it leads to G
(1), never to A♭♭.  Notes are strings, ASCII: "F#", "Bb", "Ebb".  They know no octave.
"""

import re
from typing import Self, final

from polyloom.errors import InputError

LETTERS = {"F": -1, "C": 0, "G": 1, "D": 2, "A": 3, "E": 4, "B": 5}
NAMED = "FCGDAEB"  # in fifths, from −1
SIGNS = {"#": 7, "♯": 7, "x": 14, "𝄪": 14, "b": -7, "♭": -7, "𝄫": -14, "-": -7}
SPELLING = re.compile(r"([A-Ga-g])([#♯x𝄪b♭𝄫-]*)\Z")
FARTHEST = 35  # fifths from C: five sharps or flats at one note, more than any music has


@final
class Note(str):
    """The name of a note: `Note("F#")`, `Note("b♭") == "Bb"`.  Raises InputError for what is none."""

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        """A name with signs of any kind, written in ASCII."""
        found = SPELLING.match(name.strip()) if isinstance(name, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
        if found is None:
            raise InputError(f"Expected the name of a note, such as C, F# or Bb, got {name!r}.")
        return cls.at(LETTERS[found[1].upper()] + sum(SIGNS[sign] for sign in found[2]))

    @classmethod
    def at(cls, fifths: int) -> Self:
        """The note so many fifths above C; InputError beyond five signs."""
        if not -FARTHEST <= fifths <= FARTHEST:
            raise InputError("No music spells notes with more than five sharps or flats.")
        signs, place = divmod(fifths + 1, 7)
        return super().__new__(cls, NAMED[place] + ("#" * signs if signs > 0 else "b" * -signs))

    @property
    def fifths(self) -> int:
        """Fifths above C."""
        return LETTERS[self[0]] + sum(SIGNS[sign] for sign in self[1:])

    @property
    def chroma(self) -> int:
        """0 … 11, C is 0."""
        return 7 * self.fifths % 12

    def up(self, fifths: int) -> Self:
        """The note an interval higher, given as fifths: 4 is a major third, −3 a minor one."""
        return self.at(self.fifths + fifths)


def simplest(chroma: int, near: int = 0) -> Note:
    """The spelling of a piano key that lies nearest on the line of fifths to `near`, the sharper of two."""
    first = 7 * chroma % 12  # the line of fifths meets every key once in twelve steps
    best = min((first + 12 * turn for turn in range(-4, 4)), key=lambda fifths: (abs(fifths - near), -fifths))
    return Note.at(best)
