"""Recipes: from the same models comes the same text, through JSON and a file; from others an error."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom
from polyloom import AssociationModel, FileError, InputError, Layer, Layered, Sampling
from polyloom.compose.recipe import replay
from polyloom.compose.recipe_file import open_recipe, save_recipe

SETTINGS = Sampling(0.8, max_tokens=15, seed=3, top_k=20, stop=("xylophone",))


@pytest.fixture(params=["linear", "log"])
def mix(request: pytest.FixtureRequest, sea: AssociationModel, lullabies: AssociationModel) -> Layered:
    return Layered(sea, {"lullabies": Layer(lullabies, 0.4), "off": Layer(sea, 0)}, request.param, name="sea")


def through_json(recipe: Any) -> Any:
    return json.loads(json.dumps(recipe, allow_nan=False))


def test_a_recipe_says_how_a_text_was_made(mix: Layered, sea: AssociationModel) -> None:
    recipe = mix.generate("At night the", SETTINGS).recipe
    assert recipe["models"] == {name: model.digest for name, model in mix.models.items()}
    assert recipe["kinds"] == dict.fromkeys(mix.layers, "association")
    assert (recipe["pool"], recipe["weights"], recipe["prompt"]) == (mix.pool, mix.weights, "At night the")
    assert (recipe["temperature"], recipe["seed"], recipe["stop"]) == (0.8, 3, ["xylophone"])
    assert recipe["version"] == polyloom.__version__
    assert through_json(recipe) == recipe
    assert "tokens" not in recipe
    assert "kept" not in recipe


def test_the_same_models_write_the_same_text(mix: Layered, tmp_path: Path) -> None:
    written = mix.generate("At night the", SETTINGS)
    again = replay(through_json(written.recipe), mix.with_weights(sea=9))
    assert again == written
    assert again.recipe == written.recipe
    assert replay(written.recipe, mix.models) == written
    path = written.save_recipe(tmp_path / "night.recipe.json")
    assert open_recipe(path) == written.recipe
    assert replay(path, mix) == replay(str(path), mix) == written
    loaded = polyloom.load(mix.save(tmp_path / "mix.psamc"))
    assert replay(path, loaded) == written


def test_one_model_alone(sea: AssociationModel) -> None:
    written = sea.generate("At night the", SETTINGS)
    assert (written.recipe["pool"], written.recipe["weights"]) == (None, {"model": 1.0})
    assert replay(written.recipe, sea) == replay(written.recipe, {"model": sea}) == written


def test_a_mix_of_mixes_is_named_by_the_digests_of_its_layers(mix: Layered, sea: AssociationModel) -> None:
    deep = Layered(mix, {"sea": Layer(sea, 0.5)}, name="mix")
    written = deep.generate("At night the", SETTINGS)
    assert written.recipe["models"] == {"mix": mix.digest, "sea": sea.digest}
    assert written.recipe["kinds"] == {"mix": "layered", "sea": "association"}
    assert replay(written.recipe, {"mix": mix, "sea": sea}) == written


@settings(max_examples=25)
@given(at=st.integers(0, 9), seed=st.integers(0, 50), token=st.sampled_from([None, "harbour", "</s>"]))
def test_a_text_taken_up_again_comes_back(
    sea: AssociationModel, lullabies: AssociationModel, at: int, seed: int, token: str | None
) -> None:
    mix = Layered(sea, {"lullabies": Layer(lullabies, 0.4)}, name="sea")
    written = mix.generate("At night the", Sampling(seed=seed, max_tokens=10))
    at = min(at, len(written.steps))
    taken = written.fork(at, token, sampling=Sampling(0.5, seed=seed + 1, max_tokens=8))
    again = replay(through_json(taken.recipe), mix)
    assert again == taken
    assert again.fork(0).recipe.get("kept", []) == []


def test_a_text_taken_up_by_another_mix_belongs_to_that(mix: Layered) -> None:
    written = mix.generate("At night the", SETTINGS)
    louder = mix.with_weights(lullabies=3)
    taken = written.fork(4, model=louder)
    assert taken.recipe["weights"] == louder.weights
    assert taken.recipe["kept"] == [step.token for step in written.steps[:4]]
    again = replay(taken.recipe, mix)
    assert (again.text, [s.token for s in again.steps]) == (taken.text, [s.token for s in taken.steps])
    assert again.steps[4:] == taken.steps[4:]
    assert taken.fork(6) == taken, "and goes on under that"


def test_a_prompt_that_text_does_not_give_back_is_kept_as_tokens(mix: Layered) -> None:
    """`</s>` is placed by programs and never read out of text."""
    prompt = [mix.vocabulary.sentence_end, *mix.ids("At night"), mix.vocabulary.sentence_end]
    written = mix.generate(prompt, SETTINGS)
    assert written.recipe["tokens"] == prompt
    assert replay(through_json(written.recipe), mix) == written


def test_numbers_of_numpy_are_numbers(sea: AssociationModel) -> None:
    written = sea.generate("At", Sampling(np.float32(0.1), np.int64(4), np.uint8(1), only=tuple(np.arange(40))))
    assert replay(through_json(written.recipe), sea) == written


def test_a_desk_recipe_is_played_too(mix: Layered) -> None:
    recipe = {"polyloom": "recipe", "format": 1, "pool": mix.pool, "weights": {"sea": 2.0, "lullabies": 1.0, "off": 3}}
    recipe |= {"muted": ["off"], "soloed": [], "prompt": "At night the", "temperature": 0.5, "seed": 1}
    played = replay(recipe, mix)
    expected = mix.with_weights(sea=2, lullabies=1).generate("At night the", Sampling(0.5, seed=1))
    assert (played.text, played.steps) == (expected.text, expected.steps)
    alone = replay({**recipe, "muted": [], "soloed": ["lullabies"]}, mix)
    assert (
        alone.text
        == mix.with_weights(lullabies=1).activate("lullabies").generate("At night the", Sampling(0.5, seed=1)).text
    )


# what is refused


def test_another_model_under_the_name_is_refused(mix: Layered, lullabies: AssociationModel) -> None:
    recipe = mix.generate("At night the", SETTINGS).recipe
    other = {**mix.models, "sea": lullabies}
    with pytest.raises(InputError, match="made with another 'sea'") as caught:
        replay(recipe, other)
    assert mix.models["sea"].digest[:12] in str(caught.value)
    assert lullabies.digest[:12] in str(caught.value)
    without = {key: value for key, value in recipe.items() if key != "models"}
    assert replay(without, other).text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"polyloom": "no"}, "Expected a recipe of format 1"),
        ({"format": 2}, "Expected a recipe of format 1"),
        ({"weights": [1]}, "damaged"),
        ({"models": "sea"}, "damaged"),
        ({"kept": 5}, "damaged"),
        ({"tokens": "sea"}, "damaged"),
        ({"weights": {"law": 1}}, "names 'law'; the layers are sea, lullabies, off"),
        ({"models": {"law": "3f"}}, "names 'law'"),
        ({"weights": {"sea": "loud"}}, "'sea' must be"),
        ({"weights": {"sea": 0, "lullabies": 0, "off": 0}}, "All weights are zero"),
        ({"pool": "harmonic"}, "Unknown pool 'harmonic'"),
        ({"prompt": 5}, "prompt of the recipe must be text"),
        ({"temperature": -1}, "temperature"),
        ({"seed": 0.5}, "seed"),
        ({"stop": [""]}, "stop"),
        ({"stop": 5}, "stop"),
        ({"tokens": [10**9]}, "outside 0"),
        ({"tokens": ["a"]}, "[Ii]nteger"),
        ({"kept": [-1]}, "outside 0"),
        ({"kept": [None]}, "Expected a token"),
        ({"token": "no such piece"}, "no piece"),
    ],
)
def test_what_is_no_recipe_of_these_models_is_refused(mix: Layered, change: dict[str, Any], message: str) -> None:
    recipe = mix.generate("At night the", SETTINGS).recipe
    with pytest.raises(InputError, match=message):
        replay({**recipe, **change}, mix)


@pytest.mark.parametrize("models", [None, {}, {"sea": "model"}, [1]])
def test_what_are_no_models_is_refused(mix: Layered, models: Any) -> None:
    with pytest.raises(InputError, match="Expected a m"):
        replay(mix.generate("At", SETTINGS).recipe, models)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"polyloom": "recipe", "format": 9}', b"[" * 9999]
)
def test_a_file_that_holds_none_is_refused(tmp_path: Path, mix: Layered, content: bytes) -> None:
    path = tmp_path / "x.recipe.json"
    path.write_bytes(content)
    with pytest.raises(FileError, match="holds no recipe that can be read") as caught:
        replay(path, mix)
    assert str(path) in str(caught.value)


def test_saving_what_is_none_leaves_what_was_there(tmp_path: Path, mix: Layered) -> None:
    path = mix.generate("At", SETTINGS).save_recipe(tmp_path / "x.recipe.json")
    before = path.read_bytes()
    for wrong in ({}, {**open_recipe(path), "weights": {"sea": float("nan")}}):
        with pytest.raises(ValueError, match=r"recipe|compliant"):
            save_recipe(wrong, path)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == [path.name]
