"""Progressions: chords one after another, their numerals in a key, and the turns that they make.

    authentic cadence     V  I              half cadence        … V, and there it ends
    plagal cadence        IV I              deceptive cadence   V  vi
    ii–V–I                ii V I            backdoor            iv  bVII7  I, or bVII7  I
    tritone substitution  subV7  I          secondary dominant  V7/x  x
    modal mixture         a borrowed chord  circle of fifths    four roots or more, each a fifth below the last

The key is given, or it is the one in which most chords are at home, most of all the first and the last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

from polyloom.errors import InputError
from polyloom.music.theory.chord import Chord, chord
from polyloom.music.theory.key import Key
from polyloom.music.theory.note import Note, simplest
from polyloom.music.theory.roman import Roman, roman

CIRCLE = 4  # roots that make a circle of fifths


@final
@dataclass(frozen=True)
class Turn:
    """A turn: what it is, and the chords that make it, from the `start`-th (from 0), `length` of them."""

    name: str
    start: int
    length: int


@final
@dataclass(frozen=True)
class Progression:
    """Chords in a key."""

    key: Key
    numerals: tuple[Roman, ...]
    turns: tuple[Turn, ...]

    @property
    def chords(self) -> tuple[Chord, ...]:
        """The chords."""
        return tuple(one.chord for one in self.numerals)

    def __str__(self) -> str:
        return f"{self.key}: {' '.join(map(str, self.numerals))}"


def progression(symbols: Sequence[str | Chord], key: str | Key | None = None) -> Progression:
    """What chords do: `progression(["Dm7", "G7", "Cmaj7"])` is ii7 V7 Imaj7 in C major, a ii–V–I.

    Raises InputError for no chord, and for a symbol that is none.
    """
    if isinstance(symbols, str) or not len(symbols):
        raise InputError(f'Expected chords one after another, such as ["Dm7", "G7", "C"], got {symbols!r}.')
    chords = [one if isinstance(one, Chord) else chord(one) for one in symbols]
    home = Key.of(key) if key is not None else _home(chords)
    numerals = tuple(roman(one, home) for one in chords)
    return Progression(home, numerals, tuple(_turns(numerals)))


def _home(chords: Sequence[Chord]) -> Key:
    """The key in which most chords are at home; one that opens or ends the piece, or is resolved to, counts more."""
    roots = {one.root for one in chords}
    tonics = [*roots, *(simplest(chroma) for chroma in range(12))]
    keys = [Key(tonic, mode) for tonic in dict.fromkeys(tonics) for mode in ("major", "minor")]  # type: ignore[arg-type]

    def worth(key: Key) -> tuple[float, ...]:
        found = [roman(one, key) for one in chords]
        home = sum(one.kind == "diatonic" for one in found)
        other = sum(one.kind not in ("diatonic", "chromatic") for one in found)
        closes = sum(_dominant(a) and b.degree == 1 and b.kind == "diatonic" for a, b in pairwise(found))
        opens, ends = (one.degree == 1 and one.kind == "diatonic" for one in (found[0], found[-1]))
        return home + 0.4 * other + 0.5 * closes + opens + 0.9 * ends, -abs(key.signature)

    return max(keys, key=worth)


def _dominant(one: Roman) -> bool:
    return one.degree == 5 and one.kind == "diatonic" and one.chord.third == "3"


def _turns(numerals: Sequence[Roman]) -> list[Turn]:
    found: list[Turn] = []
    for at, (a, b) in enumerate(pairwise(numerals)):
        before = numerals[at - 1] if at else None
        home = b.degree == 1 and b.kind in ("diatonic", "borrowed")
        if _dominant(a) and home:
            two = before is not None and before.degree == 2 and before.kind in ("diatonic", "borrowed")
            found.append(Turn("ii–V–I", at - 1, 3) if two else Turn("authentic cadence", at, 2))
        elif _dominant(a) and b.degree == 6 and b.kind in ("diatonic", "borrowed"):
            found.append(Turn("deceptive cadence", at, 2))
        elif a.degree == 4 and a.function == "subdominant" and home:
            found.append(Turn("plagal cadence", at, 2))
        elif a.kind == "backdoor" and home:
            four = before is not None and before.degree == 4 and before.chord.third == "b3"
            found.append(Turn("backdoor", at - 1, 3) if four else Turn("backdoor", at, 2))
        elif a.kind == "substitute" and b.degree == a.goal:
            found.append(Turn("tritone substitution", at, 2))
        elif a.kind == "secondary" and b.degree == a.goal:
            found.append(Turn("secondary dominant", at, 2))
    if len(numerals) > 1 and _dominant(numerals[-1]):
        found.append(Turn("half cadence", len(numerals) - 1, 1))
    found += [Turn("modal mixture", at, 1) for at, one in enumerate(numerals) if one.kind == "borrowed"]
    return sorted([*found, *_circles([one.chord.root for one in numerals])], key=lambda turn: (turn.start, turn.name))


def _circles(roots: Sequence[Note]) -> list[Turn]:
    found, start = list[Turn](), 0
    for at in range(1, len(roots) + 1):
        falls = at < len(roots) and (roots[at].chroma - roots[at - 1].chroma) % 12 in (5, 6)
        if falls and (roots[at].chroma - roots[at - 1].chroma) % 12 == 6:
            falls = roots[at].fifths - roots[at - 1].fifths in (-6, 6)  # within a key the circle has one tritone
        if not falls:
            if at - start >= CIRCLE:
                found.append(Turn("circle of fifths", start, at - start))
            start = at
    return found
