"""What torch itself can do with one token at a time: the peers of `bench_int8`, written as for speed.

One module of the same weights: queries, keys and values in one linear layer, gate and up in another, a cache of fixed
size, no Python but the loop over layers.  As it is, in bfloat16, compiled, and with the linear layers in int8, of which
torch has two: `quantize_dynamic`, which rounds what comes in, and `_weight_int8pack_mm`, which does not.
"""

import copy
import warnings
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from polyloom.transformer.decoder import Decoder
from polyloom.transformer.feed_forward import SwiGLU
from polyloom.transformer.norm import RMSNorm
from polyloom.transformer.position import Rotation

Step = Callable[[int, int], int]


class Layer(nn.Module):
    """One block of a Qwen3."""

    def __init__(self, decoder: Decoder, number: int, room: int) -> None:
        super().__init__()
        block, config = decoder.layers[number], decoder.config.attention
        attention, inner = block.attention, cast("SwiGLU", block.feed_forward)
        self.heads, self.kv_heads, self.size = config.heads, config.kv_heads, config.head_size
        self.first, self.second = block.attention_norm.weight, block.feed_forward_norm.weight
        self.of_query = cast("RMSNorm", attention.q_norm).weight
        self.of_key = cast("RMSNorm", attention.k_norm).weight
        self.joint = linear(torch.cat([attention.q.weight, attention.k.weight, attention.v.weight]))
        self.out, self.down = linear(attention.o.weight), linear(inner.down.weight)
        self.up = linear(torch.cat([inner.gate.weight, inner.up.weight]))
        self.register_buffer("cache", torch.zeros(2, self.kv_heads, room, self.size), persistent=False)
        self.cache: Tensor

    def forward(self, x: Tensor, place: Tensor, cosine: Tensor, sine: Tensor, mask: Tensor) -> Tensor:
        """x (1, d) after the block."""
        sizes = (self.heads, self.kv_heads, self.kv_heads)
        joint = self.joint(normal(x, self.first)).view(-1, self.size)
        query, key, value = joint.split(sizes)
        query, key = (turn(normal(q, g), cosine, sine) for q, g in ((query, self.of_query), (key, self.of_key)))
        self.cache[0].index_copy_(1, place, key[:, None].to(self.cache.dtype))
        self.cache[1].index_copy_(1, place, value[:, None].to(self.cache.dtype))
        shared = query.view(1, self.kv_heads, -1, self.size)
        seen = functional.scaled_dot_product_attention(shared, self.cache[0, None], self.cache[1, None], mask)
        x = x + self.out(seen.reshape(1, -1))
        gate, up = self.up(normal(x, self.second)).chunk(2, -1)
        return x + self.down(functional.silu(gate) * up)


class Plain(nn.Module):
    """A decoder with room for so many places, which answers one token after the other."""

    def __init__(self, decoder: Decoder, room: int) -> None:
        super().__init__()
        weight = decoder.embedding.weight.detach()
        self.embedding = nn.Embedding(weight.shape[0], weight.shape[1], _weight=weight.clone())
        self.layers = nn.ModuleList(Layer(decoder, number, room) for number in range(decoder.config.layers))
        self.norm, self.output = decoder.norm.weight, linear(decoder.output.weight)
        turning = cast("Rotation", decoder.positions.turning(torch.arange(room)[None], room))
        self.register_buffer("turning", torch.stack([turning.cosine[0, 0], turning.sine[0, 0]]), persistent=False)
        later = torch.triu(torch.full((room, room), float("-inf")), 1)[:, None, :]
        self.register_buffer("mask", later, persistent=False)
        self.turning: Tensor
        self.mask: Tensor

    def forward(self, token: Tensor, place: Tensor) -> Tensor:
        """Logits (1, V) after a token (1,) that stands at `place` (1,)."""
        x = self.embedding(token)
        (cosine, sine), mask = self.turning[:, place], self.mask[place][None]
        for layer in self.layers:
            x = layer(x, place, cosine.to(x.dtype), sine.to(x.dtype), mask.to(x.dtype))
        return self.output(normal(x, self.norm))


class Packed(nn.Module):
    """A linear layer with a weight of int8 and a scale for each row, read by a kernel of torch for bfloat16."""

    def __init__(self, given: nn.Linear) -> None:
        super().__init__()
        weight = given.weight.float()
        scales = weight.abs().amax(1) / 127
        self.register_buffer("weight", (weight / scales[:, None]).round().to(torch.int8))
        self.register_buffer("scales", scales.to(torch.bfloat16))

    def forward(self, x: Tensor) -> Tensor:
        """W x."""
        return cast("Any", torch)._weight_int8pack_mm(x, self.weight, self.scales)


def linear(weight: Tensor) -> nn.Linear:
    """A layer with this weight."""
    rows, columns = weight.shape
    found = nn.Linear(columns, rows, bias=False, device="meta")
    found.weight = nn.Parameter(weight.detach().clone(), requires_grad=False)
    return found


def normal(x: Tensor, gain: Tensor) -> Tensor:
    """RMS norm."""
    return functional.rms_norm(x, x.shape[-1:], gain.to(x.dtype), 1e-6)


def turn(x: Tensor, cosine: Tensor, sine: Tensor) -> Tensor:
    """The halves of each head turned."""
    first, second = x.chunk(2, -1)
    return x * cosine + torch.cat([-second, first], -1) * sine


def variants(decoder: Decoder, room: int) -> dict[str, Callable[[], Step]]:
    """What makes the step of each way, by name; each has a cache of its own."""
    return {
        "float32": lambda: stepped(Plain(decoder, room)),
        "bfloat16": lambda: stepped(Plain(decoder, room).to(torch.bfloat16)),
        "bfloat16, compiled": lambda: stepped(compiled(Plain(decoder, room).to(torch.bfloat16))),
        "int8 weights": lambda: stepped(packed(Plain(decoder, room).to(torch.bfloat16))),
        "dynamic int8": lambda: stepped(dynamic(Plain(decoder, room))),
    }


def compiled(model: Plain) -> Any:
    """The same, compiled for one token."""
    return cast("Any", torch).compile(model, dynamic=False)


def packed(model: Plain) -> Plain:
    """The linear layers in int8, and nothing else."""
    for layer in [model, *model.layers]:
        for name, part in list(layer.named_children()):
            if isinstance(part, nn.Linear):
                setattr(layer, name, Packed(part))
    return model


def dynamic(model: Plain) -> Any:
    """The linear layers in int8, and what they are given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it will move to another package
        return cast("Any", torch).ao.quantization.quantize_dynamic(copy.deepcopy(model), {nn.Linear}, torch.qint8)


def stepped(model: Any) -> Step:
    """The likeliest token after one that stands at a place."""

    @torch.no_grad()
    def step(token: int, place: int) -> int:
        return int(model(torch.tensor([token]), torch.tensor([place])).argmax())

    step(0, 0)  # made ready
    return step
