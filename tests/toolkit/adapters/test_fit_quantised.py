"""Adapters over a base of 8 or 4 bits: gradients pass through it, it stays to the bit, all is as over its weights."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import polyloom
from decoders import CONFIGS, WORDS, decoder
from polyloom.adapters.adapter import Adapter
from polyloom.adapters.attach import attach, detach, merge
from polyloom.adapters.bank import AdapterBank
from polyloom.adapters.dora import DoRA
from polyloom.adapters.fit import USUAL, fit_adapter, learning
from polyloom.adapters.ia3 import IA3
from polyloom.adapters.lora import LoRA
from polyloom.adapters.method import Method
from polyloom.adapters.peft_folder import read_adapter, write_adapter
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.quantised import bricks, quantised
from polyloom_kernels.quantized.operation import COMPILED
from toolkit.adapters.learned import learned

TEXTS = ["a b c d e f g h"] * 12
FEW = replace(USUAL, steps=30, learning_rate=0.02, batch=4, length=8, evaluate_every=10, sample_tokens=0)
METHODS = [LoRA(4), DoRA(4), IA3()]


@pytest.fixture(scope="module")
def exact() -> TransformerModel:
    COMPILED.wait()
    return TransformerModel(decoder(CONFIGS["grouped queries"], torch.float32), WORDS)


@pytest.fixture(scope="module", params=[8, 4])
def base(exact: TransformerModel, request: pytest.FixtureRequest) -> TransformerModel:
    return quantised(exact, request.param, 32)


def plain(base: TransformerModel) -> TransformerModel:
    """The same base, its maps as the float32 that the numbers stand for."""
    return TransformerModel(base.plain, WORDS)


@pytest.mark.long
@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kind)
def test_it_learns_as_over_plain_weights_and_the_base_stays(base: TransformerModel, method: Method) -> None:
    held = {name: tensor.clone() for name, tensor in base.decoder.state_dict().items()}
    training = replace(FEW, learning_rate=0.1) if isinstance(method, IA3) else FEW
    ours, theirs = (fit_adapter(one, TEXTS, method, training, TEXTS[:1], progress=False) for one in (base, plain(base)))
    assert ours.model.perplexity(TEXTS[:1]) < (0.8 if isinstance(method, IA3) else 0.5) * base.perplexity(TEXTS[:1])
    assert ours.model.perplexity(TEXTS[:1]) == pytest.approx(theirs.model.perplexity(TEXTS[:1]), rel=0.02)
    now = base.decoder.state_dict()
    assert all(torch.equal(tensor, now[name]) for name, tensor in held.items())
    assert detach(ours.model) is base
    assert len(bricks(ours.model.decoder)) == len(bricks(base.decoder))


def test_it_ends_about_where_training_over_the_exact_base_ends(exact: TransformerModel) -> None:
    ours, theirs = (
        fit_adapter(one, TEXTS, LoRA(4), FEW, TEXTS[:1], progress=False).model for one in (quantised(exact), exact)
    )
    assert ours.perplexity(TEXTS[:1]) == pytest.approx(theirs.perplexity(TEXTS[:1]), rel=0.1)


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kind)
def test_gradients_are_those_over_plain_weights(base: TransformerModel, method: Method) -> None:
    adapter = learned(method, base)
    ids = torch.tensor(WORDS.encode("a b c d e f"))[None]
    found: list[dict[str, torch.Tensor]] = []
    for one in (base, plain(base)):
        network = learning(one.decoder, adapter, FEW)
        torch.nn.functional.cross_entropy(network(ids)[0, :-1], ids[0, 1:]).backward()
        found.append({name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None})
    ours, theirs = found
    assert set(ours) == set(theirs)
    assert len(ours) == len(adapter.tensors)
    for name, gradient in ours.items():
        torch.testing.assert_close(gradient, theirs[name], atol=1e-4, rtol=1e-3)


def test_a_base_of_half_precision_is_widened_around_its_numbers() -> None:
    base = quantised(TransformerModel(decoder(CONFIGS["grouped queries"], torch.bfloat16), WORDS))
    network = learning(base.decoder, Adapter.first(LoRA(2), base), FEW)
    assert {weight.dtype for weight in network.parameters()} == {torch.float32}
    assert base.decoder.embedding.weight.dtype == torch.bfloat16
    for name, brick in bricks(base.decoder).items():
        held = network.get_submodule(f"{name}.linear")
        assert held.numbers.data_ptr() == brick.numbers.data_ptr()
        assert held.scales.dtype == torch.float32
    assert fit_adapter(base, TEXTS, LoRA(2), replace(FEW, steps=3), progress=False).stopped == "steps"


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.kind)
def test_attached_and_merged_it_says_the_same(base: TransformerModel, method: Method) -> None:
    adapted = attach(base, learned(method, base), 0.7)
    merged = merge(adapted)
    assert not bricks(merged.decoder)
    np.testing.assert_allclose(merged.logits("a b c").numpy(), adapted.logits("a b c").numpy(), atol=1e-4)


def test_a_bank_serves_adapters_over_it(base: TransformerModel) -> None:
    bank = AdapterBank(base, {method.kind: learned(method, base, n) for n, method in enumerate(METHODS)})
    places = [bank.begin("a b c", name) for name in ("lora", None, "dora", "ia3")]
    found = bank.step(places)
    for row, place in zip(found, places, strict=True):
        np.testing.assert_allclose(row, place.model.begin(place.tokens).distribution(), atol=1e-4)


def test_a_run_goes_on_where_it_was(base: TransformerModel, tmp_path: Path) -> None:
    whole = fit_adapter(base, TEXTS, LoRA(2), FEW, TEXTS[:1], progress=False)

    def stop(progress: Any) -> None:
        if progress.step == 15:
            raise KeyboardInterrupt

    first = fit_adapter(base, TEXTS, LoRA(2), FEW, TEXTS[:1], tmp_path, callbacks=[stop], progress=False)
    assert first.stopped == "interrupted"
    found = fit_adapter(base, TEXTS, LoRA(2), FEW, TEXTS[:1], tmp_path, progress=False)
    for name, tensor in whole.last.tensors.items():
        assert torch.equal(found.last.tensors[name], tensor), name


def test_files_hold_base_and_adapter(base: TransformerModel, tmp_path: Path) -> None:
    adapted = attach(base, learned(LoRA(2), base))
    adapted.save(tmp_path / "adapted.psam")
    again = polyloom.load(tmp_path / "adapted.psam")
    assert again.digest == adapted.digest
    write_adapter(learned(LoRA(2), base), tmp_path / "peft", base)
    adapter = read_adapter(tmp_path / "peft", base)
    assert isinstance(adapter, Adapter)
    np.testing.assert_allclose(attach(base, adapter).logits("a b").numpy(), adapted.logits("a b").numpy(), atol=1e-5)
