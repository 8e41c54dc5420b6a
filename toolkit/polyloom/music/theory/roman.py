"""Roman numerals: what a chord is in a key, and why it may stand there.

    diatonic         its notes are those of the scale; in minor also of the harmonic scale, whose seventh is raised
    secondary        V7/V: the dominant of a chord of the key; vii°7/V: the diminished chord a half step below it
    substitute       subV7: a dominant seventh a half step above its goal, with the tritone of the dominant
    backdoor         ♭VII7 in major: the dominant seventh a whole step below the tonic
    borrowed         from the parallel key: iv or ♭VI in major
    neapolitan       ♭II, major
    chromatic        none of these

Numerals are large for a major third and small for a minor one, ° diminished, ø half-diminished, + augmented; figures
are those of the inversion.  Functions are Riemann's: tonic, subdominant, dominant.
"""

from dataclasses import dataclass
from typing import Literal, final

from polyloom.music.theory.chord import Chord
from polyloom.music.theory.interval import SCALE
from polyloom.music.theory.key import Key
from polyloom.music.theory.note import Note

Kind = Literal["diatonic", "secondary", "substitute", "backdoor", "borrowed", "neapolitan", "chromatic"]
Function = Literal["tonic", "subdominant", "dominant", "none"]
NUMERALS = ("I", "II", "III", "IV", "V", "VI", "VII")
FUNCTIONS: dict[int, Function] = {
    1: "tonic", 2: "subdominant", 3: "tonic", 4: "subdominant", 5: "dominant", 6: "tonic", 7: "dominant",
}  # fmt: skip
TRIAD_FIGURES = ("", "6", "64")
SEVENTH_FIGURES = ("7", "65", "43", "42")


@final
@dataclass(frozen=True)
class Roman:
    """A chord in a key: `figure` as it is written, the scale `degree` of its root, what it is and does.

    `goal` is the degree that a secondary dominant or a substitute leads to; 0 for others.
    """

    chord: Chord
    key: Key
    figure: str
    degree: int
    kind: Kind
    function: Function
    goal: int = 0

    def __str__(self) -> str:
        return self.figure


def roman(chord: Chord, key: Key) -> Roman:
    """What a chord is in a key."""
    step, sign = _place(chord.root, key)
    plain = _numeral(chord, step, sign)
    if _in_scale(chord, key):
        return Roman(chord, key, plain, step, "diatonic", FUNCTIONS[step])
    away = chord.root.fifths - key.tonic.fifths
    if key.mode == "major" and chord.dominant and away == -2:
        return Roman(chord, key, plain, step, "backdoor", "dominant", 1)
    if (found := _secondary(chord, key)) is not None:
        return found
    if chord.dominant and (goal := _substituted(chord, key)):
        target = "" if goal == 1 else f"/{_goal(goal, key)}"
        return Roman(chord, key, f"subV7{target}", step, "substitute", "dominant", goal)
    if away == -5 and chord.third == "3" and "5" in chord.degrees and chord.seventh != "b7":
        return Roman(chord, key, plain, step, "neapolitan", "subdominant")
    if _in_scale(chord, key.parallel):
        return Roman(chord, key, plain, step, "borrowed", FUNCTIONS[step])
    return Roman(chord, key, plain, step, "chromatic", "none")


def scale_chord(degree: int, key: Key, sevenths: bool = False) -> tuple[Note, ...]:
    """The triad, or the seventh chord, that stands on a degree of a key; in minor the fifth has the leading note."""
    scale = list(key.scale)
    if key.mode == "minor" and degree in (5, 7):
        scale[6] = scale[6].up(7)
    return tuple(scale[(degree - 1 + 2 * third) % 7] for third in range(4 if sevenths else 3))


def _place(note: Note, key: Key) -> tuple[int, int]:
    """The degree of a note, 1 … 7, and how many signs it is away from that of the scale."""
    away = note.fifths - key.tonic.fifths
    step = 4 * away % 7 + 1
    return step, (note.fifths - key.scale[step - 1].fifths) // 7


def _numeral(chord: Chord, step: int, sign: int) -> str:
    fifth = next((one for one in ("5", "b5", "#5") if one in chord.degrees), "5")
    small = chord.third == "b3"
    letters = NUMERALS[step - 1].lower() if small else NUMERALS[step - 1]
    mark = ""
    if small and fifth == "b5":
        mark = "ø" if chord.seventh == "b7" else "°"
    elif fifth == "#5":
        mark = "+"
    sevenths = chord.seventh is not None
    figures = SEVENTH_FIGURES if sevenths else TRIAD_FIGURES
    figure = figures[chord.inversion] if chord.inversion < len(figures) else figures[0]
    major = "maj" if chord.seventh == "7" else ""
    return ("#" * sign if sign > 0 else "b" * -sign) + letters + mark + (major if sevenths else "") + figure


def _in_scale(chord: Chord, key: Key) -> bool:
    """Whether its tones are all of the key; above the seventh anything may stand."""
    core = {note for note, name in zip(chord.notes, chord.degrees, strict=True) if int(name.lstrip("#b")) <= 7}
    scale = set(key.scale)
    harmonic = (scale - {key.scale[6]}) | {key.scale[6].up(7)} if key.mode == "minor" else scale
    step, sign = _place(chord.root, key)
    raised = key.mode == "minor" and step in (5, 7) and core <= harmonic and not (step == 7 and sign == 0)
    return core <= scale or raised


def _secondary(chord: Chord, key: Key) -> Roman | None:
    """A dominant, or a diminished chord, that leads to a degree of the key other than the first."""
    step, _ = _place(chord.root, key)
    for goal in (5, 2, 6, 4, 3, 7):
        target = key.scale[goal - 1]
        if _diminished(goal, key):
            continue
        leads = chord.third == "3" and "5" in chord.degrees and chord.seventh in (None, "b7")
        if leads and chord.root == target.up(1) and (chord.dominant or goal == 5):
            return Roman(chord, key, f"V{_seventh(chord)}/{_goal(goal, key)}", step, "secondary", "dominant", goal)
        if chord.third == "b3" and "b5" in chord.degrees and chord.root == target.up(5):
            mark = "ø" if chord.seventh == "b7" else "°"
            figure = f"vii{mark}{_seventh(chord)}/{_goal(goal, key)}"
            return Roman(chord, key, figure, step, "secondary", "dominant", goal)
    return None


def _substituted(chord: Chord, key: Key) -> int:
    """The degree that a dominant a half step above leads to, by the tritone that it shares; 0 for none."""
    for goal in (1, 5, 2, 4, 6, 3):
        if (chord.root.chroma - key.scale[goal - 1].chroma) % 12 == 1 and not _diminished(goal, key):
            return goal
    return 0


def _seventh(chord: Chord) -> str:
    return "7" if chord.seventh else ""


def _diminished(degree: int, key: Key) -> bool:
    root, _, fifth = scale_chord(degree, key)
    return fifth.fifths - root.fifths == -6


def _goal(degree: int, key: Key) -> str:
    """The numeral of a degree's triad: "ii" of 2 in major."""
    root, third, _ = scale_chord(degree, key)
    return NUMERALS[degree - 1] if third.fifths - root.fifths == SCALE[3] else NUMERALS[degree - 1].lower()
