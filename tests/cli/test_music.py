"""`polyloom music`: from tunes to a model, to a new tune, to sound."""

import json
import wave
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from polyloom import PolyloomError, load, open_recipe
from polyloom.cli.music import app
from polyloom.music import BlockVocabulary, MidiVocabulary, read_abc, read_midi, write_midi
from polyloom_datasets import load as corpus

TUNES = corpus("tunes").documents


def run(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    (tmp_path / "tunes.abc").write_text("\n\n".join(TUNES[:10]))
    write_midi(read_abc(TUNES[0]), tmp_path / "one.mid")
    (tmp_path / "broken.mid").write_bytes(b"MThd")
    return tmp_path


def test_tokens_are_those_of_the_vocabulary(made: Path) -> None:
    vocabulary, score = MidiVocabulary("chords"), read_midi(made / "one.mid")
    done = run("tokenize", made / "one.mid", "--scheme", "chords", "--json")
    told = json.loads(done.stdout)
    assert told["tokens"] == vocabulary.tokens(score).tolist()
    assert (told["notes"], told["moved"]["most"]) == (len(score), 0)
    assert run("tokenize", made / "one.mid").stdout.startswith("Bar Pitch_60 Velocity_")


def test_from_tunes_to_a_model_to_a_tune_to_sound(made: Path) -> None:
    model = made / "tunes.psam"
    told = json.loads(run("train", made, "-o", model, "--json").stdout)
    assert told["tunes"] == 11
    assert load(model).vocabulary == MidiVocabulary()
    words = ("generate", model, "--begin", made / "one.mid", "--tokens", 60, "--seed", 1)
    for name in ("a.mid", "b.mid"):
        assert run(*words, "-o", made / name, "--key", "C", "--low", 40, "--high", 84).exit_code == 0
    assert (made / "a.mid").read_bytes() == (made / "b.mid").read_bytes()
    found = read_midi(made / "a.mid")
    assert len(found) >= len(read_midi(made / "one.mid"))
    assert set(found.notes["pitch"] % 12) <= {0, 2, 4, 5, 7, 9, 11}
    run("remake", model, made / "a.mid", "-o", made / "again.mid")
    assert (made / "again.mid").read_bytes() == (made / "a.mid").read_bytes()
    run("render", made / "a.mid", "-o", made / "a.wav", "--rate", 8000)
    assert open_recipe(made / "a.wav") == open_recipe(made / "a.mid")
    with wave.open(str(made / "a.wav")) as file:
        assert file.getnframes() / 8000 == pytest.approx(found.seconds(found.end), abs=0.1)
    run(*words, "--temperature", 3, "--min-p", 0, "-o", made / "hot.mid")
    hot = read_midi(made / "hot.mid")
    assert hot.seconds(hot.end) < 600, "no rest of an hour"
    run(*words, "-o", made / "c.wav")
    run("remake", model, made / "c.wav", "-o", made / "again.wav")
    assert (made / "again.wav").read_bytes() == (made / "c.wav").read_bytes()
    with pytest.raises(PolyloomError, match="carries no recipe"):
        run("remake", model, made / "one.mid", "-o", made / "x.mid")


def test_a_caption_conditions_a_tune(made: Path) -> None:
    (made / "tunes.abc").write_text("\n\n".join(TUNES))
    model = made / "styles.psam"
    run("train", made / "tunes.abc", made / "one.mid", "-o", model, "--captions")
    vocabulary = load(model).vocabulary
    assert isinstance(vocabulary, BlockVocabulary)
    assert {"dance", "chorale", "blues", "arpeggio"} < set(vocabulary.text.pieces)
    words = ("generate", model, "--tokens", 80, "--key", "G", "--low", 40)
    written: dict[str, bytes] = {}
    for style in ("chorale", "arpeggio"):
        run(*words, "--caption", style, "-o", made / f"{style}.mid", "--begin", made / "one.mid")
        assert open_recipe(made / f"{style}.mid")["prompt"].startswith(f"{style}\nBar ")
        run("remake", model, made / f"{style}.mid", "-o", made / f"{style}-again.mid")
        written[style] = (made / f"{style}-again.mid").read_bytes()
        assert written[style] == (made / f"{style}.mid").read_bytes()
    assert written["chorale"] != written["arpeggio"]
    assert "read as <unk>: 'rumba'" in run(*words, "--caption", "rumba", "-o", made / "rumba.mid").stderr
    run("train", made / "tunes.abc", "-o", made / "plain.psam")
    with pytest.raises(PolyloomError, match="has learned no captions"):
        run("generate", made / "plain.psam", "--caption", "blues", "-o", made / "x.mid")


def test_of_many_tunes_those_that_cannot_be_read_are_left_out(made: Path) -> None:
    """As they come: a comment before the first, blank lines that are none, Latin-1, and a tune with a tuplet."""
    latin = TUNES[1].replace("T:", "T:Fr\xfchling ", 1).encode("latin-1")
    tuplet = TUNES[2].replace("K:F\n", "K:F\n(3abc ", 1).encode()
    (made / "tunes.abc").write_bytes(b"%abc-2.1\n\n" + TUNES[0].encode() + b"\n \n" + latin + b"\r\n\r\n\r\n" + tuplet)
    (made / "mark.abc").write_text(TUNES[3], "utf-8-sig")
    (made / "empty.abc").write_bytes(b"")
    done = run("train", made, "-o", made / "x.psam", "--json")
    assert json.loads(done.stdout)["tunes"] == 4
    assert f"{made / 'tunes.abc'}, tune 3: " in done.stderr
    told = run("tokenize", made / "tunes.abc")
    assert told.stdout == run("tokenize", made / "one.mid").stdout
    assert "tunes.abc holds 3 tunes; this is the first." in told.stderr
    with pytest.raises(PolyloomError, match=r"empty.abc holds no tune"):
        run("render", made / "empty.abc", "-o", made / "x.wav")


def test_chords_are_explained() -> None:
    told = json.loads(run("explain", "G7", "--json").stdout)
    assert told["facts"]["notes"] == ["G", "B", "D", "F"]
    assert "ii–V–I" in run("explain", "Dm7", "G7", "C", "--level", "musician").stdout


def test_what_is_no_music_is_told(made: Path) -> None:
    for words, said in (
        (("tokenize", made / "broken.mid"), "cannot be read as MIDI"),
        (("train", made / "broken.mid", "-o", made / "x.psam"), "No file holds music"),
        (("render", made / "one.mid", "-o", made / "one.mid"), "one of the files to read"),
        (("explain", "H7"), "H7"),
    ):
        with pytest.raises(PolyloomError, match=said):
            run(*words)
