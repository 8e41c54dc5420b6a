"""Many adapters in one batch: each row as if it were alone, whatever the others ask for and whatever comes and goes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch

from decoders import CONFIGS, WORDS, decoder, model
from polyloom import AssociationModel, InputError
from polyloom.adapters.adapter import Adapter
from polyloom.adapters.attach import attach
from polyloom.adapters.bank import AdapterBank, Wanted
from polyloom.adapters.dora import DoRA
from polyloom.adapters.ia3 import IA3
from polyloom.adapters.lora import LoRA
from polyloom.adapters.rowwise import Rowwise
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.network import DecoderNetwork
from toolkit.adapters.learned import learned

METHODS = {
    "small": LoRA(2, 3.0),
    "large": LoRA(5, 4.0, stabilised=True),
    "queries": LoRA(3, targets=("attention.q",)),
    "dora": DoRA(3),
    "ia3": IA3(),
}
ASKED: list[tuple[Wanted, float]] = [
    ("small", 1.0),
    ("large", 0.5),
    (None, 1.0),
    ("dora", 0.7),
    ("queries", -1.0),
    ("small", 0.3),
    ({"small": 0.5, "large": 1.5}, 1.0),
    ("ia3", 1.0),
    ("dora", 0.7),
    ({"ia3": 1.0, "queries": 2.0}, 0.5),
]


@pytest.fixture(params=["grouped queries", "like GPT-2"])
def bank(request: pytest.FixtureRequest) -> AdapterBank:
    base = model(request.param)
    return AdapterBank(base, {name: learned(method, base, n) for n, (name, method) in enumerate(METHODS.items())})


def begun(bank: AdapterBank) -> list[Any]:
    return [bank.begin("a b c d"[: 2 * (n % 3) + 1], *asked) for n, asked in enumerate(ASKED)]


def alone(place: Any) -> Any:
    return place.model.begin(place.tokens).distribution()


def test_a_mixed_batch_is_one_by_one(bank: AdapterBank) -> None:
    places = begun(bank)
    for token in (3, 1, 4, 1, 5):
        rows = bank.step(places)
        assert rows.shape == (len(ASKED), WORDS.size)
        for row, place in zip(rows, places, strict=True):
            np.testing.assert_allclose(row, alone(place), atol=1e-9)
            place.advance(token)
    assert len({row.tobytes() for row in bank.step(places)}) > 7


def test_the_batch_is_read_in_one_pass(bank: AdapterBank, monkeypatch: pytest.MonkeyPatch) -> None:
    places = begun(bank)
    bank.step(places)
    sizes: list[int] = []
    step = DecoderNetwork.step

    def counted(self: DecoderNetwork, tokens: Any, lengths: Any, states: Any) -> Any:
        sizes.append(len(tokens))
        return step(self, tokens, lengths, states)

    monkeypatch.setattr(DecoderNetwork, "step", counted)
    monkeypatch.setattr(DecoderNetwork, "read", lambda *_: pytest.fail("a text was read alone"))
    for place in places:
        place.advance(2)
    bank.step(places)
    assert sizes == [len(ASKED)]


def test_texts_come_and_go_and_so_do_adapters(bank: AdapterBank) -> None:
    places = begun(bank)[:4]
    bank.step(places)
    bank.remove("small")
    assert "small" not in bank.names
    with pytest.raises(InputError, match=r"no adapter 'small'; it has large"):
        bank.begin("a", "small")
    bank.add("new", learned(LoRA(4), bank.base, 9))
    places = [*places[:2], bank.begin("e f", "new"), places[3].fork()]
    for place in places:
        place.advance(7)
    for row, place in zip(bank.step(places), places, strict=True):
        np.testing.assert_allclose(row, alone(place), atol=1e-9)


def written(places: list[Any], step: Callable[[list[Any]], Any]) -> list[list[int]]:
    """What texts say when each goes on with the likeliest token."""
    for _ in range(12):
        for place, row in zip(places, step(places), strict=True):
            place.advance(int(row.argmax()))
    return [place.tokens.tolist() for place in places]


def test_callers_with_other_scales_do_not_meet(bank: AdapterBank) -> None:
    """Two callers write with one adapter at two scales, while a third adds and removes others."""
    expected = {scale: written([bank.begin("a b", "large", scale)], bank.base.step)[0] for scale in (-2.0, 1.5)}

    def serve(scale: float) -> list[Any]:
        found: list[Any] = []
        for _ in range(4):
            found += written([bank.begin("a b", "large", scale) for _ in range(2)], bank.step)
        return found

    def change() -> None:
        for n in range(8):
            bank.add(f"guest {n}", learned(LoRA(2), bank.base, n))
            bank.remove(f"guest {n}")

    with ThreadPoolExecutor(3) as pool:
        low, high, other = pool.submit(serve, -2.0), pool.submit(serve, 1.5), pool.submit(change)
        other.result()
        assert low.result() == [expected[-2.0]] * 8
        assert high.result() == [expected[1.5]] * 8
    assert expected[-2.0] != expected[1.5]


def test_others_are_read_on_their_own(bank: AdapterBank) -> None:
    counts = AssociationModel.fit(["a b c"], WORDS)
    stranger = attach(model(), Adapter.first(LoRA(2), model()))
    places = [bank.begin("a", "small"), counts.begin("a"), stranger.begin("b"), bank.begin("a", "large")]
    for place in places:
        place.advance(2)
    for row, place in zip(bank.step(places), places, strict=True):
        np.testing.assert_allclose(row, alone(place), atol=1e-9)


def test_a_bank_stands_on_an_adapted_model() -> None:
    base = model()
    below = attach(base, learned(DoRA(2), base, 4))
    bank = AdapterBank(below, {"small": learned(LoRA(2), base, 5)})
    places = [bank.begin("a b", "small", scale) for scale in (0.5, 1.0)] + [below.begin("c")]
    bank.step(places)
    for place in places:
        place.advance(1)
    for row, place in zip(bank.step(places), places, strict=True):
        np.testing.assert_allclose(row, alone(place), atol=1e-9)


def test_in_single_precision_too() -> None:
    base = TransformerModel(decoder(CONFIGS["grouped queries"], torch.float32), WORDS)
    bank = AdapterBank(base, {str(n): learned(LoRA(1 + n), base, n) for n in range(4)})
    places = [bank.begin("a b c", str(n)) for n in range(4)]
    bank.step(places)
    for place in places:
        place.advance(3)
    for row, place in zip(bank.step(places), places, strict=True):
        np.testing.assert_allclose(row, alone(place), atol=2e-5)


def test_maps_that_nobody_changes_stay() -> None:
    base = model()
    bank = AdapterBank(base, {"queries": learned(METHODS["queries"], base, 1)})
    network = bank._network((bank.model("queries"), base))
    assert isinstance(network.decoder.layers[0].attention.q, Rowwise)
    assert network.decoder.layers[0].attention.k is base.decoder.layers[0].attention.k


def test_what_cannot_be_is_refused(bank: AdapterBank) -> None:
    adapter = learned(LoRA(2), bank.base, 1)
    with pytest.raises(InputError, match="remove it first"):
        bank.add("small", adapter)
    for name in ("", None, 3):
        with pytest.raises(InputError, match="name of an adapter"):
            bank.add(name, adapter)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="Expected an Adapter"):
        bank.add("x", "folder")  # pyright: ignore[reportArgumentType]
    other = model("like GPT-2" if bank.base.config.position.kind == "rotary" else "grouped queries")
    with pytest.raises(InputError, match="does not fit"):
        bank.add("x", learned(LoRA(2), other, 1))
    with pytest.raises(InputError, match="no adapter 'x'"):
        bank.remove("x")
    with pytest.raises(InputError, match="scale"):
        bank.begin("a", "small", float("nan"))
