"""The desk's exact figures against a recomputation that knows nothing of how the desk keeps them."""

from typing import Any

import numpy as np
import pytest

from polyloom import InputError, Layered
from polyloom.compose.weave import HeldOut
from polyloom.documents import Ids
from polyloom_widgets import Mixer
from polyloom_widgets.mixer.score import HeldOut as Judge
from polyloom_widgets.mixer.step import plain


def naive(now: Layered, pinned: Layered, held_out: HeldOut) -> dict[str, Any]:
    """Perplexities from `perplexity` itself; the interval from its formula, document by document."""
    documents = [tokens for texts in held_out.values() for tokens in texts]
    gained = [now.log_likelihood(tokens) - pinned.log_likelihood(tokens) for tokens in documents]
    mean = np.concatenate(gained).mean()
    count = sum(map(len, gained))
    error = np.sqrt(sum((d - mean).sum() ** 2 for d in gained)) / count
    ratio = np.exp(-mean)
    return {
        "perplexity": now.perplexity(held_out),
        "pinned_perplexity": pinned.perplexity(held_out),
        "change": 100 * (now.perplexity(held_out) / pinned.perplexity(held_out) - 1),
        "half": 1.96 * error * ratio * 100,
        "slices": [(n, now.perplexity(texts), pinned.perplexity(texts)) for n, texts in held_out.items()],
    }


def bars(now: Layered, prompt: str) -> list[tuple[str, float]]:
    return now.predict(prompt, k=10)


@pytest.mark.parametrize("seed", range(12))
def test_every_figure_is_that_of_the_models(mix: Layered, held_out: HeldOut, seed: int) -> None:
    rng = np.random.default_rng(seed)
    now, pinned = (mix.with_weights(**dict(zip(mix.layers, rng.uniform(0, 3, 3), strict=True))) for _ in range(2))
    desk = Mixer(pinned, prompt="In the morning the", held_out=held_out)
    desk.model = now
    exact, wanted = desk.exact, naive(now, pinned, held_out)
    assert exact is not None
    for name in ("perplexity", "pinned_perplexity", "change", "half"):
        assert exact[name] == pytest.approx(wanted[name], rel=1e-9), name
    for found, (name, ours, theirs) in zip(exact["slices"], wanted["slices"], strict=True):
        assert found["name"] == name
        assert (found["now"], found["pinned"]) == pytest.approx((ours, theirs), rel=1e-9)
    shown = [(mix.vocabulary.pieces[bar["token"]], bar["p"]) for bar in exact["bars"]]
    assert [piece for piece, _ in shown] == [piece for piece, _ in bars(now, "In the morning the")]
    assert [p for _, p in shown] == pytest.approx([p for _, p in bars(now, "In the morning the")], rel=1e-9)
    for bar in exact["bars"]:
        assert sum(bar["parts"]) == pytest.approx(bar["p"], rel=1e-12)


def test_the_arrays_of_the_page_are_the_models(desk: Mixer, mix: Layered, held_out: HeldOut) -> None:
    rows = np.frombuffer(desk.score_p, "<f4").reshape(3, -1)
    documents = [tokens for texts in held_out.values() for tokens in texts]
    for row, model in zip(rows, mix.models.values(), strict=True):
        np.testing.assert_allclose(row, np.exp(np.concatenate(list(map(model.log_likelihood, documents)))), rtol=1e-6)
    blocks = np.frombuffer(desk.score_blocks, "<i4")
    assert np.bincount(blocks).tolist() == [len(tokens) for tokens in documents]
    listed = np.frombuffer(desk.bars_p, "<f4").reshape(3, -1)
    for row, model in zip(listed, mix.models.values(), strict=True):
        p = np.exp(model.begin("At night the").distribution())
        np.testing.assert_allclose(row, p[desk.bars["tokens"]], rtol=1e-6)
    for rest, model in zip(desk.bars["rest"], mix.models.values(), strict=True):
        p = np.exp(model.begin("At night the").distribution())
        assert rest == pytest.approx(np.delete(p, desk.bars["tokens"]).max(), rel=1e-12)


def test_a_worked_interval() -> None:
    """Two documents of one token each gain +1 and −1 (in ln p): mean 0, half = 1.96 · √2 / 2 = 138.6 %."""
    chance = np.array([[1, 1 / np.e], [1 / np.e, 1]])
    judge = Judge((), ("all",), ((0, 2),), (np.zeros(1, int), np.zeros(1, int)), np.array([0, 1], np.int32), chance)
    figures = judge.figures(np.array([1.0, 0]), np.array([0, 1.0]))
    assert figures["change"] == pytest.approx(0)
    assert figures["half"] == pytest.approx(196 * np.sqrt(2) / 2)
    together = Judge((), ("all",), ((0, 2),), (np.zeros(2, int),), np.array([0, 0], np.int32), chance)
    assert together.figures(np.array([1.0, 0]), np.array([0, 1.0]))["half"] == pytest.approx(0)


def texts(held_out: HeldOut) -> list[Ids]:
    return [tokens for named in held_out.values() for tokens in named]


@pytest.mark.parametrize("form", ["mapping", "list", "text", "array"])
def test_forms_of_held_out_text(mix: Layered, held_out: HeldOut, form: str) -> None:
    given: dict[str, Any] = {
        "mapping": held_out,
        "list": texts(held_out),
        "text": "At night the tide comes in.",
        "array": texts(held_out)[0],
    }
    desk = Mixer(mix, held_out=given[form])
    assert desk.exact is not None
    assert desk.exact["perplexity"] == pytest.approx(mix.perplexity(given[form]), rel=1e-12)
    names = [found["name"] for found in desk.exact["slices"]]
    assert names == (list(held_out) if form == "mapping" else ["held out"])


@pytest.mark.parametrize("empty", [None, [], {}, {"sea": []}, {"sea": [], "kitchen": [""]}, "", [np.empty(0, int)]])
def test_without_held_out_text_there_is_no_score(mix: Layered, empty: Any) -> None:
    desk = Mixer(mix, prompt="At night the", held_out=empty)
    assert desk.score == {"slices": [], "positions": 0, "total": 0, "places": 0}
    assert desk.exact is not None
    assert desk.exact["slices"] == []
    assert "perplexity" not in repr(desk)
    desk.place = 0
    assert desk.place == -1
    with pytest.raises(InputError, match="held_out=held_out"):
        desk.fit()


def test_an_empty_slice_among_full_ones_is_left_out(mix: Layered, held_out: HeldOut) -> None:
    desk = Mixer(mix, held_out={"none": [], **held_out})
    assert [slice["name"] for slice in desk.score["slices"]] == list(held_out)
    assert desk.exact is not None
    assert [slice["name"] for slice in desk.exact["slices"]] == list(held_out)
    assert desk.exact["perplexity"] == pytest.approx(mix.perplexity(held_out), rel=1e-12)


def test_a_large_text_is_sampled_for_the_page_and_whole_in_python(mix: Layered, held_out: HeldOut) -> None:
    whole = {name: [*found] * 6 for name, found in held_out.items()}
    desk = Mixer(mix, held_out=whole)
    count, total = desk.score["positions"], desk.score["total"]
    assert 1000 < count <= 4096 < total == sum(map(len, texts(whole)))
    assert len(desk.score_p) == 4 * 3 * count
    assert len(desk.score_blocks) == 4 * count
    assert [slice["name"] for slice in desk.score["slices"]] == list(held_out)
    assert desk.score["slices"][-1]["stop"] == count
    assert desk.exact is not None
    assert desk.exact["perplexity"] == pytest.approx(mix.perplexity(held_out), rel=1e-9)


def test_stepping_through_the_held_out_text(mix: Layered, held_out: HeldOut, desk: Mixer) -> None:
    documents = texts(held_out)
    first = len(documents[0])
    for place, tokens, at in [(0, documents[0], 0), (5, documents[0], 5), (first, documents[1], 0)]:
        desk.place = place
        assert desk.bars["before"] == mix.vocabulary.decode(tokens[:at])
        assert desk.bars["actual_piece"] == mix.vocabulary.pieces[tokens[at]]
        assert desk.exact is not None
        p = mix.begin(tokens[:at]).distribution()
        assert desk.exact["actual_rank"] == 1 + int((p > p[tokens[at]]).sum())
        if desk.bars["actual"] >= 0:
            assert desk.bars["tokens"][desk.bars["actual"]] == tokens[at]
    last = sum(map(len, documents)) - 1
    desk.place = last
    assert desk.place == last
    assert desk.bars["actual_piece"] == "</s>"
    desk.place = last + 1
    assert desk.place == -1, "past the end is the own prompt"
    assert desk.bars["before"] == "At night the"
    assert desk.bars["actual_piece"] is None


def test_every_place_gives_the_probability_that_the_score_counts(mix: Layered, held_out: HeldOut, desk: Mixer) -> None:
    """The bars and the score are two readings of the same numbers."""
    rows = np.frombuffer(desk.score_p, "<f4").reshape(3, -1).astype(float).mean(0)
    for place in range(0, desk.score["places"], 97):
        desk.place = place
        tokens = texts(held_out)
        documents = np.concatenate(tokens)
        assert desk._bars is not None
        assert desk._bars.chance.mean(0)[documents[place]] == pytest.approx(rows[place], rel=1e-6)


def test_a_typed_prompt_leaves_the_held_out_text(desk: Mixer) -> None:
    desk.place = 7
    key = desk.bars["key"]
    desk.prompt = "In the morning the"
    assert desk.place == -1
    assert desk.bars["before"] == "In the morning the"
    assert desk.bars["key"] > key
    assert desk.exact is not None
    assert desk.exact["key"] == desk.bars["key"]


@pytest.mark.parametrize("prompt", ["", " ", "zxqv", "🌊", "At night the 🌊 zxqv", "\n\n", "<unk> </s>", "a" * 5000])
def test_any_prompt_has_a_next_word(desk: Mixer, prompt: str) -> None:
    desk.prompt = prompt
    assert desk.error == ""
    assert desk.exact is not None
    assert desk.exact["key"] == desk.bars["key"]
    assert len(desk.exact["bars"]) == 10
    assert desk._repr_mimebundle_()[0]["text/html"]


def test_a_prompt_that_the_vocabulary_cannot_read_keeps_the_last_picture(mix: Layered) -> None:
    import polyloom

    words = polyloom.WordVocabulary(["</s>", "the", "tide", "moon", "."])
    closed = polyloom.AssociationModel.fit(["the tide . the moon ."], words)
    desk = Mixer(closed, prompt="the")
    before = desk.bars, desk.exact
    desk.prompt = "the zebra"
    assert "'zebra'" in desk.error
    assert (desk.bars, desk.exact) == before
    desk.prompt = "the tide"
    assert desk.error == ""
    assert desk.bars["before"] == "the tide"


def test_the_temperature_changes_no_figure(desk: Mixer) -> None:
    before = desk.exact
    desk.sampling = {"temperature": 0.1, "seed": 4}
    assert desk.exact == before
    desk.steps = [*desk.steps, plain([2, 1, 1])]
    desk.cursor = 1
    warm = desk.exact
    desk.sampling = {"temperature": 2.0, "seed": 4}
    assert desk.exact == warm
