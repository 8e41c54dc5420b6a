"""The benchmark of whole numbers: its peers are the same model, and its rows have what they say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from polyloom import WordVocabulary
from polyloom.transformer import bench_int8, bench_torch
from polyloom.transformer.config import Attention, FeedForward
from polyloom.transformer.model import TransformerModel
from polyloom_kernels import limit

SMALL = replace(
    bench_int8.CONFIG,
    vocabulary_size=60,
    rows=0,
    width=64,
    layers=2,
    context=16,
    attention=Attention(4, 2, 16, qk_norm=True),
    feed_forward=FeedForward(size=96),
)


@pytest.fixture
def model() -> TransformerModel:
    found = TransformerModel.build(SMALL, WordVocabulary([f"w{n}" for n in range(60)]))
    with torch.no_grad():
        for weight in found.decoder.parameters():
            weight.mul_(1.5)
    return found


@torch.no_grad()
def test_the_peers_are_the_same_model(model: TransformerModel) -> None:
    tokens = np.random.default_rng(0).integers(0, 60, 10)
    expected = model.logits(tokens)
    size = float(expected.abs().max())
    peers = {
        "float32": (bench_torch.Plain(model.decoder, 16), 1e-5),
        "bfloat16": (bench_torch.Plain(model.decoder, 16).to(torch.bfloat16), 0.05),
        "int8 weights": (bench_torch.packed(bench_torch.Plain(model.decoder, 16).to(torch.bfloat16)), 0.05),
        "dynamic int8": (bench_torch.dynamic(bench_torch.Plain(model.decoder, 16)), 0.1),
    }
    for peer, tolerance in peers.values():
        rows = [peer(torch.tensor([token]), torch.tensor([at])) for at, token in enumerate(tokens.tolist())]
        assert (torch.cat(rows).float() - expected).abs().max() < tolerance * size
    assert peers.keys() | {"bfloat16, compiled"} == bench_torch.variants(model.decoder, 16).keys()


def test_ours_says_what_comes_next(model: TransformerModel) -> None:
    network = bench_int8.network(bench_int8.int8(model))
    step, place = bench_int8._step(network), bench_int8.int8(model).begin([5])
    for at, token in enumerate((5, 9, 5)):
        if at:
            place.advance(token)
        assert step(token, at) == int(place.distribution().argmax())


def test_every_row_has_its_peer_or_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    def few(decoder: object, room: int) -> dict[str, object]:
        made = bench_torch.variants(decoder, room)  # pyright: ignore[reportArgumentType]

        def broken() -> None:
            raise RuntimeError("no compiler")

        return {"float32": made["float32"], "bfloat16, compiled": broken}

    for name, value in {"CONFIG": SMALL, "TOKENS": 6, "TEXTS": 1, "THREADS": (1, 99), "variants": few}.items():
        monkeypatch.setattr(bench_int8, name, value)
    before = torch.get_num_threads()
    *rows, missing = bench_int8.rows()
    assert torch.get_num_threads() == before
    assert [row.unit for row in rows] == ["tokens/s", "GB/s"] * 2
    assert [row.name.split(",")[0] for row in rows] == ["int8", "int8", "int4", "int4"]
    assert all(row.ratio for row in rows[::2])
    assert all(row.limit_ratio for row in rows[1::2])
    assert rows[0].peer == "torch, float32"
    assert "compiled is missing: RuntimeError" in str(rows[0].reason)
    assert (missing.value, missing.reason and missing.reason[:9]) == (None, "there are")


def test_threads_read_all_of_it_together() -> None:
    memory = np.ones(1000, np.float32)
    for threads in (1, 2, 3):
        assert 0 < limit.reading(memory, threads) < 1
