"""From a config to a decoder: the one place where bricks are chosen, put together and given their first weights.

First weights: matrices are drawn from a normal distribution of variance 1 / inputs, those that write to the stream
divided by √(2 · layers), so that its size does not grow with depth (Radford et al. 2019); embeddings have deviation
0.02; norms are 1, biases and gates 0.  The same seed gives the same weights.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from polyloom.errors import InputError
from polyloom.transformer.attention import Attention
from polyloom.transformer.config import Attention as AttentionConfig
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.decoder import Block, Decoder, SoftCap
from polyloom.transformer.experts import Mixture
from polyloom.transformer.feed_forward import feed_forward
from polyloom.transformer.norm import norm
from polyloom.transformer.position import positions

EMBEDDED = 0.02

# Sizes that people start from: with 8,000 pieces 1.8, 6.3, 33 and 146 million parameters (a test counts them).
PRESETS: Mapping[str, TransformerConfig] = {
    "tiny": TransformerConfig(1, width=128, layers=4, context=256, attention=AttentionConfig(4, qk_norm=True)),
    "small": TransformerConfig(1, width=256, layers=6, context=512, attention=AttentionConfig(8, 4, qk_norm=True)),
    "medium": TransformerConfig(1, width=512, layers=10, context=1024, attention=AttentionConfig(8, 4, qk_norm=True)),
    "large": TransformerConfig(1, width=1024, layers=12, context=2048, attention=AttentionConfig(16, 8, qk_norm=True)),
}


def preset(name: str, vocabulary_size: int, begin: int | None = None) -> TransformerConfig:
    """The config of that name for a vocabulary; InputError with the names there are."""
    if name not in PRESETS:
        raise InputError(f"No preset {name!r}; there are {', '.join(PRESETS)}.")
    return replace(PRESETS[name], vocabulary_size=vocabulary_size, begin=begin, rows=0)


@final
class Unset(TorchFunctionMode):
    """Leaves parts without the first weights that torch draws for them: ours come later, or from a file.

    On the meta device drawing them would do nothing, and load a compiler for it.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        del types
        given = kwargs or {}
        drawing = getattr(func, "__module__", None) == "torch.nn.init"
        return (args[0] if args else given["tensor"]) if drawing else func(*args, **given)


def build(config: TransformerConfig, seed: int = 0) -> Decoder:
    """A decoder with its first weights, float32, on the CPU."""
    decoder = assemble(config)
    begin_with(decoder, seed)
    return decoder


def assemble(config: TransformerConfig) -> Decoder:
    """The bricks in their places; the weights are whatever the memory held."""
    with Unset():
        return _assembled(config)


def _assembled(config: TransformerConfig) -> Decoder:
    embedding = nn.Embedding(config.rows, config.width)
    output = nn.Linear(config.width, config.rows, bias=False)
    if config.tied:
        output.weight = embedding.weight
    return Decoder(
        config,
        embedding=embedding,
        positions=positions(config),
        blocks=[_block(config, layer) for layer in range(config.layers)],
        norm=norm(config.norm, config.width),
        output=output,
        cap=nn.Identity() if config.soft_cap is None else SoftCap(config.soft_cap),
        dropout=_dropout(config),
    )


def parameters(config: TransformerConfig) -> int:
    """How many numbers are trained, counted without making them."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in assemble(config).parameters())


def _block(config: TransformerConfig, layer: int) -> Block:
    dense = config.experts is None or layer < config.experts.dense_layers
    return Block(
        norm(config.norm, config.width),
        Attention(config, layer),
        norm(config.norm, config.width),
        feed_forward(config) if dense else Mixture(config, layer),
        _dropout(config),
    )


def _dropout(config: TransformerConfig) -> nn.Module:
    return nn.Dropout(config.dropout) if config.dropout else nn.Identity()


@torch.no_grad()
def begin_with(decoder: Decoder, seed: int) -> None:
    """First weights of a decoder, in place."""
    dice = torch.Generator().manual_seed(seed)
    shrunk = (2 * decoder.config.layers) ** -0.5
    for name, weight in decoder.named_parameters():
        owner, _, last = name.rpartition(".")
        if last == "bias" or owner.endswith("router"):
            weight.zero_()
        elif weight.ndim == 1:
            weight.fill_(1)
        elif owner in ("embedding", "output", "positions"):
            _draw(weight, EMBEDDED, dice)
        else:
            writes = owner.endswith((".o", ".down")) or last == "down"
            _draw(weight, weight.shape[-1] ** -0.5 * (shrunk if writes else 1.0), dice)


def _draw(weight: Tensor, deviation: float, dice: torch.Generator) -> None:
    weight.copy_(torch.randn(weight.shape, generator=dice, dtype=torch.float32) * deviation)
