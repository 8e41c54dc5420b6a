"""Tunes as text: a part of ABC (standard 2.1), enough for the tunes that come with Polyloom.

    X:1  T:title  R:dance  M:4/4  L:1/8  Q:1/4=120  K:G          a header, one field a line, K: the last
    "G"G2 B2 d2 [GBd]2 | ^c/2 =c3/2 z2 c'2 E,4 |]                 notes, chords, rests, lengths in units of L, bars

A sign (^ sharp, _ flat, = natural) holds to the end of the bar.  A symbol in quotes is a chord that sounds below until
the next one or the end of the bar, on a track of its own.  Tuplets, ties, repeats, grace notes, decorations and several
voices are refused.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import final

from polyloom.errors import InputError
from polyloom.music.score import Score
from polyloom.music.theory.chord import Chord, chord
from polyloom.music.theory.key import Key
from polyloom.music.theory.note import Note

TICKS = 480  # a beat
MELODY, BELOW = 88, 64  # velocities
LOWEST = 43  # the G that is lowest among the roots of chords
BLANK = "\n\n"
FIELD = re.compile(r"([A-Z]):\s*(.*)")
NOTE = r"(?:\^|_|=)?[A-Ga-g][,']{0,9}"
LENGTH = r"\d{0,3}(?:/\d{0,3})?"
TOKEN = re.compile(
    rf'\s*(?:"(?P<symbol>[^"]+)"|(?P<bar>\|\]|\|\||\|)|(?P<tones>\[(?:{NOTE})+\]|{NOTE}|z)(?P<length>{LENGTH}))\s*'
)
PITCHES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}
SIGNS = {"^": 1, "_": -1, "=": 0}


@final
@dataclass
class _Place:
    """Where the reading stands: ticks from the beginning, the signs of this bar, and the chord that sounds."""

    key: Key
    unit: Fraction  # ticks
    now: Fraction = Fraction(0)
    signs: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    symbol: tuple[Chord, Fraction] | None = None
    rows: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])


def read_abc(text: str) -> Score:
    """The score of one tune; InputError for what is not of this part of ABC, with the place."""
    fields, body = _parted(text)
    beat = _fraction(fields.get("L", "1/8"), "L")
    n, d = _metre(fields.get("M", "4/4"))
    place = _Place(Key.of(fields["K"]), 4 * beat * TICKS)
    for found in _tokens(body):
        if found["bar"]:
            _below(place)
            place.signs.clear()
        elif found["symbol"]:
            _below(place)
            place.symbol = chord(found["symbol"]), place.now
        else:
            _sound(place, found["tones"], _length(found["length"]))
    _below(place)
    tempo = round(6e7 / _tempo(fields.get("Q", "1/4=120")))
    return Score.of(place.rows, ticks_per_beat=TICKS, tempi=((0, tempo),), metres=((0, n, d),))


def tunes_in(content: bytes) -> list[str]:
    """The tunes of a file, which blank lines part, without comments; what is not UTF-8 is read as Latin-1."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")  # as most tunes were written before there was UTF-8
    lines = [line.rstrip() for line in text.splitlines() if not line.startswith("%")]
    return [tune for tune in "\n".join(lines).split(BLANK) if tune.strip()]


def style(text: str) -> str:
    """What the field R: of a tune says, or ""."""
    return _parted(text)[0].get("R", "")


def _parted(text: str) -> tuple[dict[str, str], str]:
    fields: dict[str, str] = {}
    lines = text.strip().splitlines()
    for at, line in enumerate(lines):
        found = FIELD.fullmatch(line.strip())
        if found is None:
            raise InputError(f"Line {at + 1} of a tune, {line[:40]!r}, stands before K: and is no field.")
        fields[found[1]] = found[2]
        if found[1] == "K":
            return fields, "\n".join(lines[at + 1 :])
    raise InputError("A tune has a header that ends in its key, such as K:G.")


def _tokens(body: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(body):
        found = TOKEN.match(body, at)
        if found is None:
            raise InputError(f"{body[at : at + 12]!r} is not of the part of ABC that is read here.")
        yield found
        at = found.end()


def _sound(place: _Place, tones: str, length: Fraction) -> None:
    end = place.now + place.unit * length
    onset, duration = round(place.now), round(end) - round(place.now)
    for one in re.findall(NOTE, tones):
        place.rows.append((onset, max(1, duration), _pitch(place, one), MELODY))
    place.now = end


def _pitch(place: _Place, written: str) -> int:
    sign, letter, marks = re.fullmatch(r"([\^_=]?)([A-Ga-g])([,']*)", written).groups()  # type: ignore[union-attr]
    octave = 5 + letter.islower() + marks.count("'") - marks.count(",")
    name = letter.upper()
    if sign:
        place.signs[name, octave] = SIGNS[sign]
    return 12 * octave + PITCHES[name] + place.signs.get((name, octave), signature(place.key).get(name, 0))


def _below(place: _Place) -> None:
    """The chord that sounded ends here."""
    if place.symbol is not None and place.now > place.symbol[1]:
        which, start = place.symbol
        root = LOWEST + (which.root.chroma - LOWEST) % 12
        for note in which.notes:
            pitch = root + (note.chroma - root) % 12
            place.rows.append((round(start), round(place.now - start), pitch, BELOW, 1, 0, 1))
    place.symbol = None


def signature(key: Key) -> dict[str, int]:
    """The signs of a key by letter: {"F": 1} for G major."""
    return {note[0]: note.count("#") - note.count("b", 1) for note in key.scale}


def _length(text: str) -> Fraction:
    over, slash, under = text.partition("/")
    top, bottom = int(over or 1), int(under or 2) if slash else 1
    if not (0 < top <= 64 and 0 < bottom <= 64):
        raise InputError(f"A note's length is a number such as 2, /2 or 3/2, none above 64, got {text!r}.")
    return Fraction(top, bottom)


def _fraction(text: str, name: str) -> Fraction:
    found = Fraction(text) if re.fullmatch(r"\d{1,3}(/[1-9]\d{0,2})?", text) else Fraction(0)
    if not 0 < found <= 4:
        raise InputError(f"{name}: is a length such as 1/8, got {text!r}.")
    return found


def _metre(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,2})/(1|2|4|8|16|32)", text)
    if found is None or found[1] in ("0", "00"):
        raise InputError(f"M: is a metre such as 3/4, got {text!r}.")
    return int(found[1]), int(found[2])


def _tempo(text: str) -> float:
    """Quarter notes a minute."""
    found = re.fullmatch(r"(\d+/\d+)=(\d{1,3})", text)
    if found is None or int(found[2]) < 4:
        raise InputError(f"Q: is a tempo such as 1/4=120, got {text!r}.")
    return float(4 * _fraction(found[1], "Q") * int(found[2]))


def written(note: Note, octave: int, key: Key, signs: dict[tuple[str, int], int]) -> str:
    """A note in ABC, in an octave as MIDI counts them from C (5 has middle C), after the `signs` of the bar so far."""
    letter, sign = note[0], note.count("#") - note.count("b", 1)
    before = signs.get((letter, octave), signature(key).get(letter, 0))
    shown = "" if sign == before else {1: "^", -1: "_", 0: "="}[sign]
    signs[letter, octave] = sign
    return shown + (letter.lower() + "'" * (octave - 6) if octave > 5 else letter + "," * (5 - octave))
