"""Music that is written while it is heard: it goes on, it follows the faders, and it ends with no tune."""

import numpy as np
import pytest

import polyloom
from polyloom import InputError
from polyloom.music import BlockVocabulary, MidiVocabulary, read_abc
from polyloom.music.schemes import Scheme
from polyloom.tokens import WordVocabulary
from polyloom_datasets import load
from polyloom_widgets import Mixer
from polyloom_widgets.mixer.stream import ENOUGH, Stream

SETTINGS = {"temperature": 0.8, "seed": 1}
STYLES = ("dance", "chorale", "blues", "arpeggio")


@pytest.fixture(scope="module")
def mix() -> polyloom.Layered:
    vocabulary, tunes = MidiVocabulary(grid=12), load("tunes").documents
    voices = {
        name: [vocabulary.tokens(read_abc(tune)) for tune in tunes[5 * n : 5 * n + 5]] for n, name in enumerate(STYLES)
    }
    return polyloom.weave(voices, vocabulary, progress=False)[0]


@pytest.fixture(scope="module")
def captioned() -> tuple[polyloom.Layered, dict[str, list[np.ndarray]]]:
    styles, tunes = {"blues": 10, "arpeggio": 15}, load("tunes").documents
    vocabulary = BlockVocabulary(WordVocabulary.train(styles), MidiVocabulary(grid=12))
    voices = {
        style: [vocabulary.captioned(style, read_abc(tune)) for tune in tunes[n : n + 5]] for style, n in styles.items()
    }
    return polyloom.weave(voices, vocabulary, progress=False)


def test_it_goes_on_and_begins_anew_where_a_tune_ends(mix: polyloom.Layered, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[polyloom.Layered] = []
    begin = Stream._begin
    monkeypatch.setattr(Stream, "_begin", lambda stream, mix: begin(stream, mix) or begun.append(mix))
    stream = Stream(mix, mix.ids("Bar"))
    until, latest = 0.0, 0.0
    for _ in range(20):
        found = stream.more(mix, SETTINGS)
        assert found["until"] >= until
        for start, length, pitch, velocity, drum, layer in found["notes"]:
            assert start >= 0
            assert length > 0
            assert (0 <= pitch < 128, 0 < velocity < 128, drum, 0 <= layer < 4) == (True, True, 0, True)
            latest = max(latest, start + length)
        assert latest <= found["until"]
        until = found["until"]
    assert until > 20 * ENOUGH / 2
    assert len(begun) > 1


def test_a_fader_is_heard_from_the_next_answer_on(mix: polyloom.Layered) -> None:
    stream = Stream(mix, mix.ids("Bar"))
    first = stream.more(mix, SETTINGS)["notes"]
    assert len({note[-1] for note in first}) > 1
    alone = mix.with_weights({name: float(name == "chorale") for name in STYLES})
    for _ in range(3):
        assert {note[-1] for note in stream.more(alone, SETTINGS)["notes"]} == {1}


@pytest.mark.parametrize(("scheme", "hot"), [("remi", 2.0), ("chords", 2.0), ("events", 1.5)])
def test_nobody_waits_for_a_long_rest(scheme: Scheme, hot: float) -> None:
    vocabulary = MidiVocabulary(scheme, grid=12)
    documents = [vocabulary.tokens(read_abc(tune)) for tune in load("tunes").documents[:2]]
    mix = polyloom.Layered(polyloom.AssociationModel.fit(documents, vocabulary), {}, name="dance")
    stream, until = Stream(mix, mix.ids("")), 0.0
    for _ in range(30):
        now = stream.more(mix, {"temperature": hot, "seed": 1})["until"]
        assert now - until < 600
        until = now


def test_a_caption_is_played(captioned: tuple[polyloom.Layered, dict[str, list[np.ndarray]]]) -> None:
    desk = Mixer(captioned[0], "blues", captioned[1])
    notes = desk._answer_play({"begin": True})["notes"]
    assert len(notes) > 2
    assert {layer for *_, layer in notes} <= {0, 1}
    vocabulary, document = desk.mix.vocabulary, next(iter(captioned[1].values()))[0]
    desk.place = next(n for n, id in enumerate(document) if vocabulary.pieces[id].startswith("<Pitch"))
    keys = np.frombuffer(desk.keys_p, "<f4").reshape(2, 128)
    expected = desk.mix.models["blues"].begin(document[: desk.place]).distribution()[vocabulary.id_of("<Pitch_60>")]
    assert keys[0, 60] == pytest.approx(np.exp(expected), rel=1e-6)


def test_what_tells_no_note_is_told() -> None:
    vocabulary = MidiVocabulary(grid=4)
    mix = polyloom.Layered(polyloom.AssociationModel.fit(["Bar " * 50], vocabulary), {}, name="rests")
    with pytest.raises(InputError, match="tells no note"):
        Stream(mix, mix.ids("Bar")).more(mix, {"temperature": 0.0, "seed": 1})


def test_the_desk_is_silent_where_nobody_speaks_and_follows_another_mix(mix: polyloom.Layered) -> None:
    desk = Mixer(mix, "Bar")
    desk._answer_play({"begin": True})
    silent = desk.step | {"muted": [True] * 4}
    desk.steps, desk.cursor = [*desk.steps, silent], 1
    with pytest.raises(InputError, match="Nobody is speaking"):
        desk._answer_play({"begin": False})
    vocabulary = MidiVocabulary("chords", grid=12)
    voices = {name: [vocabulary.tokens(read_abc(tune)) for tune in load("tunes").documents[:4]] for name in STYLES}
    desk.model = polyloom.weave(voices, vocabulary, progress=False)[0]
    assert desk._answer_play({"begin": False})["notes"]
    desk.close()


def test_the_same_seed_is_the_same_music(mix: polyloom.Layered) -> None:
    ours, theirs = (Stream(mix, mix.ids("Bar")) for _ in range(2))
    assert [ours.more(mix, SETTINGS) for _ in range(3)] == [theirs.more(mix, SETTINGS) for _ in range(3)]
    assert Stream(mix, mix.ids("Bar")).more(mix, {**SETTINGS, "seed": 2}) != ours.more(mix, SETTINGS)


def test_the_desk_knows_music_from_text(mix: polyloom.Layered) -> None:
    desk = Mixer(mix, "Bar Position_0")
    assert len(desk.keys_p) == 4 * 4 * 128
    assert desk._answer_play({"begin": True})["notes"]
    text = Mixer(polyloom.weave({"sea": load("sea"), "law": load("contracts")}, progress=False)[0], "At night the")
    assert text.keys_p == b""
    with pytest.raises(InputError, match="only music can be played"):
        text._answer_play({"begin": True})
    for one in (desk, text):
        one.close()
