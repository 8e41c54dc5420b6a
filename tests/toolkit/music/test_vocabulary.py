"""Music as tokens: scores come back, any ids are a score, and a vocabulary is a value that files hold."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom import FileError, InputError, VocabularyError
from polyloom.music.midi import read_midi
from polyloom.music.schemes import FAMILIES, Scheme
from polyloom.music.score import Score
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.tokens.vocabulary import Vocabulary

SCHEMES: tuple[Scheme, ...] = tuple(FAMILIES)
NOTE = st.tuples(
    st.integers(0, 4000), st.integers(1, 3000), st.integers(0, 127), st.integers(1, 127), st.integers(0, 15),
    st.integers(0, 127), st.integers(0, 70),
)  # fmt: skip
METRES = st.dictionaries(st.integers(1, 4000), st.sampled_from([(3, 4), (6, 8), (4, 4), (7, 16), (99, 4)]), max_size=3)
TEMPI = st.dictionaries(st.integers(1, 4000), st.integers(1, 2**24 - 1), max_size=3)


@st.composite
def scores(draw: st.DrawFn) -> Score:
    metres, tempi = draw(METRES), draw(TEMPI)
    return Score.of(
        draw(st.lists(NOTE, max_size=30)),
        ticks_per_beat=96,
        metres=((0, 4, 4), *((tick, *metres[tick]) for tick in sorted(metres))),
        tempi=((0, 500_000), *sorted(tempi.items())),
    )


made = cache(MidiVocabulary)


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=40)
@given(score=scores(), velocities=st.sampled_from([1, 32, 127]))
def test_a_score_comes_back_as_it_is_on_the_grid(scheme: Scheme, score: Score, velocities: int) -> None:
    vocabulary = made(scheme, velocities=velocities)
    grid, rounding = vocabulary.quantised(score)
    assert vocabulary.score(vocabulary.tokens(score)) == grid
    assert vocabulary.quantised(grid)[0] == grid
    assert rounding.most <= 0.5 / 24 + 1e-9


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=40)
@given(data=st.data())
def test_any_ids_are_a_score(scheme: Scheme, data: st.DataObject) -> None:
    vocabulary = made(scheme)
    ids = data.draw(st.lists(st.integers(0, vocabulary.size - 1), max_size=200))
    found = vocabulary.score(ids)
    assert vocabulary.score(vocabulary.tokens(found)) == vocabulary.quantised(found)[0]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_notes_at_one_time_and_pitch_come_back(scheme: Scheme) -> None:
    rows = [(0, 480, 60, 90), (0, 480, 60, 30), (0, 240, 60, 100), (0, 960, 60, 20), (240, 60, 60, 50)]
    assert (
        made(scheme, velocities=127).score(made(scheme, velocities=127).tokens(Score.of(rows)))
        == (made(scheme, velocities=127).quantised(Score.of(rows))[0])
    )


def test_tokens_by_hand() -> None:
    score = Score.of([(0, 480, 60), (480, 240, 64), (1920 * 3, 4 * 480 + 20, 67, 80, 0, 5, 0)])
    text = {scheme: made(scheme).decode(made(scheme).tokens(score)) for scheme in SCHEMES}
    assert text["remi"] == (
        "Bar Pitch_60 Duration_24 Position_24 Pitch_64 Duration_12 "
        "Bar Bar Bar Part_1 Track_0 Channel_0 Program_5 Pitch_67 Long_96 Duration_1"
    )
    assert text["events"] == (
        "On_60 Shift_24 Off_60 On_64 Shift_12 Off_64 "
        "Shift_192 Shift_60 Part_1 Track_0 Channel_0 Program_5 On_67 Shift_96 Shift_1 Off_67"
    )
    assert text["chords"].startswith("Bar Chord_C Pitch_60")


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=40)
@given(score=scores())
def test_every_note_knows_the_tokens_that_made_it(scheme: Scheme, score: Score) -> None:
    vocabulary = made(scheme, velocities=127)
    ids = vocabulary.tokens(score)
    notes, places = vocabulary.score(ids).notes, vocabulary.places(ids)
    assert places.shape == (len(notes), 2)
    assert len(set(places[:, 0].tolist())) == len(notes), "each has a token of its own"
    names = {"events": ("On", "Off")}.get(scheme, ("Pitch", "Duration"))
    for (said, ended), pitch in zip(places.tolist(), notes["pitch"].tolist(), strict=True):
        assert vocabulary.pieces[ids[said]] == f"{names[0]}_{pitch}"
        assert vocabulary.pieces[ids[ended]].startswith(names[1])
        assert said < ended


def test_places_by_hand() -> None:
    remi, events = made("remi"), made("events")
    ids = remi.encode("Bar Position_24 Pitch_64 Pitch_60 Long_96 Duration_1 Position_0 Pitch_72 Duration_3 Pitch_1")
    assert remi.score(ids).notes["pitch"].tolist() == [72, 60]
    assert remi.places(ids).tolist() == [[7, 8], [3, 5]]
    ids = events.encode("On_60 Shift_4 On_60 Off_60 Off_61 Shift_4 On_50")
    assert events.score(ids).notes["pitch"].tolist() == [60, 60, 50]
    assert events.places(ids).tolist() == [[0, 3], [2, -1], [6, -1]]
    assert events.places([]).shape == (0, 2)


def test_long_times_are_few_tokens() -> None:
    score = Score.of([(0, 1, 60), (10**9, 10**9, 60)])
    for scheme in SCHEMES:
        assert len(MidiVocabulary(scheme).tokens(score)) < 60


def test_harmony_by_hand() -> None:
    bars = [(0, 60, 64, 67), (960, 55, 59, 65), (1920, 57, 60, 64), (3840, 60)]
    score = Score.of([(at, 960, pitch) for at, *pitches in bars for pitch in pitches])
    vocabulary = MidiVocabulary("chords")
    chords = [word for word in vocabulary.decode(vocabulary.tokens(score)).split() if word.startswith("Chord")]
    assert chords == ["Chord_C", "Chord_G7", "Chord_Am", "Chord_none"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_vocabulary_is_a_value(scheme: Scheme) -> None:
    vocabulary = MidiVocabulary(scheme, 12, 8)
    again = Vocabulary.from_state(*vocabulary.state())
    assert again == vocabulary
    assert isinstance(again, MidiVocabulary)
    assert (again.scheme, again.grid, again.velocities) == (scheme, 12, 8)
    assert len({MidiVocabulary(one, grid).digest for one in SCHEMES for grid in (12, 24)}) == 6
    ids = np.arange(1, vocabulary.size)
    assert np.array_equal(vocabulary.encode(vocabulary.decode(ids)), ids)
    assert all(vocabulary.id_of(piece) == at for at, piece in enumerate(vocabulary.pieces))


def test_what_is_no_music_is_told() -> None:
    vocabulary = MidiVocabulary()
    with pytest.raises(VocabularyError, match="Nearest: 'Pitch_60'"):
        vocabulary.encode("Bar pitch_60")
    with pytest.raises(VocabularyError, match="no token of music"):
        vocabulary.encode("</s>")
    with pytest.raises(VocabularyError, match="outside"):
        vocabulary.score([10**6])
    with pytest.raises(InputError, match="events, remi, chords"):
        MidiVocabulary("midi")  # pyright: ignore[reportArgumentType]
    for grid in (0, 49, True, 2.0):
        with pytest.raises(InputError, match="grid must be a whole number"):
            MidiVocabulary("remi", grid)  # pyright: ignore[reportArgumentType]
    manifest, arrays = vocabulary.state()
    for content in (b"", b"3", b'["midi", 24, 32]', b'["remi", "x", 32]', b'["remi", 24, 31]'):
        with pytest.raises(VocabularyError):
            Vocabulary.from_state(manifest, arrays | {"settings": np.frombuffer(content, np.uint8)})


@pytest.mark.shared_data
@pytest.mark.long
def test_real_files_come_back_note_for_note(shared: Path) -> None:
    read = 0
    for path in sorted((shared / "data" / "music").rglob("*.mid"))[::5]:
        try:
            score = read_midi(path)
        except FileError:
            continue
        for scheme in SCHEMES:
            vocabulary = MidiVocabulary(scheme, velocities=127)
            assert vocabulary.score(vocabulary.tokens(score)) == vocabulary.quantised(score)[0], path
        read += 1
    assert read > 100
