"""What the page is told when it asks: receipts, generated text, and a clear refusal of what is no question or state."""

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

from polyloom import InputError, Layer, Layered, Sampling
from polyloom.compose.recipe import replay
from polyloom_widgets import Mixer
from polyloom_widgets.mixer.step import plain
from widgets.talk import Page, state

NAN, INFINITY = math.nan, math.inf


def walk(term: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield term
    for below in term.get("terms", []):
        yield from walk(below)


def first_bars(desk: Mixer, count: int) -> list[int]:
    assert desk.exact is not None
    return [bar["token"] for bar in desk.exact["bars"][:count]]


def test_a_receipt_sums_at_every_level(page: Page, mix: Layered) -> None:
    desk = page.desk
    for token in first_bars(desk, 10):
        answer = page.ask({"op": "receipt", "id": 3, "token": token, "key": desk.bars["key"]})
        assert (answer["op"], answer["id"], answer["piece"]) == ("receipt", 3, mix.vocabulary.pieces[token])
        assert [layer["name"] for layer in answer["layers"]] == list(mix.layers)
        for layer, model in zip(answer["layers"], mix.models.values(), strict=True):
            p = math.exp(model.begin("At night the").distribution()[token])
            assert layer["p"] == pytest.approx(p, rel=1e-9)
            assert math.fsum(term["value"] for term in layer["terms"]) == pytest.approx(layer["p"], abs=1e-9)
            for term in [below for top in layer["terms"] for below in walk(top)]:
                if term["terms"]:
                    parts = math.fsum(below["value"] for below in term["terms"])
                    assert parts == pytest.approx(term["value"], abs=1e-9)


def test_training_lines_hold_the_word_and_name_their_source(page: Page, mix: Layered) -> None:
    desk = page.desk
    seen = 0
    for token in first_bars(desk, 5):
        answer = page.ask({"op": "receipt", "id": 1, "token": token, "key": desk.bars["key"]})
        for layer in answer["layers"]:
            for line in [x for top in layer["terms"] for term in walk(top) for x in term["lines"]]:
                seen += 1
                assert line["word"].strip() == answer["piece"]
                assert line["source"].startswith(f"{layer['name']}, document ")
    assert seen > 10


def test_a_receipt_of_another_text_is_not_given(page: Page) -> None:
    key = page.desk.bars["key"]
    page.report(prompt="In the morning the")
    answer = page.ask({"op": "receipt", "id": 1, "token": 5, "key": key})
    assert "click the word again" in answer["error"]


def test_generated_pieces_join_to_the_text_and_follow_the_seed(page: Page) -> None:
    desk = page.desk
    page.report(sampling={"temperature": 0.8, "seed": 11})
    answer = page.ask({"op": "generate", "id": 1})
    wanted = desk.mix.generate("At night the", Sampling(temperature=0.8, seed=11, max_tokens=40))
    assert answer["text"] == wanted.text
    assert "".join(piece["text"] for piece in answer["pieces"]).strip() == wanted.text
    names = list(desk.mix.layers)
    for piece, step in zip(answer["pieces"], wanted.steps, strict=True):
        assert names[piece["layer"]] == step.loudest
        assert 1 / len(names) <= piece["share"] <= 1
    assert page.ask({"op": "generate", "id": 2})["text"] == wanted.text
    page.report(sampling={"temperature": 0.8, "seed": 12})
    assert page.ask({"op": "generate", "id": 3})["text"] != wanted.text


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"op": "format_disk", "id": 1}, "does not know 'format_disk'"),
        ({"op": "__init__", "id": 1}, "does not know '__init__'"),
        ({"op": None, "id": 1}, "does not know None"),
        ({"op": ["receipt"], "id": 1}, "does not know"),
        ({"id": 1}, "does not know None"),
        ([1, 2], "does not know None"),
        ("receipt", "does not know None"),
        (None, "does not know None"),
        ({"op": "receipt"}, "click the word again"),
        ({"op": "receipt", "id": 1, "key": 1}, "Expected the id of a token, got None"),
        ({"op": "receipt", "id": 1, "key": 1, "token": "moon"}, "Expected the id of a token, got 'moon'"),
        ({"op": "receipt", "id": 1, "key": 1, "token": 1.5}, "got 1.5"),
        ({"op": "receipt", "id": 1, "key": 1, "token": True}, "got True"),
        ({"op": "receipt", "id": 1, "key": 1, "token": -1}, "outside 0"),
        ({"op": "receipt", "id": 1, "key": 1, "token": 10**30}, "outside 0"),
        ({"op": "receipt", "id": 1, "key": "1", "token": 5}, "click the word again"),
    ],
)
def test_a_strange_question_gets_a_clear_answer(page: Page, question: Any, message: str) -> None:
    before = state(page.desk)
    answer = page.ask(question)
    assert message in answer["error"]
    assert answer["id"] == (question.get("id") if isinstance(question, dict) else None)
    assert state(page.desk) == before


GOOD = plain([1, 2, 3])


@pytest.mark.parametrize(
    ("traits", "message"),
    [
        ({"steps": [plain([1, 2])], "cursor": 0}, "each of 3 layers"),
        ({"steps": [plain([1, 2, 3, 4])], "cursor": 0}, "each of 3 layers"),
        ({"steps": [{**GOOD, "weights": [1, NAN, 1]}], "cursor": 0}, "got nan"),
        ({"steps": [{**GOOD, "weights": [1, INFINITY, 1]}], "cursor": 0}, "got inf"),
        ({"steps": [{**GOOD, "weights": [1, -0.5, 1]}], "cursor": 0}, "got -0.5"),
        ({"steps": [{**GOOD, "weights": [1, "2", 1]}], "cursor": 0}, "got '2'"),
        ({"steps": [{**GOOD, "weights": [1, None, 1]}], "cursor": 0}, "got None"),
        ({"steps": [{**GOOD, "weights": [5, True, 1]}], "cursor": 0}, "got True"),
        ({"steps": [{**GOOD, "weights": "abc"}], "cursor": 0}, "'weights' as a list"),
        ({"steps": [{**GOOD, "muted": [False]}], "cursor": 0}, "'muted' as a list"),
        ({"steps": [{"weights": [1, 2, 3], "muted": [False] * 3}], "cursor": 0}, "'soloed' as a list"),
        ({"steps": [GOOD, 7], "cursor": 1}, "got int"),
        ({"steps": [], "cursor": 0}, "at least one step"),
        ({"steps": "steps", "cursor": 0}, "got str"),
        ({"steps": [GOOD], "cursor": "first"}, "'cursor' trait"),
        ({"cursor": None}, "'cursor' trait"),
        ({"pinned": [1, 2]}, "each of 3 layers"),
        ({"pinned": [1, NAN, 2]}, "got nan"),
        ({"pinned": 5}, "'pinned' trait"),
        ({"prompt": 5}, "'prompt' trait"),
        ({"prompt": None}, "'prompt' trait"),
        ({"place": 1.5}, "'place' trait"),
        ({"place": "next"}, "'place' trait"),
        ({"sampling": {"temperature": -1, "seed": 1}}, "temperature"),
        ({"sampling": {"temperature": NAN, "seed": 1}}, "temperature"),
        ({"sampling": {"temperature": "hot", "seed": 1}}, "got 'hot'"),
        ({"sampling": {"temperature": 1, "seed": 1.5}}, "got 1.5"),
        ({"sampling": {"temperature": 1, "seed": -1}}, "seed"),
        ({"sampling": {"temperature": 1}}, "got None"),
        ({"sampling": []}, "'sampling' trait"),
        ({"layers": []}, "may not set layers"),
        ({"exact": None, "prompt": "x"}, "may not set exact"),
        ({"model": None}, "may not set model"),
        ({"_esm": "alert(1)"}, "may not set _esm"),
        ({"prompt": "good", "pinned": [1]}, "each of 3 layers"),
    ],
)
def test_a_strange_report_changes_nothing_and_is_taken_back(page: Page, traits: Any, message: str) -> None:
    desk = page.desk
    before = state(desk)
    (error,) = page.report(**traits)
    assert message in error
    assert state(desk) == before
    sent = page.updates()
    for name in traits.keys() & set(desk.keys):
        assert sent[name] == before[name], "the page gets the old value again"
    assert page.report(prompt="In the morning the") == [], "and the desk goes on"
    assert desk.bars["before"] == "In the morning the"


def test_a_recipe_comes_back_through_json(desk: Mixer, mix: Layered) -> None:
    step = {"weights": [0.5, 2.25, 1.0], "muted": [False, True, False], "soloed": [True, True, False]}
    desk.steps = [*desk.steps, step]
    desk.cursor = 1
    desk.prompt = 'In the "morning" the 🌊'
    desk.sampling = {"temperature": 0.7, "seed": 9}
    recipe = json.loads(json.dumps(desk.to_recipe()))
    assert recipe["models"] == {name: model.digest for name, model in mix.models.items()}
    other = Mixer(mix, prompt="At night the")
    other.restore(recipe)
    assert other.step == desk.step
    assert (other.prompt, other.sampling) == (desk.prompt, desk.sampling)
    assert other.mix.weights == desk.mix.weights
    assert other.bars["before"] == desk.bars["before"]
    other.undo()
    assert other.mix.weights == mix.weights


def test_a_short_recipe_keeps_the_rest(desk: Mixer) -> None:
    desk.restore({"polyloom": "recipe", "format": 1, "weights": {"kitchen": 3}})
    assert desk.weights == {"sea": 1.0, "kitchen": 3.0, "lullabies": 1.0}
    assert desk.prompt == "At night the"


def test_a_recipe_of_a_prompt_leaves_the_held_out_text(desk: Mixer) -> None:
    recipe = desk.to_recipe()
    desk.place = 3
    desk.restore(recipe)
    assert desk.place == -1
    assert desk.bars["before"] == "At night the"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"polyloom": "no"}, "format 1"),
        ({"format": 2}, "format 1"),
        ({"weights": {"moon": 1}}, "names 'moon'; the layers are sea, kitchen, lullabies"),
        ({"weights": {"sea": -1}}, "got -1"),
        ({"weights": {"sea": "1"}}, "got '1'"),
        ({"weights": {"sea": NAN}}, "got nan"),
        ({"weights": [1, 2, 3]}, "damaged"),
        ({"muted": "sea"}, "damaged"),
        ({"soloed": [1]}, "names 1"),
        ({"soloed": [{}]}, "names {}"),
        ({"prompt": 5}, "prompt of the recipe"),
        ({"models": {"sea": "0" * 64}}, "made with another 'sea'"),
        ({"models": {"moon": "0" * 64}}, "names 'moon'"),
        ({"models": "sea"}, "damaged"),
        ({"pool": "log"}, "recipe is of a log pool; the mix on this desk is a linear pool"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": -1}, "temperature"),
        ({"seed": 0.5}, "seed"),
    ],
)
def test_a_recipe_that_is_none_changes_nothing(desk: Mixer, change: dict[str, Any], message: str) -> None:
    before = state(desk)
    with pytest.raises(InputError, match=message):
        desk.restore({**desk.to_recipe(), "weights": {"sea": 2}, **change})
    assert state(desk) == before


def test_a_desk_and_a_generation_read_each_others_recipes(page: Page, mix: Layered) -> None:
    desk = page.desk
    page.report(sampling={"temperature": 0.8, "seed": 11})
    desk.model = mix.with_weights(sea=2.5)
    assert replay(json.loads(json.dumps(desk.to_recipe())), mix).text == page.ask({"op": "generate"})["text"]
    written = mix.with_weights(kitchen=0.25).generate("In the morning", Sampling(0.7, seed=5, max_tokens=9))
    desk.restore(written.recipe)
    assert desk.weights == {"sea": 1.0, "kitchen": 0.25, "lullabies": 1.0}
    assert (desk.prompt, desk.sampling) == ("In the morning", {"temperature": 0.7, "seed": 5})


def test_a_log_pool_stands_on_a_desk_as_one_layer(mix: Layered) -> None:
    """The desk's own arithmetic is that of a linear pool; a layer may be anything that has an account."""
    names = list(mix.models)
    others = {name: Layer(mix.models[name], 0.5) for name in names[1:]}
    pool = Layered(mix.models[names[0]], others, "log", name=names[0])
    with pytest.raises(InputError, match="as one layer"):
        Mixer(pool)
    page = Page(Mixer(Layered(pool, {"sea": Layer(mix.models["sea"])}, name="pool"), prompt="At night the"))
    token = first_bars(page.desk, 1)[0]
    answer = page.ask({"op": "receipt", "id": 1, "token": token, "key": page.desk.bars["key"]})
    ours, theirs = answer["layers"]
    assert ours["p"] == pytest.approx(math.exp(pool.begin("At night the").distribution()[token]))
    (term,) = ours["terms"]
    assert (term["name"], term["value"], term["terms"]) == ("log pool", ours["p"], [])
    assert term["detail"].startswith("ln p = -")
    assert math.fsum(below["value"] for below in theirs["terms"]) == pytest.approx(theirs["p"])


@pytest.mark.parametrize("recipe", [None, "recipe", 5, [1], {}])
def test_what_is_no_recipe_at_all(desk: Mixer, recipe: Any) -> None:
    with pytest.raises(InputError, match="Expected a recipe"):
        desk.restore(recipe)
