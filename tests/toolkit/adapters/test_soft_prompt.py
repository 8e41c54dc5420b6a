"""Soft prompts: vectors before every text; those of words are these words."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import polyloom
from contract import LanguageModelContract
from decoders import CONFIGS, WORDS, decoder, model
from polyloom import InputError
from polyloom.adapters.attach import attach, detach, merge
from polyloom.adapters.bank import AdapterBank
from polyloom.adapters.lora import LoRA
from polyloom.adapters.soft_prompt import SoftPrompt
from polyloom.train.loop import train
from polyloom.transformer.model import TransformerModel
from toolkit.adapters.learned import learned

TEXT = "a b c a b d"


def prompt(n: int = 3, width: int = 16) -> SoftPrompt:
    return SoftPrompt(torch.randn(n, width, generator=torch.Generator().manual_seed(n), dtype=torch.float64))


class TestSoftPrompt(LanguageModelContract):
    SUM = 1e-4

    @pytest.fixture(scope="class", params=["grouped queries", "like GPT-2", "sinusoidal, capped"])
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> TransformerModel:
        return attach(model(request.param), prompt())


@pytest.mark.parametrize("name", ["like GPT-2", "grouped queries", "sliding window", "longer than trained"])
def test_the_vectors_of_words_are_these_words(name: str) -> None:
    base = TransformerModel(decoder(replace(CONFIGS[name], begin=None)), WORDS)
    found = attach(base, SoftPrompt.of_text("e f", base))
    torch.testing.assert_close(found.logits(TEXT), base.logits(f"e f {TEXT}")[2:], atol=1e-6, rtol=0)
    np.testing.assert_allclose(found.log_likelihood(TEXT), base.log_likelihood(f"e f {TEXT}")[2:], atol=1e-9)
    np.testing.assert_allclose(found.begin().distribution(), base.begin("e f").distribution(), atol=1e-9)
    assert found.context == 38


def test_a_file_holds_it(tmp_path: Path) -> None:
    found = attach(model(), prompt())
    again = polyloom.load(found.save(tmp_path / "x.psamc"))
    assert again.digest == found.digest != attach(model(), prompt(4)).digest
    np.testing.assert_array_equal(again.log_likelihood(TEXT), found.log_likelihood(TEXT))
    assert "soft prompt at 1, 1 of 1 tensors bound" in repr(again)


def test_it_stands_beside_adapters_and_in_a_bank() -> None:
    base = model()
    adapter = learned(LoRA(2), base)
    both, turned = attach(attach(base, prompt()), adapter), attach(attach(base, adapter), prompt())
    torch.testing.assert_close(both.logits(TEXT), turned.logits(TEXT), atol=1e-9, rtol=0)
    bank = AdapterBank(base, {"soft": prompt(), "longer": prompt(5), "low": adapter})
    asked: list[Any] = ["soft", "longer", "low", None, {"soft": 1.0, "low": 1.0}]
    places = [bank.begin("a b", wanted) for wanted in asked]
    for token in (1, 2, 3):
        for place, row in zip(places, bank.step(places), strict=True):
            np.testing.assert_allclose(row, place.model.begin(place.tokens).distribution(), atol=1e-9)
            place.advance(token)


def test_one_token_at_a_time_does_not_forget_it() -> None:
    base = TransformerModel(decoder(CONFIGS["grouped queries"], torch.float32), WORDS)
    place = attach(base, prompt()).begin("a b")
    for piece in TEXT.split():
        place.advance(piece)
        np.testing.assert_allclose(place.distribution(), place.model.begin(place.tokens).distribution(), atol=2e-5)


def test_it_is_looked_into() -> None:
    found = attach(model(), prompt())
    assert found.capture(TEXT).heads.shape[-2] == 10  # three vectors, the begin token, six words


def test_what_cannot_be_is_refused() -> None:
    base = model()
    found = attach(base, prompt())
    assert detach(found) is base
    for act in (merge, lambda m: m.ablate(layers=[0]), lambda m: m.to(dtype="float32"), lambda m: train(m, [TEXT])):
        with pytest.raises(InputError, match="cannot be merged"):
            act(found)
    with pytest.raises(InputError, match="soft prompt already"):
        attach(found, prompt())
    with pytest.raises(InputError, match="8 wide, the model 16"):
        attach(base, prompt(3, 8))
    with pytest.raises(InputError, match="no room in a context of 40"):
        attach(base, prompt(39))
    with pytest.raises(InputError, match="scale must be 1"):
        attach(base, prompt(), 0.5)
    for bad in (torch.zeros(3), torch.zeros(0, 16), torch.full((2, 16), float("nan"))):
        with pytest.raises(InputError, match="a matrix"):
            SoftPrompt(bad)
