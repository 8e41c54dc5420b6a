"""Explanations of chords and progressions: facts first, and sentences made of them, for three kinds of reader.

    explain("G7")                           for a student
    explain("G7", level="beginner")         no terms that are not said in the same breath
    explain(["Dm7", "G7", "C"], level="musician")

The facts are computed and stand beside the text, so that each word of it can be checked; nothing is said that is not
one of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final, get_args

from polyloom.errors import InputError
from polyloom.music.theory.chord import Chord, chord
from polyloom.music.theory.interval import interval, spoken
from polyloom.music.theory.key import Key
from polyloom.music.theory.note import simplest
from polyloom.music.theory.progression import Progression, Turn, progression

Level = Literal["beginner", "student", "musician"]
KINDS: dict[tuple[str, ...], str] = {
    ("3", "5"): "major triad", ("b3", "5"): "minor triad", ("b3", "b5"): "diminished triad",
    ("3", "#5"): "augmented triad", ("4", "5"): "suspended fourth", ("2", "5"): "suspended second",
    ("5",): "power chord",
    ("3", "5", "b7"): "dominant seventh chord", ("3", "5", "7"): "major seventh chord",
    ("b3", "5", "b7"): "minor seventh chord", ("b3", "b5", "b7"): "half-diminished seventh chord",
    ("b3", "b5", "bb7"): "diminished seventh chord", ("b3", "5", "7"): "minor chord with a major seventh",
    ("3", "5", "6"): "major sixth chord", ("b3", "5", "6"): "minor sixth chord",
    ("4", "5", "b7"): "suspended dominant seventh chord",
}  # fmt: skip
SOUNDS = {
    "major triad": "bright and at rest", "minor triad": "darker, and at rest",
    "diminished triad": "tense, and wants to move",
    "augmented triad": "strange, and floats", "dominant seventh chord": "restless: it wants to go on",
    "major seventh chord": "soft, and at rest", "minor seventh chord": "mellow",
    "half-diminished seventh chord": "dark, and wants to move", "diminished seventh chord": "very tense",
}  # fmt: skip
TURNS = {
    "ii–V–I": "prepares home, leaves it hanging, and comes home",
    "authentic cadence": "comes home, as a full stop does",
    "half cadence": "stops before home, as a comma does",
    "plagal cadence": "comes home softly, as an Amen does",
    "deceptive cadence": "promises home and goes elsewhere",
    "backdoor": "comes home from a whole step below",
    "tritone substitution": "comes home from a half step above, by a chord with the tritone of the dominant",
    "secondary dominant": "makes another chord home for a moment",
    "modal mixture": "borrows a chord from the key of the other mode",
    "circle of fifths": "falls by fifths, each root leading to the next",
}  # fmt: skip


@final
@dataclass(frozen=True)
class Said:
    """A text, and the facts that it is made of, for JSON."""

    text: str
    facts: dict[str, Any]

    def __str__(self) -> str:
        return self.text


def explain(what: str | Chord | Sequence[str | Chord], level: Level = "student", key: str | Key | None = None) -> Said:
    """Explain a chord or a progression.  Raises InputError for what is neither, and for a level that there is not."""
    if level not in get_args(Level):
        raise InputError(f"Expected a level of {', '.join(get_args(Level))}, got {level!r}.")
    if isinstance(what, (str, Chord)):
        one = what if isinstance(what, Chord) else chord(what)
        facts = chord_facts(one)
        return Said(CHORD_TEXTS[level](facts), facts)
    found = progression(what, key)
    facts = progression_facts(found)
    return Said(PROGRESSION_TEXTS[level](facts), facts)


def chord_facts(one: Chord) -> dict[str, Any]:
    """The notes of a chord, its intervals, its kind, what it pulls to."""
    core = tuple(name for name in one.degrees if name != "1" and int(name.lstrip("#b")) <= 7)
    notes = dict(zip(one.degrees, one.notes, strict=True))
    tritone = [str(notes["3"]), str(notes["b7"])] if one.dominant else None
    return {
        "symbol": str(one), "root": str(one.root), "notes": [str(note) for note in one.notes],
        "degrees": list(one.degrees), "kind": KINDS.get(core), "bass": str(one.bass) if one.bass else None,
        "intervals": [interval(one.root, note) for note in one.notes[1:]],
        "tensions": [name for name in one.degrees if int(name.lstrip("#b")) > 7], "tritone": tritone,
        "resolves_to": str(one.root.up(-1)) if one.dominant else None,
        "substitute": f"{simplest(one.root.up(-6).chroma, -1)}7" if one.dominant else None,
    }  # fmt: skip


def progression_facts(found: Progression) -> dict[str, Any]:
    """The key, the numerals with kind and function, and the turns by the chords that make them."""
    chords = [str(one) for one in found.chords]

    def turn(one: Turn) -> dict[str, Any]:
        return {"name": one.name, "chords": chords[one.start : one.start + one.length], "start": one.start}

    numerals = [
        {"chord": name, "numeral": one.figure, "degree": one.degree, "kind": one.kind, "function": one.function}
        for name, one in zip(chords, found.numerals, strict=True)
    ]
    return {"key": str(found.key), "numerals": numerals, "turns": [turn(one) for one in found.turns]}


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _chord_beginner(facts: dict[str, Any]) -> str:
    sound = SOUNDS.get(facts["kind"] or "")
    parts = [f"{facts['symbol']} is the notes {_listed(facts['notes'])}, played together."]
    parts += [f"It sounds {sound}."] if sound else []
    parts += [f"Its lowest note is {facts['bass']}."] if facts["bass"] else []
    parts += [f"Most ears expect a chord on {facts['resolves_to']} after it."] if facts["resolves_to"] else []
    return " ".join(parts)


def _chord_student(facts: dict[str, Any]) -> str:
    names = [f"{note} (a {spoken(name)})" for note, name in zip(facts["notes"][1:], facts["intervals"], strict=True)]
    called = f"a {facts['kind']}" if facts["kind"] else "a chord"
    called += f" with {_listed(facts['tensions'])}" if facts["tensions"] else ""
    parts = [f"{facts['symbol']} is {called} on {facts['root']}: {_listed([facts['root'], *names])} above it."]
    if facts["tritone"]:
        low, high = facts["tritone"]
        parts.append(f"{low} and {high} are a tritone apart, which pulls to {facts['resolves_to']}.")
    parts += [f"{facts['bass']} is in the bass."] if facts["bass"] else []
    return " ".join(parts)


def _chord_musician(facts: dict[str, Any]) -> str:
    parts = [f"{facts['symbol']}: {' '.join(facts['notes'])} ({' '.join(facts['degrees'])})"]
    parts += [f"over {facts['bass']}"] if facts["bass"] else []
    text = " ".join(parts) + "."
    if facts["tritone"]:
        tritone = "–".join(facts["tritone"])
        text += f" Resolves to {facts['resolves_to']}; {facts['substitute']} has the same tritone, {tritone}."
    return text


def _progression_beginner(facts: dict[str, Any]) -> str:
    home = facts["key"].split()[0]
    said = [f"{_listed(turn['chords'])}: this {TURNS[turn['name']]}." for turn in facts["turns"]]
    return " ".join([f"Home is {home}.", *(said or ["The chords stay around it without a turn that has a name."])])


def _progression_student(facts: dict[str, Any]) -> str:
    chords = [f"{one['chord']} is {one['numeral']}" + _why(one) for one in facts["numerals"]]
    turns = [f"{_listed(turn['chords'])}: {turn['name']}, which {TURNS[turn['name']]}." for turn in facts["turns"]]
    return " ".join([f"In {facts['key']}: {'; '.join(chords)}.", *turns])


def _progression_musician(facts: dict[str, Any]) -> str:
    numerals = " ".join(one["numeral"] for one in facts["numerals"])
    turns = ", ".join(f"{turn['name']} ({' '.join(turn['chords'])})" for turn in facts["turns"])
    return f"{facts['key']}: {numerals}" + (f". {turns}." if turns else ".")


def _why(one: dict[str, Any]) -> str:
    if one["kind"] == "diatonic":
        return f" ({one['function']})"
    return f" ({one['kind']})"


CHORD_TEXTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "beginner": _chord_beginner, "student": _chord_student, "musician": _chord_musician,
}  # fmt: skip
PROGRESSION_TEXTS: dict[str, Callable[[dict[str, Any]], str]] = {
    "beginner": _progression_beginner, "student": _progression_student, "musician": _progression_musician,
}  # fmt: skip
