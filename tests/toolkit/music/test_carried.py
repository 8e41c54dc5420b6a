"""Recipes in files of music: from the file and the models the same bytes again, and nobody else is disturbed."""

import json
import wave
from pathlib import Path
from typing import Any

import mido
import numpy as np
import pytest

import polyloom
from polyloom import AssociationModel, FileError, InputError, Layered, Sampling
from polyloom.compose.recipe_file import CARRIED, MARK, carried_recipe, open_recipe, save_recipe
from polyloom.music import MidiVocabulary, Score, read_abc, read_midi, write_midi, write_music
from polyloom.music.constraints import allowed
from polyloom.music.synth import write_wav
from polyloom_datasets import load

REMI = MidiVocabulary()
SCORE = Score.of([(0, 480, 60), (480, 480, 64)], tempi=((0, 400_000),), metres=((0, 3, 4),))
RECIPE: dict[str, Any] = {"polyloom": "recipe", "format": 1, "prompt": "Müller’s 海 🎵", "weights": {"sea": 1.0}}
RATE = 8_000


@pytest.fixture(scope="module")
def mix() -> Layered:
    tunes = [REMI.tokens(read_abc(tune)) for tune in load("tunes").documents]
    first, second = (
        AssociationModel.fit(part, REMI, order=4, held_out=part[-1:]) for part in (tunes[:4], tunes[10:14])
    )
    return Layered(first, {"blues": polyloom.Layer(second, 0.5)}, name="dance")


def written(mix: Layered) -> polyloom.Generation:
    """A tune after the beginning of another, `</s>` among its tokens, kept to a key, and taken up again."""
    begin = [*REMI.tokens(read_abc(load("tunes").documents[0]))[:30], REMI.sentence_end]
    settings = Sampling(0.9, max_tokens=40, seed=3, min_p=0.05, only=allowed(REMI, key="G", low=50, high=80))
    return mix.generate(np.array(begin), settings).fork(12, "Bar")


@pytest.fixture(params=["x.mid", "x.wav"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / request.param


def carrying(recipe: Any, path: Path) -> Path:
    return write_midi(SCORE, path, recipe) if path.suffix == ".mid" else write_wav(SCORE, path, RATE, recipe)


def test_from_the_file_comes_the_file(mix: Layered, path: Path) -> None:
    first = written(mix)
    recipe = polyloom.open_recipe(write_music(first, path))
    assert recipe == first.recipe
    assert recipe["tokens"][-1] == REMI.sentence_end
    assert recipe["only"] == list(first.sampling.only)
    assert (len(recipe["kept"]), recipe["token"]) == (12, REMI.id_of("Bar"))
    for given in (path, recipe):
        again = polyloom.replay(given, mix.with_weights(blues=9))
        assert again == first
        assert write_music(again, path.with_stem("again")).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("part", [float("nan"), b"bytes", np.float32(1)])
def test_what_json_cannot_hold_is_told(part: Any, path: Path) -> None:
    for write in (lambda given: carrying(given, path), lambda given: save_recipe(given, path)):
        with pytest.raises(InputError, match="holds what JSON cannot"):
            write({**RECIPE, "weights": {"sea": part}})
    assert not path.exists()


def test_half_of_a_character_is_kept(tmp_path: Path) -> None:
    recipe = {**RECIPE, "prompt": "\ud83c"}  # as a shell hands on bytes that are no text
    assert open_recipe(save_recipe(recipe, tmp_path / "x.recipe.json")) == recipe


def test_a_score_and_its_sound_are_the_same_with_and_without(tmp_path: Path) -> None:
    plain, told = write_midi(SCORE, tmp_path / "a.mid"), write_midi(SCORE, tmp_path / "b.mid", RECIPE)
    assert read_midi(told) == read_midi(plain) == SCORE
    assert told.stat().st_size > plain.stat().st_size
    frames: list[bytes] = []
    for name, recipe in (("a.wav", None), ("b.wav", RECIPE)):
        with wave.open(str(write_wav(SCORE, tmp_path / name, RATE, recipe))) as file:
            frames.append(file.readframes(file.getnframes()))
    assert frames[0] == frames[1]
    raw = (tmp_path / "b.wav").read_bytes()
    assert int.from_bytes(raw[4:8], "little") == len(raw) - 8
    assert raw.startswith((tmp_path / "a.wav").read_bytes()[8:], 8)


def test_no_letter_is_lost_and_a_file_without_one_says_so(path: Path) -> None:
    assert polyloom.open_recipe(carrying(RECIPE, path)) == RECIPE
    assert carried_recipe(carrying(None, path)) is None
    with pytest.raises(FileError, match=r"carries no recipe. Expected music written with one"):
        polyloom.open_recipe(path)


def test_others_read_the_text_and_may_save_it_again(tmp_path: Path) -> None:
    file = mido.MidiFile(carrying(RECIPE, tmp_path / "x.mid"))
    (said,) = (message.text for message in file.tracks[0] if message.type == "text")
    assert json.loads(said.removeprefix(MARK)) == RECIPE
    file.tracks[0].insert(0, mido.MetaMessage("text", text="Made at home"))
    file.tracks.reverse()
    file.save(tmp_path / "y.mid")
    assert polyloom.open_recipe(tmp_path / "y.mid") == RECIPE


def test_a_comment_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    raw = carrying(None, tmp_path / "x.wav").read_bytes()
    ours = carrying(RECIPE, tmp_path / "y.wav").read_bytes()[len(raw) :]
    other = b"LIST" + (18).to_bytes(4, "little") + b"INFOICMT" + (5).to_bytes(4, "little") + b"hello\0"
    (tmp_path / "z.wav").write_bytes(raw[:12] + other + raw[12:])
    assert carried_recipe(tmp_path / "z.wav") is None
    (tmp_path / "z.wav").write_bytes(raw[:12] + other + b"odd \1\0\0\0x\0" + ours + raw[12:])
    assert polyloom.open_recipe(tmp_path / "z.wav") == RECIPE


# what is refused


def test_a_recipe_that_is_none_or_too_long_is_not_written(path: Path) -> None:
    before = carrying(None, path).read_bytes()
    for wrong, said in (({}, "Expected a recipe"), ({**RECIPE, "prompt": "a" * CARRIED}, "takes 900,.*save_recipe")):
        with pytest.raises(InputError, match=said):
            carrying(wrong, path)
    assert path.read_bytes() == before


def test_a_recipe_of_the_future_is_told_from_a_damaged_one(path: Path) -> None:
    raw = carrying(RECIPE, path).read_bytes()
    for old, new, said in (
        (b'"format":1', b'"format":7', "Expected a recipe of format 1, got 7. Upgrade polyloom"),
        (b'"weights":{', b'"weights":[', "holds no recipe that can be read"),
        (b'"polyloom":"r', b'"polyloom":"n', "'polyloom' is 'recipe' there, here 'necipe'"),
        (b'"prompt"', b'"\xff\xffmpt"', "holds no recipe that can be read"),
    ):
        path.write_bytes(raw.replace(old, new))
        with pytest.raises(FileError, match=said) as caught:
            polyloom.open_recipe(path)
        assert str(path) in str(caught.value)


def test_a_broken_file_is_told_or_read_and_never_more(path: Path) -> None:
    raw, random, told = carrying(RECIPE, path).read_bytes(), np.random.default_rng(0), 0
    around = max(0, raw.find(MARK.encode()) - 60)
    for n in range(400):
        data = bytearray(raw)
        for at in random.integers(around, len(raw), random.integers(1, 5)):
            data[at] = random.integers(256)
        data = data[: random.integers(around, len(raw))] if n % 2 else data
        path.write_bytes(data)
        try:
            polyloom.open_recipe(path)
        except FileError:
            told += 1
    assert told > 250


@pytest.mark.parametrize(
    "raw",
    [b"RIFF\xff\xff\xff\xffWAVE", b"RIFF\0\0\0\0WAVELIST\xff\xff\xff\xffINFOICMT\xff\xff\xff\xff@polyloom {}",
     b"RIFF\0\0\0\0WAVE" + b"odd \0\0\0\0" * 20_000, b"RIFF\0\0\0\0WAVELIST\x16\0\0\0INFOICMT\x01\0\0\0@polyloom {}",
     b"MThd\xff\x01\xff\xff\xff\x7f@polyloom {}", b"MThd\xff\x01\x01@polyloom {}", b"MThd\xff\x01\x0c@polyloom []",
     b"MThd", b"\x89PNG", b"RIFF\0\0\0\0AVI "],
)  # fmt: skip
def test_a_hostile_file_is_one_clear_error(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "x.mid").write_bytes(raw)
    with pytest.raises(FileError, match="recipe"):
        polyloom.open_recipe(tmp_path / "x.mid")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    for start in (b"MThd", b"{"):
        with (tmp_path / "x.mid").open("wb") as file:
            file.write(start)
            file.truncate(2**33)
        with pytest.raises(FileError, match="more than 33,554,432"):
            polyloom.open_recipe(tmp_path / "x.mid")
    with pytest.raises(FileNotFoundError):
        polyloom.open_recipe(tmp_path / "none.mid")
