"""Fitting: only the adapter moves, along the gradient of the whole, and it learns what the base did not know."""

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from decoders import CONFIGS, WORDS, decoder, model
from polyloom import InputError
from polyloom.adapters.adapter import Adapter
from polyloom.adapters.attach import attach, merge
from polyloom.adapters.dora import DoRA
from polyloom.adapters.fit import USUAL, Fitted, fit_adapter, learning
from polyloom.adapters.ia3 import IA3
from polyloom.adapters.lora import LoRA
from polyloom.adapters.method import Method
from polyloom.train.settings import Training
from polyloom.transformer.model import TransformerModel
from toolkit.adapters.learned import learned

TEXTS = ["a b c d e f g h"] * 12
FEW = replace(USUAL, steps=30, learning_rate=0.02, batch=4, length=8, evaluate_every=10, sample_tokens=0)


@pytest.fixture(scope="module")
def base() -> TransformerModel:
    return TransformerModel(decoder(CONFIGS["grouped queries"], torch.float32), WORDS)


def fitted(base: TransformerModel, method: Method | Adapter, training: Training = FEW, **more: Any) -> Fitted:
    return fit_adapter(base, TEXTS, method, training, held_out=TEXTS[:1], progress=False, **more)


@pytest.mark.parametrize("method", [LoRA(4), LoRA(4, stabilised=True), DoRA(4), IA3()], ids=lambda m: m.kind)
def test_it_learns_and_the_base_stays(base: TransformerModel, method: Method) -> None:
    digest = base.digest
    found = fitted(base, method, replace(FEW, learning_rate=0.1) if isinstance(method, IA3) else FEW)
    assert TransformerModel(base.decoder, WORDS).digest == digest
    assert not any(part.training for part in base.decoder.modules())
    assert found.model.perplexity(TEXTS[:1]) < (0.8 if isinstance(method, IA3) else 0.5) * base.perplexity(TEXTS[:1])
    best = min(evaluation.loss for evaluation in found.history.evaluations)
    assert float(np.log(found.model.perplexity(TEXTS[:1]))) == pytest.approx(best, abs=1e-4)
    np.testing.assert_allclose(
        merge(found.model).log_likelihood(TEXTS[0]), found.model.log_likelihood(TEXTS[0]), atol=1e-4
    )
    assert found.stopped == "steps"


@pytest.mark.parametrize("method", [LoRA(3), DoRA(3), IA3()], ids=lambda m: m.kind)
def test_gradients_are_those_of_the_merged_weights(base: TransformerModel, method: Method) -> None:
    """By the chain rule: dL/dt of a tensor is the change of L along the merged weights that t makes."""
    adapter = learned(method, base)
    network = learning(base.decoder, adapter, FEW)
    ids = torch.tensor(WORDS.encode("a b c d e f"))[None]
    loss = torch.nn.functional.cross_entropy(network(ids)[0, :-1], ids[0, 1:])
    loss.backward()
    asked = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
    assert len(asked) == len(adapter.tensors)
    name = next(iter(asked))
    if method.kind == "dora":
        name = next(name for name in asked if name.endswith("magnitude"))
    weight, step = asked[name], 1e-2
    grad = weight.grad
    assert grad is not None
    at = int(grad.abs().argmax())
    losses: list[float] = []
    for sign in (1, -1):
        moved = copy.deepcopy(network)
        with torch.no_grad():
            dict(moved.named_parameters())[name].view(-1)[at] += sign * step
            logits = moved(ids)[0, :-1].double()
        losses.append(float(torch.nn.functional.cross_entropy(logits, ids[0, 1:])))
    assert float(grad.view(-1)[at]) == pytest.approx((losses[0] - losses[1]) / (2 * step), rel=0.03, abs=1e-4)


def test_a_run_repeats_and_goes_on_where_it_was(base: TransformerModel, tmp_path: Path) -> None:
    whole, again = fitted(base, LoRA(2)), fitted(base, LoRA(2))

    def stop(progress: Any) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    first = fitted(base, LoRA(2), folder=tmp_path / "run", callbacks=[stop])
    assert first.stopped == "interrupted"
    rest = fitted(base, LoRA(2), folder=tmp_path / "run")
    for other in (again, rest):
        for name, tensor in whole.last.tensors.items():
            torch.testing.assert_close(other.last.tensors[name], tensor, atol=0, rtol=0)


def test_one_goes_on_from_an_adapter_and_stands_on_others(base: TransformerModel) -> None:
    one = fitted(base, LoRA(2))
    more = fitted(base, one.adapter)
    assert more.history.steps[0].loss < one.history.steps[0].loss
    over = fitted(one.model, DoRA(2), replace(FEW, steps=4))
    assert over.model.provenance is not None
    assert attach(one.model, over.adapter).digest == over.model.digest


def test_a_base_of_another_dtype_is_fitted_in_single_precision() -> None:
    base = model()
    found = fitted(base, LoRA(2), replace(FEW, steps=4))
    assert {weight.dtype for weight in base.decoder.parameters()} == {torch.float64}
    assert {tensor.dtype for tensor in found.adapter.tensors.values()} == {torch.float32}


def test_what_cannot_be_fitted_is_refused(base: TransformerModel) -> None:
    with pytest.raises(InputError, match="Expected a method"):
        fit_adapter(base, TEXTS, "lora")  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="Expected a TransformerModel"):
        fit_adapter("tiny", TEXTS, LoRA(2))  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="does not fit"):
        fit_adapter(base, TEXTS, learned(LoRA(2), model("like GPT-2")), progress=False)
