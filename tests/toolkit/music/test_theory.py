"""The theory of harmony against what textbooks print: every note of every chord is checked one by one."""

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom import InputError
from polyloom.music import theory
from polyloom.music.theory import Key, Note, chord, explain, faults, find_key, interval, names, progression, roman
from polyloom.music.theory.interval import degree, semitones, spoken
from polyloom.music.theory.key import PROFILES
from polyloom.music.theory.naming import COMMON

NOTES = ["C", "C#", "Db", "D", "Eb", "E", "F", "F#", "Gb", "G", "Ab", "A", "Bb", "B"]
CHORDS = {  # by hand
    "C": "C E G", "Cm": "C Eb G", "F#": "F# A# C#", "Gbm": "Gb Bbb Db", "G7": "G B D F", "Dm7b5": "D F Ab C",
    "C/E": "C E G", "F#maj9": "F# A# C# E# G#", "Bb-7": "Bb Db F Ab", "Ao7": "A C Eb Gb", "E7#9": "E G# B D F##",
    "Csus4": "C F G", "Dsus2": "D E A", "A(add9)": "A C# E B", "C69": "C E G A D", "C6/9": "C E G A D",
    "D7alt": "D F# A# C Eb E#", "BbmMaj7": "Bb Db F A", "G7+": "G B D# F", "Eaug": "E G# B#",
    "C13": "C E G Bb D F A", "C13b9": "C E G Bb Db F A", "F7sus4": "F Bb C Eb", "Fm6/Ab": "F Ab C D", "C5": "C G",
    "Bdim": "B D F", "Cø7": "C Eb Gb Bb", "A^7": "A C# E G#", "C7no5": "C E Bb", "G:7": "G B D F",
    "D:hdim7": "D F Ab C", "C:maj/3": "C E G", "Eb:sus4(b7,9)": "Eb Ab Bb Db F", "C:(b3,b7,11,9)": "C Eb Bb D F",
    "F:1/1": "F", "D/f+": "D F# A", "Cmadd9": "C Eb G D", "C7(b9,b13)": "C E G Bb Db Ab",
}  # fmt: skip


@pytest.mark.parametrize(("symbol", "notes"), CHORDS.items())
def test_a_chord_is_its_notes(symbol: str, notes: str) -> None:
    assert " ".join(chord(symbol).notes) == notes


def test_g7() -> None:
    found = theory.chord("G7")
    assert found.notes == ("G", "B", "D", "F")
    assert found.dominant
    assert [interval("G", note) for note in found.notes] == ["P1", "M3", "P5", "m7"]


@pytest.mark.parametrize(
    ("symbol", "bass", "sounding"),
    [("C/E", "E", "E G C"), ("C/G", "G", "G C E"), ("C/D", "D", "D C E G"), ("C/C", None, "C E G"),
     ("A:min7/b7", "G", "G A C E")],
)  # fmt: skip
def test_a_bass_lies_below(symbol: str, bass: str | None, sounding: str) -> None:
    assert chord(symbol).bass == bass
    assert " ".join(chord(symbol).sounding) == sounding


@pytest.mark.parametrize(
    "symbol", ["", "H7", "G7x", "C/H", "C:q", "N", "NC", "c", "C" * 50, "7", "C//E", "C(9"[:2] + "%"]
)
def test_what_is_no_chord_is_told(symbol: str) -> None:
    with pytest.raises(InputError):
        chord(symbol)


@pytest.mark.long
@pytest.mark.parametrize("root", NOTES)
def test_every_chord_is_found_again_by_its_keys(root: str) -> None:
    for ending in COMMON:
        one = chord(f"{root}{ending}")
        readings = names([note.chroma + 48 for note in one.notes])
        assert one.chromas in [reading.chromas for reading in readings]
        assert readings[0].bass is None or one.root.chroma != readings[0].bass.chroma
        assert one.root.chroma in [reading.root.chroma for reading in readings]


def test_names_keep_the_spelling_and_go_by_the_bass() -> None:
    assert [str(one) for one in names(["Gb", "Bb", "Db"])] == ["Gb"]
    assert [str(one) for one in names([60, 64, 67, 69])] == ["C6", "Am7/C"]
    assert [str(one) for one in names([57, 60, 64, 67])] == ["Am7", "C6/A"]
    assert [str(one) for one in names(["G", "B", "F"])] == ["G7"], "the fifth is left out"
    assert theory.name([60, 61, 62]) is None
    for bad in ([], ["H"], [True], [1.5]):
        with pytest.raises(InputError):
            names(bad)  # type: ignore[arg-type]


@given(st.integers(-35, 35))
def test_notes_are_places_on_the_line_of_fifths(fifths: int) -> None:
    note = Note.at(fifths)
    assert note.fifths == fifths
    assert Note(str(note)) == note
    assert note.chroma == 7 * fifths % 12


@given(
    st.integers(-15, 15),
    st.sampled_from(["1", "b2", "2", "b3", "3", "4", "#4", "b5", "5", "#5", "6", "bb7", "b7", "7"]),
)
def test_an_interval_is_its_degree(fifths: int, name: str) -> None:
    low = Note.at(fifths)
    found = interval(low, low.up(degree(name)))
    assert semitones(found) == (low.up(degree(name)).chroma - low.chroma) % 12
    assert found[-1] == name[-1]


def test_intervals_in_words() -> None:
    expected = {
        "CE": "major third",
        "CG": "perfect fifth",
        "BF": "diminished fifth",
        "FB": "augmented fourth",
        "DC": "minor seventh",
    }
    assert {pair: spoken(interval(pair[0], pair[1])) for pair in expected} == expected
    assert spoken(interval("G#", "F")) == "diminished seventh"


def test_keys() -> None:
    assert Key.of("Eb").scale == ("Eb", "F", "G", "Ab", "Bb", "C", "D")
    assert Key.of("F# minor").scale == ("F#", "G#", "A", "B", "C#", "D", "E")
    assert (str(Key.of("am").relative), Key.of("A").signature, Key.of("Eb minor").signature) == ("C major", 3, -6)
    for bad in ("H", "C dorian", "", "C major minor", None):
        with pytest.raises(InputError):
            Key.of(bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(("tonic", "mode", "profiles"), list(product(range(12), ("major", "minor"), PROFILES)))
def test_a_scale_is_in_its_key(tonic: int, mode: str, profiles: str) -> None:
    weights = np.roll(PROFILES[profiles][mode], tonic)
    found = find_key(weights, profiles)
    assert (found.best.tonic.chroma, found.best.mode) == (tonic, mode)
    assert found.ranked[0][1] == pytest.approx(1)
    assert len(found.ranked) == 24


def test_what_is_no_key() -> None:
    for bad in (np.ones(12), np.zeros(12), np.ones(11), np.full(12, np.nan), [-1] + [1] * 11):
        with pytest.raises(InputError):
            find_key(bad)
    with pytest.raises(InputError, match="krumhansl, albrecht"):
        find_key(np.arange(12.0), "bach")


NUMERALS = {  # key: chords: numerals
    "C": ("C Dm Em F G Am Bdim G7 Cmaj7 Bm7b5 C/E G/D G7/F", "I ii iii IV V vi vii° V7 Imaj7 viiø7 I6 V64 V42"),
    "A minor": ("Am Bdim C Dm Em E E7 F G G#dim7", "i ii° III iv v V V7 VI VII #vii°7"),
    "G": ("A7 E7 B7 F#m7b5 C#dim7 Ab7 Eb F Cm F7", "V7/V V7/ii V7/vi viiø7 vii°7/V subV7 bVI bVII iv bVII7"),
}


@pytest.mark.parametrize("key", NUMERALS)
def test_numerals(key: str) -> None:
    chords, numerals = NUMERALS[key]
    assert " ".join(str(roman(chord(one), Key.of(key))) for one in chords.split()) == numerals


@pytest.mark.parametrize(
    ("chords", "key", "turns"),
    [
        ("Dm7 G7 Cmaj7", "C major", ["ii–V–I"]),
        ("C F G C", "C major", ["authentic cadence"]),
        ("C F C", "C major", ["plagal cadence"]),
        ("C F G Am", "C major", ["deceptive cadence"]),
        ("C Am F G", "C major", ["half cadence"]),
        ("Fm7 Bb7 Cmaj7", "C major", ["backdoor", "modal mixture"]),
        ("Dm7 Db7 C", "C major", ["tritone substitution"]),
        ("C A7 Dm G7 C", "C major", ["circle of fifths", "secondary dominant", "ii–V–I"]),
        ("C Fm C", "C major", ["modal mixture", "plagal cadence"]),
        ("Am Dm E7 Am", "A minor", ["authentic cadence"]),
        ("Bm7b5 E7 Am", "A minor", ["ii–V–I"]),
        ("G D Em C", "G major", ["deceptive cadence"]),
    ],
)
def test_progressions(chords: str, key: str, turns: list[str]) -> None:
    found = progression(chords.split())
    assert str(found.key) == key
    assert [turn.name for turn in found.turns] == turns
    shifted = progression([theory.Chord(one.root.up(2), one.degrees) for one in found.chords])
    assert str(shifted.key) == f"{found.key.tonic.up(2)} {found.key.mode}", "the same, a whole step higher"
    assert [one.figure for one in shifted.numerals] == [one.figure for one in found.numerals]


def test_voice_leading() -> None:
    good = [[72, 67, 64, 48], [71, 67, 62, 55], [72, 67, 64, 48]]
    assert faults(good, "C") == ()
    assert [str(one) for one in faults([[67, 60], [69, 62]])] == ["parallel fifths at chord 1: voice 1 and voice 2"]
    assert [one.rule for one in faults([[72, 60], [74, 62]])] == ["parallel octaves"]
    assert faults([[67, 60], [67, 60]]) == (), "who does not move moves not in parallel"
    assert [one.rule for one in faults([[60, 64]])] == ["crossing"]
    assert [one.rule for one in faults([[84, 67, 60]])] == ["spacing"]
    assert [one.rule for one in faults([[72, 48], [59, 55]])] == ["leap"]
    assert [one.rule for one in faults([[71, 67, 62, 55], [67, 64, 60, 48]], "C")] == ["leading note"]
    with pytest.raises(InputError):
        faults([[60], [60, 62]])


@pytest.mark.parametrize("level", ["beginner", "student", "musician"])
@pytest.mark.parametrize("symbol", CHORDS)
def test_an_explanation_says_facts_only(symbol: str, level: str) -> None:
    said = explain(symbol, level)  # type: ignore[arg-type]
    one = chord(symbol)
    assert said.facts["notes"] == list(one.notes)
    assert all(note in said.text for note in one.notes)
    assert json.loads(json.dumps(said.facts)) == said.facts
    if said.facts["resolves_to"]:
        assert interval(said.facts["resolves_to"], one.root) == "P5"
        low, high = said.facts["tritone"]
        assert semitones(interval(low, high)) == 6
        substitute = chord(said.facts["substitute"])
        assert {note.chroma for note in map(Note, (low, high))} <= substitute.chromas


# Questions of the kinds that machines are asked to see whether they know harmony: to spell and to name chords, to find
# keys, intervals and functions (Kruspe, "Harmonic Reasoning in Large Language Models", 2024; the examinations of the
# Royal Conservatory in Pond and Fujinaga, 2025).  The answers are by hand, note by note.
QUESTIONS = {
    "Which notes are in G7, and where does it lead?":
        (lambda: (chord("G7").notes, explain("G7").facts["resolves_to"]), (("G", "B", "D", "F"), "C")),
    "Which seventh chord has the tritone of D7?":
        (lambda: (explain("D7").facts["substitute"], explain("D7").facts["tritone"], chord("Ab7").notes),
         ("Ab7", ["F#", "C"], ("Ab", "C", "Eb", "Gb"))),
    "Spell a diminished seventh on F sharp, and say every interval.":
        (lambda: (chord("F#dim7").notes, explain("F#dim7").facts["intervals"]),
         (("F#", "A", "C", "Eb"), ["m3", "d5", "d7"])),
    "What is F A C D, with F in the bass, and with D?":
        (lambda: [str(names(notes.split())[0]) for notes in ("F A C D", "D F A C")], ["F6", "Dm7"]),
    "Which notes has the relative minor of E flat major?":
        (lambda: (str(Key.of("Eb").relative), Key.of("Eb").relative.scale),
         ("C minor", ("C", "D", "Eb", "F", "G", "Ab", "Bb"))),
    "What are the triads on the seven steps of A major?":
        (lambda: [str(roman(chord(one), Key.of("A"))) for one in ["A", "Bm", "C#m", "D", "E", "F#m", "G#dim"]],
         ["I", "ii", "iii", "IV", "V", "vi", "vii°"]),
    "What does B7 do in Am F B7 E7 Am, and which of its notes are not in the key?":
        (lambda: (str(roman(chord("B7"), Key.of("A minor"))),
                  [note for note in chord("B7").notes if note not in Key.of("A minor").scale]),
         ("V7/V", ["D#", "F#"])),
    "Why does Fm7 Bb7 C come home in C, and where is Fm7 from?":
        (lambda: [turn.name for turn in progression(["Fm7", "Bb7", "C"], "C").turns], ["backdoor", "modal mixture"]),
}  # fmt: skip


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_is_answered_note_by_note(question: str) -> None:
    answer, expected = QUESTIONS[question]
    assert answer() == expected


@pytest.mark.parametrize("root", NOTES)
def test_a_substitute_is_spelled_as_people_write_it(root: str) -> None:
    found = explain(f"{root}7").facts["substitute"]
    assert len(found) <= 3
    assert semitones(interval(root, chord(found).root)) == 6


def test_explanations_by_level() -> None:
    assert str(explain("G7", "musician")) == "G7: G B D F (1 3 5 b7). Resolves to C; Db7 has the same tritone, B–F."
    assert "a major third" in str(explain("G7"))
    assert str(explain(["Dm7", "G7", "C"], "beginner")) == (
        "Home is C. Dm7, G7 and C: this prepares home, leaves it hanging, and comes home."
    )
    assert "Dm7 is ii7 (subdominant)" in str(explain(["Dm7", "G7", "C"]))
    with pytest.raises(InputError, match="Expected a level"):
        explain("G7", "expert")  # type: ignore[arg-type]
    for bad in ([], "H", ["Dm7", "?"]):
        with pytest.raises(InputError):
            explain(bad)
