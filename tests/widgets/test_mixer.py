"""The desk's state in Python: steps, undo, pin, presets, the model, and what may be put on a desk at all."""

from typing import Any

import pytest

import polyloom
from polyloom import InputError, Layer, Layered
from polyloom.compose.weave import HeldOut
from polyloom_widgets import Mixer
from polyloom_widgets.mixer.step import KEPT, Step, effective, following, plain
from widgets.talk import Page, state


def turned(desk: Mixer, **weights: float) -> Step:
    """The step on the desk with some weights changed."""
    given = [weights.get(name, old) for name, old in zip(desk.mix.layers, desk.step["weights"], strict=True)]
    return {**desk.step, "weights": given}


def move(page: Page, **weights: float) -> None:
    """Let a fader go, as the page does: the steps after the cursor are cut, one is appended."""
    desk = page.desk
    steps = [*desk.steps[: desk.cursor + 1], turned(desk, **weights)]
    assert page.report(steps=steps, cursor=len(steps) - 1) == []


def test_a_new_desk_stands_where_the_mix_does(mix: Layered, held_out: HeldOut) -> None:
    louder = mix.with_weights(sea=2.0)
    desk = Mixer(louder, held_out=held_out)
    assert desk.model is louder
    assert desk.weights == {"sea": 2.0, "kitchen": 1.0, "lullabies": 1.0}
    assert (desk.steps, desk.cursor, desk.pinned) == ([plain([2, 1, 1])], 0, [2, 1, 1])
    assert [layer["name"] for layer in desk.layers] == ["sea", "kitchen", "lullabies"]
    assert [layer["start"] for layer in desk.layers] == [2, 1, 1]


def test_a_released_fader_is_the_model(page: Page, mix: Layered) -> None:
    desk, seen = page.desk, list[Any]()
    desk.observe(lambda change: seen.append(change["new"]), "model")
    move(page, sea=2.0)
    assert isinstance(desk.model, Layered)
    assert desk.model.weights == {"sea": 2.0, "kitchen": 1.0, "lullabies": 1.0}
    assert seen == [desk.model]
    assert desk.model.models == mix.models, "members are shared"
    assert mix.weights == {"sea": 1.0, "kitchen": 1.0, "lullabies": 1.0}, "a mix is a value"


def test_undo_and_redo_walk_and_a_new_step_cuts(page: Page) -> None:
    desk = page.desk
    move(page, sea=2.0)
    move(page, kitchen=3.0)
    desk.undo()
    assert (desk.cursor, desk.weights["kitchen"], desk.weights["sea"]) == (1, 1.0, 2.0)
    assert desk.mix.weights["kitchen"] == 1.0
    desk.undo()
    desk.undo()
    assert (desk.cursor, desk.weights["sea"]) == (0, 1.0)
    desk.redo()
    assert desk.mix.weights["sea"] == 2.0
    move(page, lullabies=0.5)
    assert len(desk.steps) == 3
    desk.redo()
    assert desk.weights == {"sea": 2.0, "kitchen": 1.0, "lullabies": 0.5}


def test_history_keeps_the_latest(page: Page) -> None:
    desk = page.desk
    steps = [turned(desk, sea=n / 100) for n in range(KEPT + 50)]
    page.report(steps=steps, cursor=KEPT - 1)
    assert len(desk.steps) == KEPT
    assert desk.weights["sea"] == (KEPT + 49) / 100
    desk.cursor = 10_000
    assert desk.step == desk.steps[-1]


def test_pin_compares_with_the_present_mix(page: Page) -> None:
    desk = page.desk
    move(page, sea=3.0)
    assert desk.exact is not None
    assert desk.exact["change"] != 0
    desk.pin()
    assert desk.pinned == [3.0, 1.0, 1.0]
    assert desk.exact["change"] == desk.exact["half"] == 0
    assert desk.exact["pinned_perplexity"] == desk.exact["perplexity"]


@pytest.mark.parametrize(
    ("muted", "soloed", "sounding"),
    [
        ([0, 0, 0], [0, 0, 0], [1, 2, 3]),
        ([1, 0, 0], [0, 0, 0], [0, 2, 3]),
        ([0, 0, 0], [0, 1, 0], [0, 2, 0]),
        ([0, 0, 0], [1, 1, 0], [1, 2, 0]),
        ([0, 1, 0], [0, 1, 0], [0, 0, 0]),
        ([1, 1, 1], [0, 0, 0], [0, 0, 0]),
    ],
)
def test_who_sounds(desk: Mixer, muted: list[int], soloed: list[int], sounding: list[float]) -> None:
    step: Step = {"weights": [1, 2, 3], "muted": list(map(bool, muted)), "soloed": list(map(bool, soloed))}
    assert effective(step) == sounding
    desk.steps = [step]
    assert list(desk.weights.values()) == sounding
    if any(sounding):
        assert list(desk.mix.weights.values()) == sounding


def test_when_all_are_muted_the_last_mix_stays_without_figures(page: Page) -> None:
    desk = page.desk
    move(page, sea=2.0)
    last = desk.model
    page.report(steps=[*desk.steps, {**desk.step, "muted": [True] * 3}], cursor=2)
    assert desk.model is last
    assert desk.exact is None
    assert "perplexity" not in repr(desk)
    assert desk._repr_mimebundle_()[0]["text/html"]
    desk.undo()
    assert desk.exact is not None
    assert desk.model is not None


def test_a_pin_of_silence_is_harmless(page: Page) -> None:
    assert page.report(pinned=[0, 0, 0]) == []
    assert page.desk.exact is not None


def test_presets_are_mixes_of_this_desk(mix: Layered, held_out: HeldOut) -> None:
    desk = Mixer(mix.with_weights(sea=2.0), held_out=held_out)
    assert {preset["name"]: preset["weights"] for preset in desk.presets} == {
        "start": [2, 1, 1],
        "all equal": [1, 1, 1],
        "only sea": [1, 0, 0],
        "only kitchen": [0, 1, 0],
        "only lullabies": [0, 0, 1],
    }


def test_setting_the_model_with_the_same_members_is_one_step(desk: Mixer, mix: Layered) -> None:
    louder = mix.with_weights(sea=2.0)
    desk.model = louder
    assert desk.model is louder
    assert (len(desk.steps), desk.cursor) == (2, 1)
    desk.undo()
    assert desk.mix.weights == mix.weights


def test_setting_other_members_lays_the_desk_out_anew(page: Page, mix: Layered) -> None:
    desk = page.desk
    move(page, sea=2.0)
    models = mix.models
    desk.model = Layered(models["sea"], {"kitchen": Layer(models["kitchen"], 0.5)}, name="sea")
    assert [layer["name"] for layer in desk.layers] == ["sea", "kitchen"]
    assert (len(desk.steps), desk.cursor, desk.pinned) == (1, 0, [1.0, 0.5])
    assert desk.exact is not None
    assert len(desk.exact["bars"][0]["parts"]) == 2
    assert desk.exact["perplexity"] > 1


def test_a_mix_in_another_vocabulary_is_refused(desk: Mixer, mix: Layered) -> None:
    other, _ = polyloom.weave({"a": "One two. Three four. Five six."}, progress=False)
    before = state(desk)
    with pytest.raises(InputError, match="Make a new desk"):
        desk.model = other
    assert state(desk) == before


def test_a_muted_layer_stays_muted_when_others_move(page: Page) -> None:
    desk = page.desk
    move(page, kitchen=1.5)
    page.report(steps=[*desk.steps, {**desk.step, "muted": [False, True, False]}], cursor=2)
    assert desk.mix.weights == {"sea": 1.0, "kitchen": 0.0, "lullabies": 1.0}
    desk.model = desk.mix.with_weights(sea=2.0)
    assert desk.step == {"weights": [2.0, 1.5, 1.0], "muted": [False, True, False], "soloed": [False] * 3}
    desk.model = desk.mix.with_weights(kitchen=0.25)
    assert desk.step == plain([2.0, 0.25, 1.0]), "raised from Python, it sounds"


def test_following_by_hand() -> None:
    solo: Step = {"weights": [1, 2, 3], "muted": [False] * 3, "soloed": [True, False, False]}
    assert following(solo, [4, 0, 0]) == {**solo, "weights": [4, 2, 3]}
    assert following(solo, [4, 0, 1]) == plain([4, 0, 1])
    assert following(plain([1, 2, 3]), [0, 2, 3]) == plain([0, 2, 3])


def test_fit_is_one_step_and_the_best_there_is(page: Page, held_out: HeldOut) -> None:
    desk = page.desk
    assert page.ask({"op": "fit", "id": 5}) == {"op": "fit", "id": 5}
    assert desk.busy == ""
    assert len(desk.steps) == 2
    fitted = desk.mix.perplexity(held_out)
    for name in desk.mix.layers:
        for factor in (0.9, 1.1):
            assert desk.mix.with_weights(**{name: factor * desk.mix.weights[name]}).perplexity(held_out) >= fitted


def test_one_model_is_a_mix_of_one(mix: Layered, held_out: HeldOut) -> None:
    alone = mix.models["sea"]
    desk = Mixer(alone, prompt="At night the", held_out=held_out)
    assert [layer["name"] for layer in desk.layers] == ["model"]
    assert desk.exact is not None
    assert desk.exact["perplexity"] == pytest.approx(alone.perplexity(held_out), rel=1e-12)
    desk.steps = [*desk.steps, plain([0.0])]
    desk.cursor = 1
    assert desk.exact is None


def test_an_empty_desk_waits(mix: Layered) -> None:
    desk = Mixer()
    page = Page(desk)
    assert repr(desk) == "Mixer(empty)"
    assert "Mixer(mix" in desk._repr_mimebundle_()[0]["text/html"]
    for op in ("receipt", "generate", "fit"):
        assert page.ask({"op": op, "id": 1})["error"]
    with pytest.raises(InputError, match="nothing to export"):
        desk.to_html("nowhere.html")
    with pytest.raises(InputError, match=r"desk\.model = mix"):
        _ = desk.mix
    desk.prompt = "At night the"
    desk.model = mix
    assert desk.bars["before"] == "At night the"


@pytest.mark.parametrize(
    ("mix", "prompt", "held_out", "message"),
    [
        (("mix", "held_out"), "", None, "weave gives two things"),
        ("mix", "", None, "got str"),
        (3, "", None, "got int"),
        (None, 5, None, "prompt as text"),
    ],
)
def test_what_cannot_be_put_on_a_desk(mix: Any, prompt: Any, held_out: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Mixer(mix, prompt=prompt, held_out=held_out)


def test_a_desk_that_could_not_be_laid_out_leaves_nothing(mix: Layered) -> None:
    from ipywidgets.widgets.widget import _instances

    before = len(_instances)
    with pytest.raises(InputError):
        Mixer(mix, held_out=[5])
    assert len(_instances) == before


def test_a_desk_can_be_emptied_and_filled_again(woven: tuple[Layered, HeldOut]) -> None:
    mix, held_out = woven
    desk = Mixer(mix, held_out=held_out)
    desk.model = None
    desk.model = mix
    assert desk.weights == mix.weights
    desk.close()


def test_very_large_weights_are_proportions_like_others(woven: tuple[Layered, HeldOut]) -> None:
    mix, held_out = woven
    desk = Mixer(mix.with_weights(dict.fromkeys(mix.layers, 1e308)), held_out=held_out)
    assert desk.exact["perplexity"] == pytest.approx(mix.perplexity(held_out))
    desk.close()


def test_a_cursor_out_of_range_is_the_nearest_step(woven: tuple[Layered, HeldOut]) -> None:
    mix, _ = woven
    desk = Mixer(mix)
    desk.model = mix.with_weights({"sea": 3})
    desk.cursor = 99
    desk.undo()
    assert (desk.cursor, desk.weights["sea"]) == (0, 1)
    desk.close()


def test_words_that_nobody_knows_are_named(woven: tuple[Layered, HeldOut]) -> None:
    desk = Mixer(woven[0], prompt="At night the zyx, the ploo and the zyx")
    assert desk.bars["unknown"] == ["zyx", "ploo"]
    desk.prompt = "At night the"
    assert desk.bars["unknown"] == []
    desk.close()
