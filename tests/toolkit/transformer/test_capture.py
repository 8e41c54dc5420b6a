"""Captures: shapes, what they must add up to, the lens, routing, and TransformerLens caches both ways."""

from html.parser import HTMLParser

import numpy as np
import pytest
import torch

from decoders import CONFIGS, copier, model
from polyloom.errors import InputError
from polyloom.transformer.capture import Capture
from polyloom.transformer.opened import opened

TEXT = "a b c a b d e a b c f"
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@pytest.mark.parametrize("name", CONFIGS)
def test_parts_add_up_to_the_stream(name: str) -> None:
    made = model(name)
    found = made.capture(TEXT)
    positions, layers = len(found.tokens), made.config.layers
    assert found.attention.shape == (layers, 4, positions, positions)
    assert found.heads.shape == (layers, 4, positions, 16)
    np.testing.assert_allclose(found.attention.sum(-1), 1, **CLOSE)
    biases = [block.attention.o.bias for block in made.decoder.layers]
    bias = np.array([np.zeros(16) if one is None else one.numpy() for one in biases])[:, None]
    added = found.heads.sum(1) + bias + found.mlps
    np.testing.assert_allclose(found.residual[1:], found.residual[:-1] + added, **CLOSE)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_last_row_of_the_lens_is_the_distribution(name: str) -> None:
    made = model(name)
    lens = made.capture(TEXT).logit_lens(24)
    place = made.begin(TEXT)
    expected = place.top(24)
    np.testing.assert_array_equal(lens.tokens[-1, -1], expected.tokens)
    np.testing.assert_allclose(lens.probabilities[-1, -1], np.exp(expected.log_probs), **CLOSE)
    np.testing.assert_allclose(lens.probabilities.sum(-1), 1, **CLOSE)
    assert lens.pieces()[0][0] == made.vocabulary.pieces[expected.tokens[0]]


def test_arrays_are_numpy_of_float32_at_least() -> None:
    for dtype, expected in ((torch.float64, np.float64), (torch.float32, np.float32), (torch.bfloat16, np.float32)):
        found = model("experts", dtype).capture(TEXT)
        arrays = [found.attention, found.residual, found.heads, found.mlps, *found.cache().values()]
        assert {array.dtype for array in arrays} == {np.dtype(expected), np.dtype(np.int64)}


def test_the_begin_token_is_position_0_and_has_a_name() -> None:
    assert model("grouped queries").capture("a b").pieces == ("</s>", "a", "b")
    assert model("like GPT-2").capture("a b").pieces == ("a", "b")
    only = model("sinusoidal, capped")  # has a begin token of its own, for the empty text alone
    assert only.capture("a b").pieces == ("a", "b")
    assert only.capture("").pieces == ("<begin>",)


def test_layers_and_positions_choose() -> None:
    made = model("experts")
    every, some = made.capture(TEXT), made.capture(TEXT, layers=[2, 0], positions=[-1, 3])
    assert (some.layers, some.positions) == ((2, 0), (11, 3))
    np.testing.assert_allclose(some.attention, every.attention[[2, 0]][:, :, [11, 3]], **CLOSE)
    np.testing.assert_allclose(some.heads, every.heads[[2, 0]][:, :, [11, 3]], **CLOSE)
    np.testing.assert_allclose(some.mlps, every.mlps[[2, 0]][:, [11, 3]], **CLOSE)
    np.testing.assert_allclose(some.residual, every.residual[[2, 0, 1]][:, [11, 3]], **CLOSE)
    assert [one.layer for one in some.routing] == [2]
    np.testing.assert_array_equal(some.routing[0].chosen, every.routing[1].chosen[[11, 3]])
    lens = some.logit_lens(2)
    assert lens.depths == ("before layer 2", "before layer 0", "after layer 0")
    assert lens.columns == ("f", "c")
    cache = some.cache()
    assert cache["blocks.2.attn.hook_pattern"].shape == (1, 4, 2, 12)
    assert not [name for name in cache if ".1." in name]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"layers": [3]}, "no layer 3: they are 0 … 2"),
        ({"positions": [12]}, "no position 12: they are 0 … 11"),
        ({"layers": []}, "at least one layer"),
        ({"layers": [0.7]}, "layer must be a whole number"),
        ({"layers": [True]}, "layer must be a whole number"),
    ],
)
def test_what_is_not_there_is_refused(asked: dict[str, list[int]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        model().capture(TEXT, **asked)


def test_texts_that_cannot_be_read_at_once_are_refused() -> None:
    made = model()
    assert len(made.capture([1] * 39).tokens) == 40
    with pytest.raises(InputError, match="40 tokens are more than the 39 that the model reads at once"):
        made.capture([1] * 40)
    with pytest.raises(InputError, match="nothing to read"):
        model("like GPT-2").capture("")


@pytest.mark.parametrize("name", ["experts", "sigmoid gate"])
def test_routing_says_who_was_chosen_and_how_narrowly(name: str) -> None:
    made = model(name)
    tokens, _ = made.seen(TEXT)
    routes = []
    made.decoder(tokens[None], routes=routes)
    found = made.capture(TEXT).routing
    assert [one.layer for one in found] == [route.layer for route in routes]
    for one, route in zip(found, routes, strict=True):
        bias = made.decoder.mixtures[route.layer].router.bias.numpy()
        np.testing.assert_array_equal(one.chosen, route.chosen)
        np.testing.assert_allclose(one.weights, route.weights, **CLOSE)
        np.testing.assert_allclose(one.load, route.load())
        scores = route.scores.numpy()
        chances = (
            1 / (1 + np.exp(-scores)) if name == "sigmoid gate" else np.exp(scores) / np.exp(scores).sum(-1)[:, None]
        )
        np.testing.assert_allclose(one.probabilities, chances, **CLOSE)
        wanted, k = np.sort(chances + bias)[:, ::-1], one.chosen.shape[1]
        np.testing.assert_allclose(one.margins, wanted[:, k - 1] - wanted[:, k], **CLOSE)
        whole = chances / chances.sum(-1)[:, None]
        np.testing.assert_allclose(one.entropy, -(whole * np.log(whole)).sum(-1), **CLOSE)
        assert one.entropy.max() <= np.log(chances.shape[1])
    assert repr(found[-1]).startswith("<Routing of layer 2: ")
    assert model().capture(TEXT).routing == ()


@pytest.mark.parametrize("name", CONFIGS)
def test_attribution_accounts_for_every_position(name: str) -> None:
    """Also where the text is longer than what the frequencies were trained for: as the whole text was read."""
    made = model(name)
    found = made.capture(TEXT)
    logits = made.logits(found.tokens) if name != "sinusoidal, capped" else made.logits(TEXT)
    for position in (0, 4, -1):
        account = found.attribution("d", position)
        row = made.normalised(logits[position][None].double())[0]
        assert account.total == pytest.approx(row[3], abs=1e-5)
        assert abs(account.residual) < 1e-12
    assert account.total == pytest.approx(made.begin(TEXT).distribution()[3])
    assert (account.piece, account.context) == ("d", "".join(found.pieces[-12:]))


@pytest.mark.parametrize("name", ["like GPT-2", "sliding window", "experts"])
def test_a_cache_is_read_back(name: str) -> None:
    made = model(name)
    first = made.capture(TEXT)
    cache = first.cache()
    tokens, _ = made.seen(TEXT)
    assert set(cache) == set(opened(made.decoder, tokens).seen)
    for batched in (cache, {name: torch.tensor(value) for name, value in cache.items()}):
        again = Capture.from_cache(batched, made, TEXT)
        for array in ("tokens", "attention", "residual", "heads", "mlps"):
            np.testing.assert_array_equal(getattr(again, array), getattr(first, array))
        for ours, theirs in zip(again.routing, first.routing, strict=True):
            np.testing.assert_array_equal(ours.weights, theirs.weights)
    single = Capture.from_cache({name: value[0] for name, value in cache.items()}, made, TEXT)
    np.testing.assert_array_equal(single.attention, first.attention)
    np.testing.assert_array_equal(single.logit_lens(3).tokens, first.logit_lens(3).tokens)


def test_a_cache_of_weights_of_16_bits_is_read_back() -> None:
    made = model("experts", torch.bfloat16)
    first = made.capture(TEXT)
    again = Capture.from_cache(first.cache(), made, TEXT)
    np.testing.assert_array_equal(again.heads, first.heads)
    np.testing.assert_array_equal(again.logit_lens(3).tokens, first.logit_lens(3).tokens)


def test_a_cache_of_some_layers_and_positions_is_read_back() -> None:
    made = model("experts")
    some = made.capture(TEXT, layers=[1], positions=[2, 3])
    again = Capture.from_cache(some.cache(), made, TEXT, layers=[1], positions=[2, 3])
    np.testing.assert_array_equal(again.residual, some.residual)
    np.testing.assert_array_equal(again.attention, some.attention)


def test_a_cache_that_does_not_fit_is_refused() -> None:
    made = model()
    cache = made.capture(TEXT).cache()
    gone = ("blocks.2.hook_resid_post", "blocks.0.hook_mlp_out")
    rest = {name: value for name, value in cache.items() if name not in gone}
    with pytest.raises(InputError, match=r"lacks blocks\.2\.hook_resid_post, blocks\.0\.hook_mlp_out; it holds"):
        Capture.from_cache(rest, made, TEXT)
    with pytest.raises(InputError, match="but there are 3 positions"):
        Capture.from_cache(cache, made, "a b")
    with pytest.raises(InputError, match="a capture is of one text"):
        Capture.from_cache({name: np.repeat(value, 2, 0) for name, value in cache.items()}, made, TEXT)


def test_a_head_that_looks_one_back_is_seen_to() -> None:
    made = copier()
    found = made.capture("a c b d")
    np.testing.assert_allclose(
        found.attention[0, 0], np.eye(4, k=-1) + np.eye(1, 4)[0] * np.eye(4)[0][:, None], atol=1e-9
    )
    np.testing.assert_allclose(found.attention[0, 1], np.tri(4) / np.arange(1, 5)[:, None])
    lens = found.logit_lens(1)
    assert lens.tokens[1, 1:, 0].tolist() == found.tokens[:-1].tolist()
    np.testing.assert_allclose(lens.probabilities[0], 1 / 6)
    width = made.config.width
    assert np.abs(found.heads[0, 0, -1]).max() == pytest.approx(np.sqrt(width / 2))


class Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.text = list[str](), ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_how_they_print() -> None:
    found = model().capture("a b", layers=[1], positions=[0, 2])
    assert repr(found) == "<Capture of 3 tokens, layer 1 at 2 positions: </s> a b>"
    read = Reader(found._repr_html_())
    assert read.tags.count("td") == 3
    assert "</s>ab" in read.text
    lens = found.logit_lens(2)
    assert repr(lens) == "<LogitLens of 2 depths, 2 positions: 2 pieces each>"
    assert len(str(lens).splitlines()) == 2
    page = Reader(lens._repr_html_())
    assert page.tags.count("tr") == 3
    assert "before layer 1" in page.text
    assert lens.vocabulary.pieces[lens.tokens[0, 0, 0]] in page.text
