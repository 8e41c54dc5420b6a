"""The view of attention: what it reads, what it draws, what silencing a head does, bertviz's calls, its other forms."""

import json
from bisect import bisect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyloom import AssociationModel, ByteVocabulary, InputError
from polyloom.transformer.config import Attention, TransformerConfig
from polyloom.transformer.model import TransformerModel
from polyloom_widgets import AttentionView, head_view, model_view
from polyloom_widgets.attention.pictures import cells, figures, picture, rollout, thumbs
from polyloom_widgets.attention.reading import from_arrays, read
from widgets.talk import Page

TEXT = "the cat sat on the mat"
WORDS = TEXT.split()
LAYERS, HEADS = 3, 4


@pytest.fixture(scope="module")
def model() -> TransformerModel:
    config = TransformerConfig(257, width=32, layers=LAYERS, context=64, attention=Attention(heads=HEADS, kv_heads=2))
    return TransformerModel.build(config, ByteVocabulary(), seed=3)


@pytest.fixture
def view(model: TransformerModel) -> AttentionView:
    return AttentionView(model, TEXT)


def causal(layers: int, heads: int, size: int, seed: int = 0) -> np.ndarray:
    """Attention as a decoder has it, (layers, heads, size, size)."""
    shares = np.tril(np.random.default_rng(seed).exponential(size=(layers, heads, size, size)))
    return (shares / shares.sum(-1, keepdims=True)).astype(np.float32)


def test_a_reading_is_what_the_model_captured(model: TransformerModel) -> None:
    found, captured = read(model, TEXT, "text"), model.capture(TEXT)
    np.testing.assert_array_equal(found.weights, captured.attention.astype(np.float32))
    assert found.queries == captured.pieces
    assert found.layers == tuple(range(LAYERS))


def test_a_cell_is_near_its_share() -> None:
    shares = np.random.default_rng(1).random(10_000).astype(np.float32) ** 4
    assert np.abs((cells(shares) / 255.0) ** 2 - shares).max() <= 0.004
    assert cells(np.array([0, 1], np.float32)).tolist() == [0, 255]


def test_rollout_by_hand() -> None:
    weights = causal(2, 3, 5)
    found = rollout(from_arrays("x", weights, list("abcde")))
    first, second = ((layer.mean(0) + np.eye(5)) / 2 for layer in weights)
    np.testing.assert_allclose(found, second @ first, atol=1e-6)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)


def test_pictures_by_name() -> None:
    weights = causal(2, 3, 5)
    reading = from_arrays("x", weights, list("abcde"))
    np.testing.assert_array_equal(picture(reading, ["head", 1, 2]), weights[1, 2])
    np.testing.assert_allclose(picture(reading, ["heads", 1, 0, 2]), weights[1, [0, 2]].mean(0))
    np.testing.assert_allclose(picture(reading, ["layer", 0]), weights[0].mean(0))
    np.testing.assert_allclose(picture(reading, ["all"]), weights.mean((0, 1)), atol=1e-7)


@pytest.mark.parametrize(
    "key", [["head", 9, 0], ["head", 0, 9], ["head", 0, -1], ["head", 0], ["head", True, 0], [], ["no"]]
)
def test_a_picture_that_there_is_not(key: Any, view: AttentionView) -> None:
    with pytest.raises(InputError, match=r"There is no|Expected"):
        view.chosen = key


def test_figures_of_heads_whose_habits_are_known() -> None:
    size = 8
    sink = np.zeros((size, size))
    sink[:, 0] = 1
    before = np.eye(size, k=-1)
    before[0, 0] = 1
    spread = np.full((size, size), 1 / size)
    reading = from_arrays("x", np.stack([sink, before, spread])[None], ["t"] * size)
    entropy, distance, first = np.moveaxis(figures(reading)[0], -1, 0)
    assert entropy == pytest.approx([0, 0, 3])
    assert distance == pytest.approx([3.5, 7 / 8, 2.625])
    assert first == pytest.approx([1, 2 / 8, 1 / 8])


def test_a_thumbnail_keeps_the_largest_share_of_each_place() -> None:
    weights = causal(1, 2, 100)
    weights[0, 1] = 0
    weights[0, 1, 70, 40] = 1
    small = thumbs(from_arrays("x", weights, ["t"] * 100))
    assert small.shape == (1, 2, 24, 24)
    (row,), (column,) = small[0, 1].nonzero()
    starts = [n * 100 // 24 for n in range(24)]
    assert (row, column) == (bisect(starts, 70) - 1, bisect(starts, 40) - 1)
    assert small[0, 1, row, column] == 255


def test_silencing_a_head_is_what_ablation_does(model: TransformerModel, view: AttentionView) -> None:
    view.ablated = [[1, 3], (0, 2), [1, 3]]
    assert view.ablated == [[1, 3], [0, 2]]
    without = model.ablate(heads=[(1, 3), (0, 2)])
    ids = model.ids(TEXT)
    change = model.log_likelihood(ids).mean() - without.log_likelihood(ids).mean()
    assert view.effect["change"] == pytest.approx(change, abs=1e-9)
    before, after = (np.exp(one.begin(TEXT).distribution()) for one in (model, without))
    assert [row["before"] for row in view.effect["rows"]] == [before[row["token"]] for row in view.effect["rows"]]
    assert [row["after"] for row in view.effect["rows"]] == [after[row["token"]] for row in view.effect["rows"]]
    assert before.argmax() in [row["token"] for row in view.effect["rows"]]
    view.ablated = []
    assert view.effect["change"] == 0


def test_the_page_asks_for_a_head(view: AttentionView) -> None:
    page = Page(view)  # type: ignore[arg-type]
    sent: list[Any] = []
    view.comm.send = lambda data=None, buffers=None, **_: sent.append((data, buffers))
    view._handle_custom_msg({"op": "picture", "id": 5, "reading": 0, "of": ["head", 2, 1]}, [])
    ((data, buffers),) = sent
    assert data["content"] == {"op": "picture", "id": 5, "of": [0, "head", 2, 1]}
    expected = cells(view._readings[0].weights[2, 1])
    assert bytes(buffers[0]) == expected.tobytes()
    assert len(buffers[0]) == expected.size, "one byte a cell"
    del page


@pytest.mark.parametrize(
    "question",
    [{"op": "picture"}, {"op": "picture", "reading": 4, "of": ["all"]},
     {"op": "picture", "reading": 0, "of": ["head"]},
     {"op": "lens", "position": 999}, {"op": "lens", "position": "3"}, {"op": "attribution"},
     {"op": "attribution", "position": -1}],
)  # fmt: skip
def test_strange_questions_are_answered(view: AttentionView, question: dict[str, Any]) -> None:
    answer = Page(view).ask(question)  # type: ignore[arg-type]
    assert "error" in answer


def test_panels_are_those_of_the_capture(model: TransformerModel, view: AttentionView) -> None:
    page, captured = Page(view), model.capture(TEXT)  # type: ignore[arg-type]
    rows = page.ask({"op": "lens", "position": 4})["rows"]
    assert [row["depth"] for row in rows] == list(captured.logit_lens(3).depths)
    assert [one["piece"] for one in rows[-1]["said"]] == [piece for piece, _ in captured.logit_lens(3).pieces(-1, 4)]
    found = page.ask({"op": "attribution", "position": 4})
    follows = int(captured.tokens[5])
    assert found["total"] == pytest.approx(captured.attribution(follows, 4).total)
    assert sum(term["value"] for term in found["terms"]) == pytest.approx(found["total"], abs=1e-4)


def test_another_text_is_read_and_a_bad_one_is_not(view: AttentionView, model: TransformerModel) -> None:
    page = Page(view)  # type: ignore[arg-type]
    view.chosen = ["head", 2, 0]
    assert page.report(text="a dog") == []
    assert view.readings[0]["queries"] == list(model.capture("a dog").pieces)
    assert view.chosen == ["head", 2, 0]
    assert page.report(text="x" * 500) == []
    assert "more than the" in view.error
    assert len(view.readings[0]["queries"]) == len(model.capture("a dog").pieces)


def test_what_the_page_may_not_do(view: AttentionView) -> None:
    page = Page(view)  # type: ignore[arg-type]
    assert page.report(effect={}) == ["The page may not set effect."]
    assert "There is no head 7" in page.report(ablated=[[0, 7]])[0]
    assert "Expected heads as" in page.report(ablated=[4])[0]
    assert "cannot" in page.report(compare=True)[0]
    assert page.report(token=5, look="arcs", measure="entropy") == []
    assert (view.token, view.look, view.measure) == (5, "arcs", "entropy")


def test_two_models_and_two_texts(model: TransformerModel) -> None:
    other = model.ablate(heads=[(0, 0)])
    pair = AttentionView(model, TEXT, against=other)
    assert [one["name"] for one in pair.readings] == ["model", "against"]
    pair.compare = True
    texts = AttentionView(model, TEXT, second="a longer text than the other one")
    assert not texts.comparable
    with pytest.raises(InputError, match="not both"):
        AttentionView(model, TEXT, second="x", against=other)


def test_what_has_no_attention_is_told_so() -> None:
    counts = AssociationModel.fit([TEXT], ByteVocabulary())
    with pytest.raises(InputError, match="Expected a model with attention"):
        AttentionView(counts, TEXT)
    with pytest.raises(InputError, match="Expected a model and a text"):
        AttentionView()
    with pytest.raises(InputError, match="takes no 'colour'"):
        AttentionView(readings=[from_arrays("x", causal(1, 1, 3), list("abc"))], colour=1)


def test_bertviz_calls() -> None:
    weights = causal(2, 4, 6)
    of_torch = [torch.tensor(layer)[None] for layer in weights]
    tokens = ["Ġthe", "Ġcat", "Ġsat", "Ġon", "Ġthe", "Ġmat"]
    view = head_view(of_torch, tokens, layer=1, heads=[2])
    assert view.chosen == ["head", 1, 2]
    assert view.look == "arcs"
    assert view.readings[0]["queries"][0] == " the"
    assert head_view(of_torch, tokens, prettify_tokens=False).readings[0]["keys"] == tokens
    assert head_view(weights, tokens, heads=[0, 3]).chosen == ["heads", 0, 0, 3]
    assert head_view(weights, tokens, include_layers=[1]).chosen == ["layer", 1]
    pair = head_view(of_torch, tokens, sentence_b_start=4)
    assert [(len(one["queries"]), len(one["keys"])) for one in pair.readings] == [
        (6, 6),
        (4, 4),
        (2, 2),
        (4, 2),
        (2, 4),
    ]
    np.testing.assert_array_equal(pair._readings[4].weights, weights[:, :, 4:, :4])
    small = model_view(of_torch, tokens, include_layers=[0], include_heads=[1, 3], display_mode="light")
    np.testing.assert_array_equal(small._readings[0].weights, weights[:1, [1, 3]])


def test_encoder_and_decoder() -> None:
    cross = np.random.default_rng(0).dirichlet(np.ones(5), (2, 3, 4)).astype(np.float32)
    view = head_view(
        encoder_attention=causal(2, 3, 5), decoder_attention=causal(2, 3, 4), cross_attention=cross,
        encoder_tokens=list("abcde"), decoder_tokens=list("wxyz"),
    )  # fmt: skip
    assert [one["name"] for one in view.readings] == ["encoder", "decoder", "cross"]
    assert (view.readings[2]["queries"], view.readings[2]["keys"]) == (list("wxyz"), list("abcde"))
    view.reading = 2
    with pytest.raises(InputError, match="rolls out"):
        picture(view._readings[2], ["rollout"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "Expected `attention`"),
        ({"attention": causal(1, 1, 3)}, "give tokens"),
        ({"attention": causal(1, 1, 3), "tokens": "abc"}, "as a list of strings"),
        ({"attention": causal(1, 1, 3), "tokens": list("ab")}, "expected attention"),
        ({"attention": [None], "tokens": list("abc")}, "output_attentions=True"),
        ({"attention": [causal(2, 1, 3)], "tokens": list("abc")}, "a batch of 2"),
        ({"attention": causal(1, 1, 3) * 2, "tokens": list("abc")}, "shares of 1"),
        ({"attention": causal(1, 1, 3) * np.nan, "tokens": list("abc")}, "shares of 1"),
        ({"attention": causal(1, 1, 3), "tokens": list("abc"), "sentence_b_start": 3}, "from 1 to 2"),
        ({"attention": causal(1, 1, 3), "tokens": list("abc"), "layer": 4}, "no layer 4"),
        ({"attention": causal(1, 1, 3), "tokens": list("abc"), "encoder_tokens": ["a"]}, "not both"),
        ({"attention": causal(1, 1, 3), "tokens": list("abc"), "html_action": "save"}, "html_action"),
        ({"attention": causal(1, 1, 3), "tokens": list("abc"), "include_layers": []}, "at least one layer"),
    ],
)
def test_a_call_that_cannot_be_meant(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        head_view(**arguments)


def test_a_returned_page_is_whole() -> None:
    found = head_view(causal(2, 2, 4), ["<b>", "\"'", "&", "x"], html_action="return")
    assert found.data.startswith("<div><iframe")
    assert "<b>" not in found.data


def test_forms(view: AttentionView, tmp_path: Path) -> None:
    view.chosen, view.ablated = ["head", 1, 2], [[1, 2]]
    (forms, _) = view._repr_mimebundle_()
    assert (
        forms["text/plain"]
        == "AttentionView(3 layers x 4 heads, 22 x 22 tokens, chosen=['head', 1, 2], ablated=[(1, 2)])"
    )
    assert "<script" not in forms["text/html"]
    assert "layer 1, head 2" in forms["text/html"]
    page = view.to_html(tmp_path / "view.html").read_text(encoding="utf-8")
    data = json.loads(page.split('<script type="application/json">')[1].split("</script>")[0])
    assert data["state"]["stored"][0] == [0, "head", 1, 2]
    assert len(data["state"]["stored"]) == 1 + 2 + LAYERS * HEADS - 1 + LAYERS
    assert data["state"]["asks"] is False


def test_a_page_of_a_large_model_stays_small(tmp_path: Path) -> None:
    view = model_view(causal(4, 8, 512), ["token"] * 512)
    assert view.to_html(tmp_path / "large.html").stat().st_size < 5_000_000
    assert len(view.stored_p) <= 1_000_000
