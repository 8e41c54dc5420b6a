"""A quantised model is the model that its rounded weights would make, and is one like any other."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import polyloom
from contract import LanguageModelContract
from decoders import CONFIGS, WORDS, decoder, model
from polyloom import FileError, InputError
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.quantised import QuantisedLinear, bricks, quantised, restored
from polyloom_kernels.quantized import int4, int8
from polyloom_kernels.quantized.operation import COMPILED

TEXT = "a b c a b d e a b c f"


@pytest.fixture(autouse=True, scope="module")
def compiled() -> None:
    COMPILED.wait()


def told(made: TransformerModel) -> np.ndarray:
    return made.logits(TEXT).numpy()


class TestQuantised(LanguageModelContract):
    SUM = 1e-4
    CLOSE = 2e-5  # float32 sums in another order

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> TransformerModel:
        return quantised(model("grouped queries", torch.float32))


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("bits", [8, 4])
def test_it_is_the_model_of_its_rounded_weights(name: str, bits: Any) -> None:
    base = model(name, torch.float32)
    found = quantised(base, bits)
    np.testing.assert_allclose(told(found), told(TransformerModel(found.plain, WORDS)), atol=1e-4)
    for name, brick in bricks(found.decoder).items():
        weight = base.decoder.get_submodule(name).weight.numpy()
        rounded = int8(weight) if bits == 8 else int4(weight)
        np.testing.assert_array_equal(brick.weight.numpy(), rounded.dense())


def test_it_shares_what_it_does_not_round_and_the_base_stays() -> None:
    base = model("experts", torch.float32)
    before, digest = told(base), base.digest
    found = quantised(base)
    assert len(bricks(found.decoder)) == 3 * 4 + 3 + 2 * 3  # attention, a dense layer, the shared experts
    assert found.decoder.embedding.weight is base.decoder.embedding.weight
    assert found.decoder.output.weight is base.decoder.output.weight
    assert found.decoder.layers[1].feed_forward.gate is base.decoder.layers[1].feed_forward.gate
    assert TransformerModel(base.decoder, WORDS).digest == digest
    np.testing.assert_array_equal(told(base), before)


@pytest.mark.parametrize(("bits", "most"), [(8, 0.26), (4, 0.135)])
def test_the_maps_take_a_quarter_or_an_eighth(bits: Any, most: float) -> None:
    config = TransformerConfig(WORDS.size, width=256, layers=1, context=8)
    base = TransformerModel.build(config, WORDS)
    held = bricks(quantised(base, bits, 128).decoder)
    weights = sum(4 * brick.in_features * brick.out_features for brick in held.values())
    assert len(held) == 7
    assert sum(tensor.nbytes for brick in held.values() for tensor in brick.buffers()) < most * weights


@pytest.mark.parametrize(("bits", "near"), [(8, 0.06), (4, 1.0)])
def test_it_says_nearly_what_the_base_says(bits: Any, near: float) -> None:
    base = model("grouped queries", torch.float32)
    assert np.abs(told(quantised(base, bits, 32)) - told(base)).max() < near


def test_half_precision_stays_around_the_maps() -> None:
    base = TransformerModel(decoder(CONFIGS["grouped queries"], torch.bfloat16), WORDS)
    found = quantised(base)
    (brick, *_) = bricks(found.decoder).values()
    assert (brick.weight.dtype, brick.scales.dtype) == (torch.bfloat16, torch.float32)
    np.testing.assert_allclose(told(found), told(base), atol=0.2)
    assert found.plain.layers[0].attention.q.weight.dtype == torch.bfloat16


def test_it_is_looked_into_and_cut_like_any_other() -> None:
    found = quantised(model("grouped queries", torch.float32))
    plain = TransformerModel(found.plain, WORDS)
    seen, expected = found.capture(TEXT), plain.capture(TEXT)
    np.testing.assert_allclose(seen.attention, expected.attention, atol=1e-5)
    np.testing.assert_allclose(told(found.ablate(heads=[(0, 1)])), told(plain.ablate(heads=[(0, 1)])), atol=1e-5)
    assert found.to(dtype="float64").decoder.layers[0].attention.q.weight.dtype == torch.float64


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("name", ["grouped queries", "like GPT-2", "experts", "sinusoidal, capped"])
def test_a_file_holds_the_very_same(name: str, bits: Any, tmp_path: Path) -> None:
    found = quantised(model(name, torch.float32), bits, 64)
    found.save(tmp_path / "model.psam")
    again = polyloom.load(tmp_path / "model.psam")
    assert isinstance(again, TransformerModel)
    assert again.digest == found.digest
    assert repr(again) == repr(found)
    np.testing.assert_allclose(told(again), told(found), atol=1e-6)
    held = load_file(tmp_path / "model.psam")
    assert not any(part.endswith("attention.q.weight") for part in held)


def test_a_file_of_half_precision_holds_the_very_same(tmp_path: Path) -> None:
    found = quantised(TransformerModel(decoder(CONFIGS["grouped queries"], torch.bfloat16), WORDS), 4)
    found.save(tmp_path / "model.psam")
    again = polyloom.load(tmp_path / "model.psam")
    assert isinstance(again, TransformerModel)
    np.testing.assert_array_equal(told(again), told(found))


def test_it_replaces_no_folder(tmp_path: Path) -> None:
    folder = model("grouped queries", torch.float32).save(tmp_path / "model")
    with pytest.raises(OSError, match="model"):
        quantised(TransformerModel.load(folder)).save(folder)
    assert TransformerModel.load(folder).config.layers == 3
    shutil.rmtree(folder)


def test_a_damaged_state_is_refused() -> None:
    manifest, arrays = quantised(model("grouped queries", torch.float32)).state()
    name = "weights.blocks.0.attention.q.numbers"
    with pytest.raises(FileError, match=r"missing blocks\.0\.attention\.q\.numbers"):
        restored(manifest, {n: array for n, array in arrays.items() if n != name})
    with pytest.raises(FileError, match=r"blocks\.0\.attention\.q is damaged: expected numbers and scales of"):
        restored(manifest, {**arrays, name: arrays[name].astype(np.float32)})
    with pytest.raises(InputError, match="8 or 4 bits, got bits=3"):
        restored({**manifest, "bits": 3}, arrays)
    with pytest.raises(FileError, match=r"not of this model: blocks\.0\.attention\.q\.more"):
        restored(manifest, {**arrays, "weights.blocks.0.attention.q.more": arrays[name]})


@pytest.mark.parametrize(
    ("given", "say"),
    [
        ({"bits": 16}, "8 or 4 bits, got bits=16"),
        ({"bits": None}, "got bits=None"),
        ({"bits": "8"}, "got bits='8'"),
        ({"bits": 4, "group": 48}, "32, 64, 128, got group=48"),
        ({"bits": 4, "group": None}, "got group=None"),
    ],
)
def test_other_bits_and_groups_are_refused(given: Any, say: str) -> None:
    with pytest.raises(InputError, match=say):
        quantised(model("grouped queries", torch.float32), **given)


def test_what_is_no_model_is_refused() -> None:
    anything: Any = "model"
    with pytest.raises(InputError, match="Expected a TransformerModel to quantise, got str"):
        quantised(anything)


def test_weights_that_are_no_numbers_are_refused() -> None:
    broken = decoder(CONFIGS["grouped queries"], torch.float32)
    broken.layers[0].attention.q.weight[0, 0] = np.nan
    with pytest.raises(InputError, match="cannot be quantised: A weight must be from"):
        quantised(TransformerModel(broken, WORDS))


def test_what_is_quantised_already_is_rounded_the_same() -> None:
    found = quantised(model("grouped queries", torch.float32))
    again = quantised(found)
    for name, brick in bricks(again.decoder).items():
        assert isinstance(brick, QuantisedLinear)
        torch.testing.assert_close(brick.numbers, bricks(found.decoder)[name].numbers)
