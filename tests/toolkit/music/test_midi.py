"""MIDI files and scores: what is written is read, what is broken is told, and no file brings a reader down."""

from pathlib import Path

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom import FileError, InputError
from polyloom.music.midi import read_midi, write_midi
from polyloom.music.score import Score

ROWS = st.tuples(
    st.integers(0, 5000), st.integers(1, 900), st.integers(0, 127), st.integers(1, 127), st.integers(0, 15)
)


def apart(rows: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
    """Of notes that would sound together on one channel and pitch, the first: a file cannot tell which of two ends."""
    free: dict[tuple[int, int], int] = {}
    kept: list[tuple[int, ...]] = []
    for row in sorted(rows):
        if free.get((row[2], row[4]), 0) <= row[0]:
            kept.append(row)
            free[row[2], row[4]] = row[0] + row[1]
    return kept


@given(rows=st.lists(ROWS, max_size=30))
def test_what_is_written_is_read(rows: list[tuple[int, ...]], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("midi") / "x.mid"
    score = Score.of(apart(rows), tempi=((0, 400_000), (960, 600_000)), metres=((0, 3, 4), (1440, 6, 8)))
    assert read_midi(write_midi(score, path)) == score


def test_tracks_and_programs_are_kept(tmp_path: Path) -> None:
    score = Score.of([(0, 480, 60, 90, 0, 5, 0), (480, 480, 62, 90, 0, 7, 0), (0, 960, 40, 60, 1, 33, 1)])
    found = read_midi(write_midi(score, tmp_path / "x.mid"))
    assert found == score
    assert found.report == ()


def test_seconds_follow_the_tempo() -> None:
    score = Score.of([(0, 3840, 60)], tempi=((0, 500_000), (960, 1_000_000), (1920, 250_000)))
    assert [score.seconds(tick) for tick in (0, 480, 960, 1440, 1920, 3840)] == [0, 0.5, 1, 2, 3, 4]
    assert score.times([[0, 3840], [1200, 960]]).tolist() == [[0, 4], [1.5, 1]]
    assert score.spans().tolist() == [[0], [4]]
    assert score.stretched(2).seconds(3840) == 8
    assert score.stretched(2).notes is not None


def test_every_note_counts_for_as_long_as_it_sounds() -> None:
    score = Score.of([(0, 480, 60), (0, 240, 72), (480, 960, 67), (0, 480, 61, 80, 9)])
    assert score.chroma().tolist() == [1.5, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0]
    assert Score.of([]).chroma().tolist() == [0] * 12


def test_bars_follow_the_metre() -> None:
    assert Score.of([], ticks_per_beat=2).bars() == (0, 8)
    assert Score.of([(0, 8, 60)], ticks_per_beat=2).bars() == (0, 8)
    metres = ((0, 3, 4), (9, 2, 4))  # the second bar of three is cut short
    assert Score.of([(0, 14, 60)], ticks_per_beat=2, metres=metres).bars() == (0, 6, 9, 13, 17)
    with pytest.raises(InputError, match="more than 100,000 bars"):
        Score.of([(2**39, 1, 60)]).bars()


def test_a_grid_says_how_far_it_moved_notes() -> None:
    score = Score.of([(0, 10, 60), (251, 229, 62), (475, 10, 64)])
    found, rounding = score.quantised(4)
    assert found.notes["onset"].tolist() == [0, 2, 4]
    assert found.notes["duration"].tolist() == [1, 2, 1]
    assert found.ticks_per_beat == 4
    assert rounding.most == pytest.approx(11 / 480)
    assert rounding.shortest == 2
    again, none = found.quantised(4)
    assert again == found
    assert none.most == 0


def test_percussion_is_not_transposed() -> None:
    score = Score.of([(0, 1, 60, 80, 0), (0, 1, 36, 80, 9)]).transposed(3)
    assert sorted(score.notes["pitch"].tolist()) == [36, 63]
    with pytest.raises(InputError, match="pitch is from 0 to 127"):
        Score.of([(0, 1, 120)]).transposed(10)


@pytest.mark.parametrize(
    ("rows", "more"),
    [([(0, 0, 60)], {}), ([(-1, 1, 60)], {}), ([(0, 1, 128)], {}), ([(0, 1, 60, 0)], {}), ([(0, 1, 60)], {"tempi": ()}),
     ([(0, 1, 60)], {"tempi": ((5, 1),)}), ([(0, 1, 60)], {"metres": ((0, 4, 4), (0, 3, 4))}),
     ([(0, 1, 60)], {"ticks_per_beat": 0}), ([(0,) * 9], {}),
     *(([(0, 1, 60)], {"metres": ((0, *metre),)}) for metre in ((3, 6), (0, 4), (4, 0), (300, 4))),
     *(([(0, 1, 60)], {"tempi": ((0, tempo),)}) for tempo in (0, -5, 2**24))],
)  # fmt: skip
def test_what_is_no_score(rows: list[tuple[int, ...]], more: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Score.of(rows, **more)


def test_what_does_not_add_up_is_repaired_and_told(tmp_path: Path) -> None:
    track = mido.MidiTrack([
        mido.Message("note_off", note=50, time=0), mido.Message("note_on", note=60, velocity=70, time=0),
        mido.Message("note_on", note=61, velocity=70, time=0), mido.Message("note_off", note=61, time=0),
        mido.MetaMessage("end_of_track", time=96),
    ])  # fmt: skip
    file = mido.MidiFile(ticks_per_beat=96)
    file.tracks.append(track)
    file.save(tmp_path / "x.mid")
    found = read_midi(tmp_path / "x.mid")
    assert found.notes[["onset", "duration", "pitch"]].tolist() == [(0, 96, 60), (0, 1, 61)]
    assert sorted(found.report) == [
        "1 ends of notes that had not begun, dropped",
        "1 notes of no length, made one tick long",
        "1 notes that were never let go, ended with their track",
    ]


def test_pieces_of_a_file_of_type_2_come_one_after_another(tmp_path: Path) -> None:
    file = mido.MidiFile(type=2, ticks_per_beat=96)
    for note in (60, 62):
        on, off = mido.Message("note_on", note=note, velocity=9), mido.Message("note_off", note=note, time=96)
        file.tracks.append(mido.MidiTrack([on, off]))
    file.save(tmp_path / "x.mid")
    assert read_midi(tmp_path / "x.mid").notes["onset"].tolist() == [0, 96]


def test_a_key_that_there_is_not_is_told(tmp_path: Path) -> None:
    path = write_midi(Score.of([(0, 480, 60)]), tmp_path / "x.mid")
    tempo, key = b"\xff\x51\x03\x07\xa1\x20", b"\xff\x59\x02\x0b\x05\x00"  # eleven sharps, in place of the tempo
    path.write_bytes(path.read_bytes().replace(tempo, key))
    with pytest.raises(FileError, match="11 sharps"):
        read_midi(path)


@pytest.mark.long
def test_a_large_file_is_read(tmp_path: Path) -> None:
    rows = [(10 * n, 5, 40 + n % 40, 64) for n in range(50_000)]
    score = Score.of(rows)
    assert len(read_midi(write_midi(score, tmp_path / "x.mid"))) == 50_000


def test_a_broken_file_is_told_or_read_and_never_more(tmp_path: Path) -> None:
    path, random = tmp_path / "x.mid", np.random.default_rng(0)
    whole = write_midi(Score.of([(n * 100, 90, 60 + n % 12) for n in range(40)]), path).read_bytes()
    told = 0
    for n in range(600):
        data = bytearray(whole[: random.integers(len(whole))] if n % 2 else whole)
        for at in random.integers(0, max(1, len(data)), random.integers(1, 6)) if data else ():
            data[at] = random.integers(256)
        path.write_bytes(data)
        try:
            found = read_midi(path)
        except FileError:
            told += 1
        else:
            assert isinstance(found, Score)
    assert 100 < told < 600


@pytest.mark.shared_data
@pytest.mark.long
def test_real_files_come_back_note_for_note(shared: Path, tmp_path: Path) -> None:
    files = sorted((shared / "data" / "music").rglob("*.mid"))
    read, told = 0, list[str]()
    for path in files[::7] + [path for path in files if "conformance" in str(path)]:
        try:
            score = read_midi(path)
        except FileError:
            told.append(path.name)
            continue
        grid, _ = score.quantised(24)
        for one in (score, grid):
            again = read_midi(write_midi(one, tmp_path / "x.mid"))
            names = ["onset", "duration", "pitch", "velocity", "channel", "program"]
            assert np.array_equal(np.sort(again.notes[names]), np.sort(one.notes[names])), path
        read += 1
    assert read > 100
    broken = ("test-corrupt", "test-empty-file", "test-illegal", "test-non", "test-not", "test-running")
    assert all(name.startswith(broken) for name in told), told
