"""One compiled call gives the logits of the bricks, and writes the same keys and values."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from polyloom import WordVocabulary
from polyloom.transformer import cache
from polyloom.transformer.attention import Itself
from polyloom.transformer.config import Attention, Experts, FeedForward, Norm, Position, Scaling, TransformerConfig
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.swift import swift
from polyloom_kernels.attend import operation as attending
from polyloom_kernels.decode import operation
from polyloom_kernels.experts import operation as experts_operation

WORDS = WordVocabulary([f"w{n}" for n in range(40)])
BASE = TransformerConfig(40, width=32, layers=3, context=64, attention=Attention(4, 2, qk_norm=True), begin=40, rows=48)
KNOWN = {
    "Qwen3": BASE,
    "Llama": replace(BASE, attention=Attention(4, 4, head_size=10), tied=False),
    "biases": replace(BASE, attention=Attention(4, 1, bias=True, output_bias=True)),
    "window": replace(BASE, attention=Attention(4, 2, window=4, full_layers=1)),
    "soft cap": replace(BASE, soft_cap=0.5),
    "YaRN": replace(BASE, position=Position(scaling=Scaling("yarn", 4.0, 8))),
    "no positions": replace(BASE, position=Position("none")),
}
UNKNOWN = {
    "GELU": replace(BASE, feed_forward=FeedForward("gelu")),
    "layer norm": replace(BASE, norm=Norm("layer")),
    "experts": replace(BASE, experts=Experts(4)),
    "learned positions": replace(BASE, position=Position("learned")),
}


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    operation.COMPILED.wait()
    experts_operation.COMPILED.wait()


def decoder_of(config: TransformerConfig) -> Decoder:
    decoder = TransformerModel.build(config, WORDS, seed=3).decoder
    torch.manual_seed(0)
    for weight in decoder.parameters():
        torch.nn.init.normal_(weight, std=0.3)
    return decoder


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", KNOWN)
def test_reading_on_equals_reading_whole(name: str, dtype: torch.dtype) -> None:
    decoder = decoder_of(KNOWN[name]).to(dtype)
    assert swift(decoder) is not None
    exact = decoder_of(KNOWN[name]).to(dtype).double()  # the same rounded weights, in exact arithmetic
    tokens = np.random.default_rng(1).integers(0, 40, 20)
    model = TransformerModel(decoder, WORDS)
    place, rows = model.begin(tokens[:3]), []
    place.distribution()
    for token in tokens[3:].tolist():
        place.advance(token)
        rows.append(place.distribution())
    given = torch.tensor([[40, *tokens.tolist()]])
    for length, row in enumerate(rows, 5):
        places = torch.arange(length)[None]
        logits = exact.head(exact.read(given[:, :length], places, length, Itself()))[0, -1, :40]
        expected = torch.log_softmax(logits, -1).numpy()
        if dtype == torch.float32 or name != "YaRN":
            np.testing.assert_allclose(row, expected, atol=2e-4 if dtype == torch.float32 else 0.3)


@pytest.mark.parametrize("name", UNKNOWN)
def test_other_decoders_are_read_brick_by_brick(name: str) -> None:
    assert swift(decoder_of(UNKNOWN[name])) is None
    assert swift(decoder_of(BASE).double()) is None


def test_the_weights_are_not_copied() -> None:
    decoder = decoder_of(BASE)
    found = swift(decoder)
    assert found is not None
    assert np.shares_memory(
        found.machine.weights.layers[0].feed.up.weight, decoder.layers[0].feed_forward.up.weight.numpy()
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("tokens", [1, 7, 64])
def test_a_few_tokens_of_a_mixture_take_one_call(dtype: torch.dtype, tokens: int) -> None:
    layer = decoder_of(replace(BASE, experts=Experts(4, 2))).to(dtype).mixtures[1]
    x = torch.randn(tokens, 32).to(dtype)
    route = layer.router(x)
    with torch.no_grad():
        at_once = layer.mix(x, route.chosen, route.weights)
    with torch.enable_grad():
        one_by_one = layer.mix(x, route.chosen, route.weights)
    tolerance = 1e-4 if dtype == torch.float32 else 0.05 * float(one_by_one.float().abs().max())
    torch.testing.assert_close(at_once.float(), one_by_one.float(), atol=tolerance, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", [*KNOWN, "GELU"])
def test_many_texts_look_back_in_one_call(name: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    attending.COMPILED.wait()
    decoder = decoder_of({**KNOWN, **UNKNOWN}[name]).to(dtype)
    model, lengths = TransformerModel(decoder, WORDS), (1, 7, 3, 12)
    found: list[np.ndarray] = []
    for some in (1 << 60, 0):  # each text for itself, then all together
        monkeypatch.setattr(cache, "SOME", some)
        monkeypatch.setattr(cache, "MUCH", 40)
        texts = [model.begin(np.random.default_rng(n).integers(0, 40, n)) for n in lengths]
        for text in texts:
            text.distribution()
            text.advance(5)
        together = cache.apart([text._read[2] for text in texts])  # type: ignore[attr-defined,index]
        assert (together is None) == (some > 0)
        found.append(model.step(texts))
    np.testing.assert_allclose(found[1], found[0], atol=2e-5 if dtype == torch.float32 else 0.1)
