"""The demo's music: a voice more from a file, whatever is in it, and tunes that say how they were made."""

import io
from collections.abc import Sequence
from pathlib import Path

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom
from polyloom.errors import InputError
from polyloom.music import Score, read_midi, score_of, write_midi
from polyloom_datasets import load
from polyloom_demo import music
from polyloom_demo.library import Library
from polyloom_demo.music import STYLES, Styles, composed, tuned, written
from polyloom_demo.uploads import Upload
from polyloom_widgets import Mixer, PianoRoll

ABC = load("tunes").documents[0]


@pytest.fixture
def styles(woven: Library) -> Styles:
    return woven.styles


def midi(notes: Sequence[Sequence[int]], folder: Path) -> bytes:
    return write_midi(Score.of(notes), folder / "tune.mid").read_bytes()


def test_the_styles_are_those_of_the_lesson(styles: Styles) -> None:
    assert tuple(styles.mix.layers) == STYLES == styles.judge.names
    assert len(score_of(styles.tune)) > 40
    assert [score_of(one).notes[0]["onset"] for one in styles.pair] == [0, 0]
    assert score_of(styles.pair[0]) != score_of(styles.pair[1])


@pytest.mark.parametrize("name", ["tune.mid", "TUNE.MIDI", "tune.abc"])
def test_a_file_becomes_a_fifth_voice(styles: Styles, name: str, tmp_path: Path) -> None:
    score = polyloom.music.read_abc(ABC)
    content = ABC.encode() if name.endswith("abc") else write_midi(score, tmp_path / "tune.mid").read_bytes()
    desk = tuned([Upload(name, content)], styles)
    assert list(desk.mix.layers) == [*STYLES, "mine"]
    assert all(desk.mix.models[name] is styles.mix.models[name] for name in STYLES)
    assert desk.exact["perplexity"] > 1
    assert [one["name"] for one in desk.exact["slices"]] == [*STYLES, "mine"]
    assert desk._answer_play({"begin": True})["notes"]


def test_it_is_moved_to_c_and_told_in_three_octaves(styles: Styles, tmp_path: Path) -> None:
    d_major = [(480 * n, 480, 62 + step) for n, step in enumerate((0, 2, 4, 5, 7, 9, 11, 12, 7, 4, 0))]
    desk = tuned([Upload("d.mid", midi(d_major, tmp_path))], styles)
    vocabulary = music.music_of(desk.mix)
    held = desk._held_out["mine"][0]  # type: ignore[index]
    assert {pitch % 12 for pitch in vocabulary.score(held).notes["pitch"].tolist()} == {0, 2, 4, 5, 7, 9, 11}
    learned = desk.mix.models["mine"].predict("Bar", k=400)
    firsts = [int(name.split("_")[1]) for name, p in learned if name.startswith("Pitch") and p > 0.05]
    assert {first % 12 for first in firsts} == {0, 7}
    assert len({first for first in firsts if first % 12 == 0} & {48, 60, 72}) == 2  # the third octave is held out


FAR = [(0, 10, 60), (480 * 20_000, 10, 62)]
MANY = [(n, 1, 60 + n % 7) for n in range(music.NOTES + 1)]


@pytest.mark.parametrize(
    ("notes", "why"),
    [
        ([], "tune.mid: there is no note in it, or drums alone."),
        ([(0, 9, 60, 80, 9)], "tune.mid: there is no note in it, or drums alone."),
        (MANY, "tune.mid: a tune may have 3,000 notes and 10,000 beats here; this one has 3,001 and 6."),
        (FAR, "tune.mid: a tune may have 3,000 notes and 10,000 beats here; this one has 2 and 20,000."),
        ([(0, 9, 0), (9, 9, 127)], "tune.mid: its notes reach so far up and down that"),
        ([(n, 9, 60 + n) for n in range(12)], "tune.mid: All twelve notes have the same weight"),
    ],
)
def test_what_is_no_tune_is_refused(styles: Styles, notes: list[tuple[int, ...]], why: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        tuned([Upload("tune.mid", midi(notes, tmp_path))], styles)
    assert str(error.value).startswith(why)


@pytest.mark.parametrize(
    ("upload", "why"),
    [
        (Upload("tune.mp3", b"x"), "tune.mp3: expected a file that ends in .mid, .midi, .abc."),
        (Upload("x/y.mid", b"nothing"), "y.mid: it cannot be read as MIDI: "),
        (Upload("a.mid", b""), "a.mid: it cannot be read as MIDI: "),
        (Upload("a.mid", bytes(music.SIZE + 1)), "a.mid: a tune may have 200,000 bytes here; this one has 200,001."),
        (Upload("a.abc", b"hello"), "a.abc: Line 1 of a tune, 'hello', stands before K: and is no field."),
        (Upload("a.abc", b"X:1\nK:C\n(3abc"), "a.abc: '(3abc' is not of the part of ABC that is read here."),
        (Upload("a.abc", b"\xff"), "a.abc: Line 1 of a tune, '\xff', stands before K:"),
        (Upload("a.abc", b""), "a.abc: there is no note in it, or drums alone."),
        (Upload("a.abc", b"X:1\nK:C\nC2 E2\n\nX:2\nK:C\n(3abc"), "a.abc: '(3abc' is not of the part of ABC"),
        (Upload("a.abc", b"X:1\nL:1e999999999\nK:C\nC"), "a.abc: L: is a length such as 1/8"),
    ],
)
def test_what_is_no_music_is_refused_by_name(styles: Styles, upload: Upload, why: str) -> None:
    with pytest.raises(InputError) as error:
        tuned([upload], styles)
    assert str(error.value).startswith(why)
    assert "/tmp" not in str(error.value)


def test_a_tune_of_many_tempi_is_no_way_round_the_limit(styles: Styles) -> None:
    file = mido.MidiFile()
    tempi = [mido.MetaMessage("set_tempo", tempo=300_000 + 100_000 * (n % 5), time=40) for n in range(20_000)]
    notes = [mido.Message(kind, note=60 + n, time=100) for n in (0, 4, 7) for kind in ("note_on", "note_off")]
    file.tracks.append(mido.MidiTrack([*tempi, *notes]))
    content = io.BytesIO()
    file.save(file=content)
    with pytest.raises(InputError, match=r"told in 36,000 tokens here; this one takes 120,033\."):
        tuned([Upload("a.mid", content.getvalue())], styles)


def test_a_book_of_tunes_is_one_voice(styles: Styles) -> None:
    book = "% a book\n" + "\n\n".join(load("tunes").documents[:3])
    desk = tuned([Upload("book.abc", book.encode())], styles)
    one = tuned([Upload("one.abc", ABC.encode())], styles)
    counted = [view.mix.models["mine"].tokens_counted for view in (desk, one)]  # type: ignore[attr-defined]
    assert counted[0] > 2 * counted[1]


def test_one_file_at_a_time(styles: Styles) -> None:
    with pytest.raises(InputError, match="Expected 1 file, got 2"):
        tuned([Upload("a.abc", ABC.encode())] * 2, styles)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_is_in_a_file_it_is_a_desk_or_a_reason(woven: Library, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([".mid", ".abc"]))
    whole = bytearray(ABC.encode() if kind == ".abc" else _carried())
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(whole)))
    upload, told = Upload(f"a{kind}", bytes(whole[:cut] if data.draw(st.booleans()) else whole)), f"a{kind}: "
    try:
        tuned([upload], woven.styles).close()
    except InputError as error:
        told = str(error)
    assert told.startswith(f"a{kind}: ")


def _carried() -> bytes:
    file = mido.MidiFile(type=0)
    score = polyloom.music.read_abc(ABC)
    file.tracks.append(mido.MidiTrack())
    for onset, _, pitch, *_ in score.notes.tolist()[:40]:
        file.tracks[0] += [mido.Message(kind, note=pitch, time=onset % 480) for kind in ("note_on", "note_off")]
    content = io.BytesIO()
    file.save(file=content)
    return content.getvalue()


def test_a_desk_writes_a_tune_under_its_faders(styles: Styles, tmp_path: Path) -> None:
    desk = Mixer(styles.mix.with_weights(blues=3.0), "Bar Position_0", sampling={"temperature": 0.9, "seed": 5})
    found = written(desk)
    assert isinstance(found, polyloom.Generation)
    assert found.steps == composed(desk.mix, "Bar Position_0", 0.9, 5).steps
    path = polyloom.music.write_music(found, tmp_path / "tune.mid")
    again = polyloom.replay(polyloom.open_recipe(path), styles.mix)
    assert again.steps == found.steps
    assert len(read_midi(path)) == len(score_of(found))


def test_a_roll_is_taken_along_as_it_is_shown(styles: Styles) -> None:
    roll = PianoRoll(styles.tune)
    assert written(roll) is roll.generation
    roll.move(3, int(roll.score.notes["pitch"][3]) + 1)
    assert written(roll) == roll.score != score_of(styles.tune)
    roll.go_on(3)
    assert written(roll) is roll.generation
    assert score_of(roll.generation) == roll.score


def test_what_lasts_for_ever_is_not_rendered(styles: Styles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(music, "SOUNDS", 3.0)
    with pytest.raises(InputError, match=r"This tune lasts \d+ seconds, and 3 can be taken along"):
        written(PianoRoll(styles.tune))
