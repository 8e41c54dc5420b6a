"""Guessing ahead for a transformer, which reads guesses in one pass and cuts its cache back, across windows too."""

import pytest
import torch

from polyloom import AssociationModel, Layer, Layered, Sampling
from polyloom.generate import Speculation
from polyloom.transformer.config import Attention, TransformerConfig
from polyloom.transformer.model import TransformerModel

CONTEXT = 20  # tokens: a text of 40 is read through several windows


@pytest.fixture(scope="module")
def transformer(sea: AssociationModel) -> TransformerModel:
    torch.set_num_threads(1)
    size = sea.vocabulary.size
    config = TransformerConfig(size, width=16, layers=2, context=CONTEXT, attention=Attention(4, 2), begin=size)
    return TransformerModel.build(config, sea.vocabulary, seed=1)


@pytest.fixture(params=["alone", "linear", "log"])
def model(request: pytest.FixtureRequest, transformer: TransformerModel, sea: AssociationModel) -> object:
    layers = {"sea": Layer(sea, 0.5)}
    return transformer if request.param == "alone" else Layered(transformer, layers, request.param, name="net")


@pytest.mark.parametrize("draft", ["lookup", "sea", "transformer"])
def test_greedy_texts_are_those_without_speculation(
    request: pytest.FixtureRequest, model: TransformerModel | Layered, draft: str
) -> None:
    guessing = Speculation("lookup" if draft == "lookup" else request.getfixturevalue(draft), 4)
    settings = Sampling(0, max_tokens=40)
    plain, guessed = model.generate("At night the", settings), model.generate("At night the", settings, guessing)
    assert [step.token for step in guessed.steps] == [step.token for step in plain.steps]
    for ours, theirs in zip(guessed.steps, plain.steps, strict=True):
        assert ours.log_prob == pytest.approx(theirs.log_prob, abs=1e-5)
        assert ours.shares == pytest.approx(theirs.shares, abs=1e-5)


def test_how_far_ahead_does_not_matter_to_the_text(model: TransformerModel | Layered, sea: AssociationModel) -> None:
    settings = Sampling(0.8, max_tokens=30, seed=1, top_p=0.9)
    found = [model.generate("At night the", settings, Speculation(sea, ahead)) for ahead in (1, 3, 8)]
    assert len({tuple(step.token for step in one.steps) for one in found}) == 1
    assert found[1].fork(7).text == found[1].text


def test_a_transformer_that_guesses_for_itself_needs_few_passes(transformer: TransformerModel) -> None:
    report = transformer.generate("At night", Sampling(seed=3, max_tokens=25), Speculation(transformer, 4)).speculation
    assert (report.acceptance, report.passes) == (1, 6)
