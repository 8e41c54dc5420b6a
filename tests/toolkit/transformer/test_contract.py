"""Transformers of every kind keep the laws of a language model, in mixes too."""

from dataclasses import replace

import pytest
import torch

from contract import LanguageModelContract
from polyloom import AssociationModel, Layer, Layered, Vocabulary, WordVocabulary
from polyloom.transformer.config import (
    Attention,
    Experts,
    FeedForward,
    Norm,
    Position,
    Scaling,
    TransformerConfig,
)
from polyloom.transformer.model import TransformerModel

WORDS = WordVocabulary([*"abcdefghijklmnopqrstuvw", "</s>"])
BEGIN = WORDS.sentence_end
BASE = TransformerConfig(
    WORDS.size, width=16, layers=2, context=48, attention=Attention(4, 2, qk_norm=True), begin=BEGIN
)

CONFIGS = {
    "grouped queries": BASE,
    "like GPT-2": replace(
        BASE,
        norm=Norm("layer", 1e-5),
        position=Position("learned"),
        attention=Attention(4, bias=True, output_bias=True),
        feed_forward=FeedForward("gelu_tanh", bias=True),
        opens=False,
    ),
    "begin of its own": replace(
        BASE, begin=WORDS.size, rows=0, tied=False, soft_cap=4.0, feed_forward=FeedForward("relu2")
    ),
    "nothing before": replace(BASE, begin=None, position=Position("sinusoidal"), feed_forward=FeedForward("gelu")),
    "sliding window": replace(BASE, attention=Attention(4, 1, window=5, full_layers=1)),
    "experts": replace(BASE, experts=Experts(4, 2, shared=1), dropout=0.1),
    "sigmoid gate": replace(BASE, experts=Experts(4, 1, gate="sigmoid", normalise=False, dense_layers=1)),
    "longer than trained": replace(BASE, position=Position("rotary", scaling=Scaling("dynamic", 2.0, 12))),
    "YaRN": replace(BASE, position=Position("rotary", scaling=Scaling("yarn", 4.0, 12))),
}


def made(
    config: TransformerConfig, dtype: torch.dtype = torch.float64, vocabulary: Vocabulary = WORDS
) -> TransformerModel:
    """First weights, larger than usual, so that what is read matters."""
    decoder = TransformerModel.build(config, vocabulary, seed=5).decoder
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.mul_(1.5)
        for mixture in decoder.mixtures.values():
            torch.nn.init.normal_(mixture.router.weight, generator=torch.Generator().manual_seed(1))
        if config.position.kind == "learned":
            torch.nn.init.normal_(decoder.positions.weight, generator=torch.Generator().manual_seed(2))
    return TransformerModel(decoder.to(dtype), vocabulary)


class TestTransformer(LanguageModelContract):
    SUM = 1e-4  # the terms of a network in floating point

    @pytest.fixture(scope="class", params=CONFIGS)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> TransformerModel:
        return made(CONFIGS[request.param])


@pytest.mark.long
class TestSinglePrecision(LanguageModelContract):
    SUM = 1e-4
    CLOSE = 2e-5  # float32 sums in another order

    @pytest.fixture(scope="class")
    @classmethod
    def model(cls) -> TransformerModel:
        return made(BASE, torch.float32)


@pytest.mark.long
class TestHybrid(LanguageModelContract):
    SUM = 1e-4

    @pytest.fixture(scope="class", params=["linear", "log"])
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> Layered:
        counts = AssociationModel.fit(["a b c d e f g h", "c d a b"], WORDS, order=3)
        return Layered(made(BASE), {"counts": Layer(counts, 0.5)}, pool=request.param)
