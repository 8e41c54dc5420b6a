"""Chords: from a symbol to notes, as lead sheets, ABC and Harte's notation write them.

    G7  Dm7b5  C/E  F#maj9  Bb-7  Ao7  E7#9  Csus4  A(add9)  C69  D7alt        a root, what stands on it, a bass
    G:7  D:hdim7  C:maj/3  Eb:sus4(b7,9)                                        Harte et al. 2005

A chord is its root and degrees above it (`interval.degree`): G7 is 1 3 5 b7, and so G B D F.  An 11 or 13 brings all
that lies below it, as theory stacks them; players leave out the 11 above a major third.  A bass that is no tone of the
chord is heard below it, and does not make it another chord.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import final

from polyloom.errors import InputError
from polyloom.music.theory.interval import degree, number
from polyloom.music.theory.note import Note

ROOT = re.compile(r"[A-G](?:##|bb|[#b♯♭x])?")
LONGEST = 40  # characters of a symbol
TRIADS = {
    "maj": ("1", "3", "5"), "min": ("1", "b3", "5"), "dim": ("1", "b3", "b5"), "aug": ("1", "3", "#5"),
    "power": ("1", "5"),
}  # fmt: skip
BASES = (  # how symbols begin, longest first where one begins another: triad, and its seventh
    (re.compile(r"(?:half-?dim|hdim|ø|Ø|h)7?"), "dim", "b7", True),
    (re.compile(r"(?:mMaj|m\(?maj|minmaj|mM|mΔ|-Δ|-M|-maj|min\(?maj)(?=\)?(?:7|9|11|13)|$)"), "min", "7", False),
    (re.compile(r"(?:Maj|maj|Ma(?!dd)|ma(?!dd)|M|Δ|\^)"), "maj", "7", False),
    (re.compile(r"(?:dim|o|°)"), "dim", "bb7", False),
    (re.compile(r"(?:aug|\+)"), "aug", "b7", False),
    (re.compile(r"(?:min|mi|m|-)"), "min", "b7", False),
    (re.compile(r"5(?![#b+-]?\d)"), "power", "b7", False),
    (re.compile(r""), "maj", "b7", False),
)
STEPS = (  # what may follow, each taken as often as it comes
    re.compile(r"(?P<nine>6/?9)"),
    re.compile(r"(?P<sus>sus(?:24|42|2|4)?)"),
    re.compile(r"(?P<alt>alt)"),
    re.compile(r"(?:add|ad)(?P<add>[#b]?\d+)"),
    re.compile(r"(?:no|omit|\*)(?P<no>[#b]?\d+)"),
    re.compile(r"(?P<raised>\+|aug)(?!\d)"),
    re.compile(r"(?P<change>[#b♯♭+-])(?P<which>5|6|9|11|13|2|4)"),
    re.compile(r"(?P<stack>13|11|9|7)"),
    re.compile(r"(?P<extra>[24])"),
    re.compile(r"(?P<six>6)"),
)
STACKS = {"7": (), "9": ("9",), "11": ("9", "11"), "13": ("9", "11", "13")}
ALTERED = ("#5", "b9", "#9")
HARTE = re.compile(r"\*?[#b]*\d+")
NO_CHORD = {"N", "NC", "N.C.", "X"}


@final
@dataclass(frozen=True)
class Chord:
    """A root, degrees above it in the order of a stack, and a bass if it is not the root."""

    root: Note
    degrees: tuple[str, ...]
    bass: Note | None = None
    symbol: str = field(default="", compare=False)

    @cached_property
    def notes(self) -> tuple[Note, ...]:
        """Its notes from the root up, spelled: G B D F of G7.  A bass that is none of them is not among them."""
        return tuple(self.root.up(degree(name)) for name in self.degrees)

    @property
    def sounding(self) -> tuple[Note, ...]:
        """Its notes from the bass up: E G C of C/E."""
        if self.bass is None:
            return self.notes
        at = self.notes.index(self.bass) if self.bass in self.notes else None
        return (self.bass, *self.notes) if at is None else (*self.notes[at:], *self.notes[:at])

    @property
    def chromas(self) -> frozenset[int]:
        """The keys of a piano that its notes are, 0 … 11."""
        return frozenset(note.chroma for note in self.notes)

    @property
    def third(self) -> str | None:
        """The degree of its third: "3", "b3" or None."""
        return next((name for name in ("3", "b3") if name in self.degrees), None)

    @property
    def seventh(self) -> str | None:
        """The degree of its seventh: "7", "b7", "bb7" or None."""
        return next((name for name in ("7", "b7", "bb7") if name in self.degrees), None)

    @property
    def dominant(self) -> bool:
        """Whether it pulls as a dominant seventh does: a major third and a minor seventh, a tritone apart."""
        return self.third == "3" and self.seventh == "b7"

    @property
    def inversion(self) -> int:
        """Which tone of the chord lies lowest, counted in thirds: 0 the root, 1 the third, …; 0 for a foreign bass."""
        return self.notes.index(self.bass) if self.bass in self.notes else 0

    def __str__(self) -> str:
        return self.symbol or f"{self.root}({' '.join(self.degrees)})" + (f"/{self.bass}" if self.bass else "")


def chord(symbol: str) -> Chord:
    """The chord of a symbol: `chord("G7").notes` is (G, B, D, F).

    Raises InputError that says which part is not understood, or that there is no chord where the symbol says so.
    """
    if not isinstance(symbol, str) or not symbol.strip() or len(symbol) > LONGEST:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"Expected a chord such as G7, Dm7b5 or C/E, got {symbol!r}.")
    text = symbol.strip()
    if text in NO_CHORD:
        raise InputError(f"{symbol!r} says that no chord is played there.")
    found = ROOT.match(text)
    if found is None:
        raise InputError(f"{symbol!r} does not begin with a root from A to G.")
    root, rest = Note(found[0]), text[found.end() :]
    harte = rest.startswith(":") or (rest.startswith("/") and rest[1:2].isdigit() and rest[1:] not in ("9",))
    degrees, bass = _harte(root, rest.removeprefix(":"), symbol) if harte else _lead_sheet(rest, symbol)
    return Chord(root, degrees, None if bass == root else bass, text)


def ordered(degrees: set[str]) -> tuple[str, ...]:
    """Degrees as a stack of thirds: by number, the lowered first."""
    return tuple(sorted(degrees, key=lambda name: (number(name), degree(name))))


def _lead_sheet(text: str, symbol: str) -> tuple[tuple[str, ...], Note | None]:
    quality, slash, below = text.partition("/")
    if slash and below.startswith("9") and quality.endswith("6"):  # C6/9
        quality, slash, below = text.replace("6/9", "69", 1).partition("/")
    bass = None
    if slash:
        spelled = below[:1].upper() + below[1:].replace("+", "#")  # ABC writes a low F sharp as f+
        if not ROOT.fullmatch(spelled):
            raise InputError(f"{symbol!r}: the bass {below!r} is no note.")
        bass = Note(spelled)
    return _quality(quality, symbol), bass


def _harte(root: Note, text: str, symbol: str) -> tuple[tuple[str, ...], Note | None]:
    body, slash, below = text.partition("/")
    short, paren, inside = body.partition("(")
    degrees = set(_quality(short, symbol)) if short or not paren else {"1"}
    if short == "1":
        degrees = {"1"}
    for name in filter(None, re.split(r"[,\s]+", inside.rstrip(")"))):
        if not HARTE.fullmatch(name):
            raise InputError(f"{symbol!r}: {name!r} is no degree.")
        if name.startswith("*"):
            degrees.discard(name[1:])
        else:
            degrees.add(name)
    return ordered(degrees), root.up(degree(below)) if slash else None


def _quality(text: str, symbol: str) -> tuple[str, ...]:
    """The degrees that the part after the root stands for."""
    rest = re.sub(r"[()\s,]", "", text)
    if rest == "1":
        return ("1",)
    begins, triad, seventh, whole = next(
        (found[0], triad, seventh, whole) for base, triad, seventh, whole in BASES if (found := base.match(rest))
    )
    degrees, rest = {*TRIADS[triad], *([seventh] if whole else [])}, rest[len(begins) :]
    while rest:
        found = next((step for pattern in STEPS if (step := pattern.match(rest))), None)
        if found is None:
            raise InputError(f"{symbol!r}: {rest!r} is not understood. A chord is written as G7, Dm7b5, C/E or F#maj9.")
        _take({name: given for name, given in found.groupdict().items() if given}, degrees, seventh)
        rest = rest[found.end() :]
    return ordered(degrees)


def _take(step: dict[str, str], degrees: set[str], seventh: str) -> None:
    """Change the degrees as one part of a symbol says."""
    if stack := step.get("stack"):
        degrees |= {seventh, *STACKS[stack]}
    elif "six" in step:
        degrees.add("6")
    elif "nine" in step:
        degrees |= {"6", "9"}
    elif extra := step.get("extra"):
        degrees.add({"2": "9", "4": "11"}[extra])
    elif sus := step.get("sus"):
        degrees -= {"3", "b3"}
        degrees |= {"2": {"2"}, "24": {"2", "4"}, "42": {"2", "4"}}.get(sus[3:], {"4"})
    elif "alt" in step:
        degrees -= {"5"}
        degrees |= {seventh, *ALTERED}
    elif added := step.get("add"):
        degrees.add({"2": "9", "4": "11", "6": "6"}.get(added, added))
    elif gone := step.get("no"):
        degrees -= {gone, f"b{gone}"}
    elif "raised" in step:
        degrees -= {"5"}
        degrees.add("#5")
    else:
        which = {"2": "9", "4": "11"}.get(step["which"], step["which"])
        degrees.discard(which)
        degrees.add(("#" if step["change"] in "#♯+" else "b") + which)
