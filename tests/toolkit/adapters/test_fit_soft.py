"""Fitting soft prompts: packed rows are read as documents one by one are, after the prompt; and it learns."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from decoders import CONFIGS, WORDS, decoder, model
from polyloom import InputError
from polyloom.adapters.attach import attach
from polyloom.adapters.fit import SOFT, Fitted, fit_adapter, learning
from polyloom.adapters.lora import LoRA
from polyloom.adapters.soft_prompt import SoftPrompt
from polyloom.train.objectives import NOTHING
from polyloom.train.packing import Block, packed
from polyloom.train.step import prepared
from polyloom.transformer.model import TransformerModel

TEXTS = ["a b c d e f g h"] * 12
FEW = replace(SOFT, steps=30, batch=4, length=9, evaluate_every=10, sample_tokens=3)


@pytest.fixture(scope="module")
def base() -> TransformerModel:
    return TransformerModel(decoder(CONFIGS["grouped queries"], torch.float32), WORDS)


def fitted(base: TransformerModel, method: Any, training: Any = FEW, **more: Any) -> Fitted:
    return fit_adapter(base, TEXTS, method, training, held_out=TEXTS[:1], progress=False, **more)


# Scaled frequencies go by the length of the row, which packing makes another one.
@pytest.mark.parametrize("name", [name for name, config in CONFIGS.items() if config.position.scaling is None])
def test_packed_rows_are_read_as_each_document_after_the_prompt(name: str) -> None:
    base = model(name)
    prompt = SoftPrompt.of_text("e f g", base)
    alone = attach(base, prompt)
    documents = ["a b c a b d", "c", "d c b a d c b"]
    begin = base.config.begin if base.config.opens else None
    rows = list(packed([WORDS.encode(text) for text in documents], 19, begin))
    network = alone.decoder
    tokens, numbers, targets = prepared(Block(*(part[None] for part in rows[0])), torch.device("cpu"), network.soft)
    with torch.no_grad():
        logits = network(tokens, numbers)[0, :, : WORDS.size]
    found = logits.log_softmax(-1)[torch.arange(len(logits)), targets[0].clamp_min(0)][targets[0] != NOTHING]
    skip = 0 if begin is not None else 1  # without a begin token the first is predicted by nobody's row
    wanted = np.concatenate([alone.log_likelihood(text)[skip:] for text in documents])
    np.testing.assert_allclose(found.numpy(), wanted[: len(found)], atol=1e-9)
    assert len(found) >= len(wanted) - 1


def test_it_learns_and_all_else_stays(base: TransformerModel) -> None:
    digest, prompt = base.digest, SoftPrompt.random(4, base)
    found = fitted(base, prompt)
    assert TransformerModel(base.decoder, WORDS).digest == digest
    assert isinstance(found.adapter, SoftPrompt)
    assert found.adapter.vectors.shape == (4, 16)
    assert found.model.perplexity(TEXTS[:1]) < 0.9 * attach(base, prompt).perplexity(TEXTS[:1])
    assert attach(base, found.adapter).digest == found.model.digest
    best = min(evaluation.loss for evaluation in found.history.evaluations)
    assert float(np.log(found.model.perplexity(TEXTS[:1]))) == pytest.approx(best, abs=1e-4)


def test_a_run_goes_on_where_it_was_and_from_a_prompt(base: TransformerModel, tmp_path: Path) -> None:
    prompt = SoftPrompt.of_words(3, base)
    whole = fitted(base, prompt)

    def stop(progress: Any) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    assert fitted(base, prompt, folder=tmp_path / "run", callbacks=[stop]).stopped == "interrupted"
    rest = fitted(base, prompt, folder=tmp_path / "run")
    torch.testing.assert_close(rest.last.tensors["vectors"], whole.last.tensors["vectors"], atol=0, rtol=0)
    more = fitted(base, whole.last)
    assert more.history.steps[0].loss < whole.history.steps[0].loss


def test_an_adapter_is_fitted_after_a_prompt(base: TransformerModel) -> None:
    prompted = attach(base, SoftPrompt.of_text("a a", base))
    found = fitted(prompted, LoRA(2), replace(FEW, learning_rate=0.02))
    assert found.model.perplexity(TEXTS[:1]) < 0.8 * prompted.perplexity(TEXTS[:1])
    best = min(evaluation.loss for evaluation in found.history.evaluations)
    assert float(np.log(found.model.perplexity(TEXTS[:1]))) == pytest.approx(best, abs=1e-4)


def test_where_a_prompt_may_begin() -> None:
    base = model()
    weight = base.decoder.embedding.weight
    a, b = (weight[WORDS.id_of(piece)] for piece in "ab")
    torch.testing.assert_close(SoftPrompt.of_text("a b", base, 5).vectors, torch.stack([a, b, a, b, a]))
    torch.testing.assert_close(SoftPrompt.of_text("a b a", base, 2).vectors, torch.stack([a, b]))
    drawn = SoftPrompt.of_words(50, base, seed=1).vectors
    assert all((weight == row).all(1).any() for row in drawn)
    assert sum(not (drawn == row).all(1)[:at].any() for at, row in enumerate(drawn)) > 10
    free = SoftPrompt.random(500, base, seed=1).vectors
    assert float(free.std()) == pytest.approx(float(weight.std()), rel=0.05)
    for make in (SoftPrompt.of_words, SoftPrompt.random):
        torch.testing.assert_close(make(3, base, seed=2).vectors, make(3, base, seed=2).vectors)
        for wrong in (0, -1, "3", True, None):
            with pytest.raises(InputError, match="vectors must be a whole number"):
                make(wrong, base)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="at least one token"):
        SoftPrompt.of_text("", base)


def test_what_does_not_fit_is_refused(base: TransformerModel) -> None:
    with pytest.raises(InputError, match="8 wide, the model 16"):
        fitted(base, SoftPrompt(torch.ones(2, 8)))
    with pytest.raises(InputError, match="soft prompt already"):
        fitted(attach(base, SoftPrompt.random(2, base)), SoftPrompt.random(2, base))
    with pytest.raises(InputError, match="length must be at most 37"):
        fitted(base, SoftPrompt.random(3, base), replace(FEW, length=38))
    assert learning(base.decoder, SoftPrompt.random(3, base), FEW).soft == (24, 25, 26)
