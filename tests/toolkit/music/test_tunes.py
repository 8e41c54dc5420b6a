"""Tunes as text, and the twenty that come with Polyloom: what their rules promise holds."""

from itertools import groupby

import numpy as np
import pytest

from polyloom import InputError
from polyloom.music.abc import read_abc, style
from polyloom.music.harmony import harmony
from polyloom.music.score import Score
from polyloom.music.theory import Key, faults, find_key
from polyloom.music.tunes import STYLES, tunes
from polyloom_datasets import load

HEAD = "X:1\nM:4/4\nL:1/8\nQ:1/4=120\nK:{}\n"
TUNES = load("tunes").documents


def rows(text: str, key: str = "C") -> list[tuple[int, ...]]:
    return read_abc(HEAD.format(key) + text).notes[["onset", "duration", "pitch", "channel"]].tolist()


def test_notes_by_hand() -> None:
    assert rows("C c' C,, z2 [EG]3/2 F/ B/4") == [
        (0, 240, 60, 0), (240, 240, 84, 0), (480, 240, 36, 0),
        (1200, 360, 64, 0), (1200, 360, 67, 0), (1560, 120, 65, 0), (1680, 60, 71, 0),
    ]  # fmt: skip


def test_signs_hold_to_the_end_of_a_bar() -> None:
    pitches = [row[2] for row in rows("F ^c =F F f c | F C _B |]", "D")]
    assert pitches == [66, 73, 65, 65, 78, 73, 66, 61, 70]


def test_chords_sound_below_until_the_next() -> None:
    found = [row for row in rows('"C"C4 "G7/B"D2 E2 | F4 |]') if row[3] == 1]
    assert found == [
        (0, 960, 48, 1), (0, 960, 52, 1), (0, 960, 55, 1),
        (960, 960, 43, 1), (960, 960, 47, 1), (960, 960, 50, 1), (960, 960, 53, 1),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [("K:C\nC2 (3DEF", "is not of the part"), ("C D E", "no field"), ("X:1", "ends in its key"), ("K:H\nC", "Expected"),
     ("L:0\nK:C\nC", "length such as"), ("M:C\nK:C\nC", "metre such as"), ("Q:fast\nK:C\nC", "tempo such as"),
     ('K:C\n"H"C', "root"), ("K:C\nC,,,,,,,", "pitch"), ("K:C\nC///", "is not of"), ("K:C\nC/0", "length"),
     ("L:1e999999999\nK:C\nC", "length such as"), ("L:1/0\nK:C\nC", "length such as"),
     ("K:C\nC" + "9" * 5000, "length"), ("K:C\nC" + "'" * 99_999, "is not of the part")],
)  # fmt: skip
def test_what_is_not_read_is_told(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_abc(text)


def test_the_corpus_is_what_the_rules_write() -> None:
    assert tunes() == TUNES
    assert [style(tune) for tune in TUNES] == [name for name in STYLES for _ in range(5)]


def test_the_same_openings_in_every_style() -> None:
    for nth in range(5):
        bars = {str(first_bar(read_abc(tune))) for tune in TUNES[nth::5]}
        assert len(bars) == 1


@pytest.mark.parametrize("tune", TUNES)
def test_a_tune_is_whole_bars_in_its_key_and_comes_home(tune: str) -> None:
    score, key = read_abc(tune), Key.of(tune.split("K:")[1].split()[0])
    assert score.beats % 4 == 0 or tune.rstrip().endswith("z2 |]")
    end = score.notes[score.notes["onset"] + score.notes["duration"] == score.end]
    assert key.tonic.chroma in end["pitch"] % 12
    weights = np.bincount(score.notes["pitch"] % 12, score.notes["duration"], 12).astype(float)
    if style(tune) != "blues":  # blue notes are in no key
        assert set(np.flatnonzero(weights)) == {note.chroma for note in key.scale}
        assert key in [one for one, _ in find_key(weights).ranked[:3]]
    assert 36 <= score.notes["pitch"].min() <= score.notes["pitch"].max() <= 86


@pytest.mark.parametrize("tune", [tune for tune in TUNES if style(tune) == "chorale"])
def test_chorales_are_led_without_faults(tune: str) -> None:
    score = read_abc(tune)
    chords = [[n[1] for n in group] for _, group in groupby(score.notes[["onset", "pitch"]].tolist(), lambda n: n[0])]
    parts = [chord[::-1] for chord in chords if len(chord) == 4]
    assert len(parts) == 28
    assert faults(parts, tune.split("K:")[1].split()[0]) == ()


@pytest.mark.parametrize("tune", [tune for tune in TUNES if style(tune) == "blues"])
def test_a_blues_has_its_twelve_bars(tune: str) -> None:
    score, key = read_abc(tune), Key.of(tune.split("K:")[1].split()[0])
    below = score.notes[score.notes["channel"] == 1]
    roots = [int(below["pitch"][below["onset"] == 1920 * bar].min() - key.tonic.chroma) % 12 for bar in range(1, 13)]
    assert roots == [0, 0, 0, 0, 5, 5, 0, 0, 7, 5, 0, 0]
    assert (key.tonic.chroma + 3) % 12 in score.notes["pitch"] % 12 or (key.tonic.chroma + 10) % 12 in below["pitch"]
    assert {chord % 10 for _, chord in harmony(score)} & {2}


def first_bar(score: Score) -> list[tuple[int, ...]]:
    return score.notes[score.notes["onset"] < 1920].tolist()
