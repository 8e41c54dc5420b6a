"""Small decoders of every kind of brick, and one whose every number is known, for the tests that look inside.

`copier()` says again the token before the last.  Its stream is a one-hot token, a one-hot place and a one-hot answer;
its only working head looks one place back, since the query of place t is the key of place t − 1, and copies the token
that it finds there into the answer.
"""

from dataclasses import replace

import torch

from polyloom import Vocabulary, WordVocabulary
from polyloom.transformer.build import build
from polyloom.transformer.config import Attention, Experts, FeedForward, Norm, Position, Scaling, TransformerConfig
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.model import TransformerModel

torch.set_num_threads(1)

WORDS = WordVocabulary([*"abcdefghijklmnopqrstuvw", "</s>"])
BASE = TransformerConfig(
    WORDS.size, width=16, layers=3, context=40, attention=Attention(4, 2, qk_norm=True), begin=WORDS.sentence_end
)
CONFIGS = {
    "grouped queries": BASE,
    "like GPT-2": replace(
        BASE,
        norm=Norm("layer", 1e-5),
        position=Position("learned"),
        attention=Attention(4, bias=True, output_bias=True),
        feed_forward=FeedForward("gelu_tanh", bias=True),
        begin=None,
    ),
    "sinusoidal, capped": replace(
        BASE, position=Position("sinusoidal"), begin=WORDS.size, rows=0, tied=False, soft_cap=3.0, opens=False
    ),
    "layer norm, ReLU²": replace(BASE, norm=Norm("layer"), feed_forward=FeedForward("relu2"), tied=False),
    "no positions, GELU": replace(BASE, position=Position("none"), feed_forward=FeedForward("gelu", bias=True)),
    "sliding window": replace(BASE, attention=Attention(4, 1, window=5, full_layers=1, bias=True)),
    "experts": replace(BASE, experts=Experts(6, 2, shared=1, dense_layers=1)),
    "sigmoid gate": replace(BASE, experts=Experts(4, 1, gate="sigmoid", normalise=False), soft_cap=4.0),
    "longer than trained": replace(BASE, position=Position("rotary", scaling=Scaling("dynamic", 2.0, 12))),
    "YaRN": replace(BASE, position=Position("rotary", scaling=Scaling("yarn", 4.0, 12)), dropout=0.2),
}


def decoder(config: TransformerConfig, dtype: torch.dtype = torch.float64, seed: int = 5) -> Decoder:
    """Random weights, larger than first ones, none of them 0 or 1, so that everything matters."""
    made, dice = build(config, seed), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            noise = torch.randn(weight.shape, generator=dice)
            weight.copy_(weight * 1.5 + (0.3 if weight.ndim == 1 or "router" in name else 0.02) * noise)
        if config.position.kind == "learned":
            made.positions.weight.normal_(generator=dice)
        for mixture in made.mixtures.values():
            mixture.router.bias.normal_(std=0.1, generator=dice)
    return made.to(dtype).eval().requires_grad_(False)


def model(name: str = "grouped queries", dtype: torch.dtype = torch.float64, seed: int = 5) -> TransformerModel:
    return TransformerModel(decoder(CONFIGS[name], dtype, seed), WORDS)


LETTERS = WordVocabulary([*"abcdef"])
PLACES, GAIN, SHARP = 8, 3.0, 40.0


def copier(vocabulary: Vocabulary = LETTERS) -> TransformerModel:
    """See the module; the head that works is 0 of two."""
    count, places = vocabulary.size, PLACES
    width = 2 * count + places
    config = TransformerConfig(
        count,
        width=width,
        layers=1,
        context=places,
        norm=Norm("rms", 0.0),
        position=Position("learned"),
        attention=Attention(heads=2, head_size=places),
        tied=False,
    )
    made = build(config).double()
    with torch.no_grad():
        for weight in made.parameters():
            weight.fill_(1.0 if weight.ndim == 1 else 0.0)
        made.embedding.weight[:, :count] = torch.eye(count)
        made.positions.weight[:, count : count + places] = torch.eye(places)
        attention, token, answer = made.layers[0].attention, torch.arange(count), width - count + torch.arange(count)
        at = torch.arange(places)
        attention.q.weight[at[:-1], count + at[1:]] = SHARP
        attention.k.weight[at, count + at] = 1.0
        attention.v.weight[token, token] = 1.0
        attention.o.weight[answer, token] = 1.0
        made.output.weight[token, answer] = GAIN
    return TransformerModel(made, vocabulary)
