"""Each brick against its definition: plain torch, a loop, or a formula."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from polyloom.errors import InputError
from polyloom.transformer.attention import Itself, look, looked, visible
from polyloom.transformer.build import PRESETS, build, parameters, preset
from polyloom.transformer.config import (
    Attention,
    Experts,
    FeedForward,
    Norm,
    Position,
    Scaling,
    TransformerConfig,
)
from polyloom.transformer.decoder import whole
from polyloom.transformer.norm import norm
from polyloom.transformer.position import Rotary, Sinusoidal
from polyloom.transformer.scaling import frequencies, plain, regime

SMALL = TransformerConfig(30, width=16, layers=2, context=32, attention=Attention(4, 2))


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


# norms


def test_layer_norm_is_that_of_torch() -> None:
    ours, x = norm(Norm("layer", 1e-5), 16), torch.randn(3, 5, 16)
    torch.testing.assert_close(ours(x), nn.LayerNorm(16, eps=1e-5)(x))


def test_rms_norm_is_that_of_torch() -> None:
    ours, x = norm(Norm("rms", 1e-6), 16), torch.randn(3, 5, 16)
    torch.testing.assert_close(ours(x), nn.RMSNorm(16, eps=1e-6)(x))


@pytest.mark.parametrize("kind", ["rms", "layer"])
def test_with_its_scale_given_a_norm_is_linear(kind: str) -> None:
    ours = norm(Norm(kind), 16).double().requires_grad_(False)  # type: ignore[arg-type]
    nn.init.normal_(ours.weight)
    a, b = torch.randn(2, 16, dtype=torch.float64)
    scale, offset = ours.scale(a + b), ours.offset()
    parts = ours.apply_scale(a, scale) + ours.apply_scale(b, scale)
    torch.testing.assert_close(parts if offset is None else parts + offset, ours(a + b))


# positions


def test_rotary_turns_pairs_by_place_times_frequency() -> None:
    x = torch.randn(1, 1, 3, 8, dtype=torch.float64)
    turned = Rotary(replace(SMALL, attention=Attention(4, head_size=8))).turning(torch.tensor([[0, 1, 7]]), 8).turn(x)
    for t, place in enumerate([0, 1, 7]):
        for i in range(4):
            angle = place * 10_000 ** (-2 * i / 8)
            pair = complex(x[0, 0, t, i], x[0, 0, t, i + 4]) * complex(math.cos(angle), math.sin(angle))
            assert complex(turned[0, 0, t, i], turned[0, 0, t, i + 4]) == pytest.approx(pair, abs=1e-6)


def test_angles_are_float32_though_the_stream_is_not() -> None:
    place = torch.tensor([[3001]])
    rotation = Rotary(SMALL).turning(place, 4000)
    assert rotation.cosine.dtype == torch.float32
    exact = [math.cos(3001 * 10_000 ** (-2 * (i % 2) / 4)) for i in range(4)]
    assert rotation.cosine.flatten().tolist() == pytest.approx(exact, abs=2e-3)
    assert rotation.turn(torch.ones(1, 1, 1, 4, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_sinusoidal_positions_are_those_of_the_paper() -> None:
    found = Sinusoidal(SMALL).embed(torch.zeros(1, 2, 16), torch.tensor([[0, 5]]))
    for i in range(8):
        wave = 5 / 10_000 ** (2 * i / 16)
        assert found[0, 1, 2 * i : 2 * i + 2].tolist() == pytest.approx([math.sin(wave), math.cos(wave)], abs=1e-6)


@pytest.mark.parametrize("kind", ["linear", "ntk", "dynamic", "yarn", "llama3"])
def test_short_texts_keep_their_phases_bit_for_bit(kind: str) -> None:
    scaled = Position(scaling=Scaling(kind, 4.0, 64))  # type: ignore[arg-type]
    speeds, magnitude = frequencies(scaled, 16, 64)
    assert torch.equal(speeds, plain(10_000, 16))
    assert magnitude == 1
    longer, _ = frequencies(scaled, 16, 65)
    assert not torch.equal(longer, speeds)


def test_dynamic_scaling_grows_in_doublings() -> None:
    scaled = Position(scaling=Scaling("dynamic", 2.0, 64))
    assert [regime(scaled, n) for n in (1, 64, 65, 128, 129, 256, 257)] == [0, 0, 128, 128, 256, 256, 512]
    grown = 2.0 * 128 / 64 - 1
    torch.testing.assert_close(frequencies(scaled, 16, 100)[0], plain(10_000 * grown ** (16 / 14), 16))


# attention


@pytest.mark.parametrize("window", [None, 1, 3, 50])
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_the_fast_way_equals_the_definition(window: int | None, kv_heads: int) -> None:
    q = torch.randn(2, 4, 9, 8, dtype=torch.float64)
    k, v = torch.randn(2, 2, kv_heads, 9, 8, dtype=torch.float64)
    seen = visible(9, 9, window, q.device)
    exact, pattern = look(q, k, v, seen)
    torch.testing.assert_close(pattern.sum(-1), torch.ones_like(pattern.sum(-1)))
    assert (pattern[..., ~seen] == 0).all()
    torch.testing.assert_close(Itself().look(0, q, k, v, window), exact)
    torch.testing.assert_close(looked(q, k, v, seen), exact)


def test_a_head_by_hand() -> None:
    q = torch.tensor([[[[0.0], [2.0]]]])
    k, v = torch.tensor([[[[0.0], [1.0]]]]), torch.tensor([[[[10.0], [20.0]]]])
    z, pattern = look(q, k, v, visible(2, 2, None, q.device))
    e = math.exp(2)
    assert pattern[0, 0].tolist() == [[1, 0], pytest.approx([1 / (1 + e), e / (1 + e)])]
    assert z.flatten().tolist() == pytest.approx([10, 10 / (1 + e) + 20 * e / (1 + e)])


def test_packed_documents_do_not_see_each_other() -> None:
    decoder = build(replace(SMALL, attention=Attention(4, 2, window=6))).double()
    a, b = torch.randint(0, 30, (1, 7)), torch.randint(0, 30, (1, 9))
    packed = decoder(torch.cat((a, b), 1), torch.tensor([[3] * 7 + [8] * 9]))
    torch.testing.assert_close(packed, torch.cat((decoder(a), decoder(b)), 1))
    places, _ = whole(torch.cat((a, b), 1), torch.tensor([[3] * 7 + [8] * 9]))
    assert places.tolist() == [[*range(7), *range(9)]]


# mixtures of experts


@given(st.integers(1, 20), st.integers(1, 6), st.data())
def test_a_mixture_is_the_loop_over_tokens(tokens: int, count: int, data: st.DataObject) -> None:
    experts = Experts(
        count,
        data.draw(st.integers(1, count)),
        shared=data.draw(st.integers(0, 1)),
        gate=data.draw(st.sampled_from(["softmax", "sigmoid"])),
        normalise=data.draw(st.booleans()),
    )
    (layer,) = build(replace(SMALL, layers=1, experts=experts)).double().mixtures.values()
    nn.init.normal_(layer.router.weight)
    nn.init.normal_(layer.router.bias, std=0.1)
    x = torch.randn(tokens, 16, dtype=torch.float64)
    expected = torch.zeros_like(x)
    for n, row in enumerate(x):
        scores = layer.router.weight @ row
        chances = torch.softmax(scores, 0) if experts.gate == "softmax" else torch.sigmoid(scores)
        chosen = (chances + layer.router.bias).argsort(descending=True)[: experts.active]
        weights = chances[chosen] / (chances[chosen].sum() if experts.normalise else 1)
        for e, w in zip(chosen, weights, strict=True):
            inner = nn.functional.silu(layer.gate[e] @ x[n]) * (layer.up[e] @ x[n])
            expected[n] += w * (layer.down[e] @ inner)
    if layer.shared is not None:
        expected += layer.shared(x)
    routes: list[object] = []
    torch.testing.assert_close(layer(x[None], routes)[0], expected)
    assert len(routes) == 1
    assert routes[0].load().sum() == pytest.approx(1)  # type: ignore[attr-defined]


def test_the_bias_moves_against_the_load_and_never_into_the_weights() -> None:
    decoder = build(replace(SMALL, experts=Experts(4, 1, balance_step=0.01)))
    gate = decoder.mixtures[0].router
    nn.init.normal_(gate.weight)
    tokens, before = torch.randint(0, 30, (4, 30)), []
    for _ in range(300):
        routes = []
        decoder(tokens, routes=routes)
        before.append(routes[0].load().max().item())
        decoder.rebalance(routes)
    assert before[-1] < before[0]
    route = gate(torch.randn(50, 16))
    torch.testing.assert_close(route.weights, torch.ones(50, 1))  # normalised: of one, all
    assert gate.bias.abs().max() > 0
    assert "blocks.0.feed_forward.router.bias" in decoder.state_dict()
    assert not [name for name, _ in decoder.named_parameters() if name.endswith("router.bias")]


# the whole


def test_dropout_is_applied_in_training_and_only_there() -> None:
    decoder, tokens = build(replace(SMALL, dropout=0.5)), torch.randint(0, 30, (1, 9))
    assert not torch.equal(decoder(tokens), decoder(tokens))
    decoder.eval()
    assert torch.equal(decoder(tokens), decoder(tokens))


@pytest.mark.parametrize("experts", [None, Experts(4, 2, balance="loss")])
def test_recomputed_blocks_give_the_same_gradients(experts: Experts | None) -> None:
    decoder, tokens = build(replace(SMALL, experts=experts)), torch.randint(0, 30, (2, 9))
    grads = []
    for decoder.recompute in (False, True):
        decoder.zero_grad()
        routes = []
        loss = decoder(tokens, routes=routes).square().mean()
        (loss + sum(route.scores.square().mean() for route in routes)).backward()
        grads.append([None if w.grad is None else w.grad.clone() for w in decoder.parameters()])
    for a, b in zip(*grads, strict=True):
        torch.testing.assert_close(a, b)


def test_logits_are_capped() -> None:
    decoder, tokens = build(replace(SMALL, soft_cap=0.1)), torch.randint(0, 30, (1, 9))
    plain_logits = build(SMALL)(tokens)
    torch.testing.assert_close(decoder(tokens), 0.1 * torch.tanh(plain_logits / 0.1))


def test_presets_have_the_sizes_that_they_say() -> None:
    found = {name: round(parameters(preset(name, 8000)) / 1e6, 1) for name in PRESETS}
    assert found == {"tiny": 1.8, "small": 6.3, "medium": 33.1, "large": 146.2}
    config = preset("tiny", 300)
    by_hand = 300 * 128 + 4 * (4 * 128 * 128 + 3 * 128 * 352 + 2 * 128 + 2 * 32) + 128
    assert parameters(config) == sum(w.numel() for w in build(config).parameters()) == by_hand


def test_the_same_seed_gives_the_same_weights() -> None:
    a, b, c = build(SMALL, 1), build(SMALL, 1), build(SMALL, 2)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.embedding.weight, c.embedding.weight)


def test_a_config_survives_json() -> None:
    config = replace(SMALL, experts=Experts(4), position=Position(scaling=Scaling("yarn", 2.0, 16)), soft_cap=3.0)
    assert TransformerConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"layers": 0}, "layers"),
        ({"width": 2.5}, "width"),
        ({"attention": Attention(4, 3)}, "3 keys"),
        ({"attention": Attention(4, head_size=3)}, "even"),
        ({"dropout": 1.0}, "dropout"),
        ({"begin": 99}, "begin"),
        ({"soft_cap": 0.0}, "soft_cap"),
        ({"experts": Experts(2, 3)}, "active"),
        ({"feed_forward": FeedForward(size=-1)}, "feed_forward"),
    ],
)
def test_what_cannot_be_built_is_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        replace(SMALL, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "vocabulary_size"),
        ({"vocabulary_size": 5, "colour": 1}, "colour"),
        ({"vocabulary_size": 5, "norm": {"kind": "batch"}}, "rms, layer"),
        ({"vocabulary_size": 5, "norm": 3}, "config.norm"),
        ({"vocabulary_size": 5, "tied": "yes"}, "config.tied"),
        ({"vocabulary_size": "many"}, "config.vocabulary_size"),
    ],
)
def test_a_damaged_config_says_where(given: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        TransformerConfig.from_json(given)
