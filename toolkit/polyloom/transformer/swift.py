"""One token of one text in one compiled call, which reads every weight once and is held up by memory alone.

It knows decoders of the Llama kind on a CPU: RMS norms, rotary positions or none, SwiGLU, no experts, no adapters,
weights of float32 or bfloat16.  Others, and all until the code is compiled, are read brick by brick; logits differ in
the last bits.  The weights are those of the decoder, not copies.
"""

from typing import Any, cast, final

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polyloom.transformer.cache import Cache
from polyloom.transformer.decoder import Block, Decoder
from polyloom.transformer.feed_forward import SwiGLU
from polyloom.transformer.norm import RMSNorm
from polyloom.transformer.position import Rotation
from polyloom.transformer.views import DTYPES, as_array
from polyloom_kernels import decode


@final
class Swift:
    """A decoder that compiled code knows."""

    def __init__(self, decoder: Decoder) -> None:
        config = decoder.config
        self.positions = decoder.positions
        windows = tuple(block.attention.window or 0 for block in decoder.layers)
        shape = decode.Shape(
            config.vocabulary_size,
            config.attention.heads,
            config.attention.kv_heads,
            config.attention.head_size,
            config.norm.eps,
            windows,
            config.soft_cap,
        )
        head = None if config.tied else _matrix(decoder.output)
        layers = tuple(_layer(block) for block in decoder.layers)
        weights = decode.Weights(
            decode.Matrix(as_array(decoder.embedding.weight)), layers, decode.Norm(as_array(decoder.norm.weight)), head
        )
        self.machine = decode.prepare(shape, weights)

    def ready(self) -> bool:
        """Whether the code is compiled by now."""
        return decode.ready()

    def step(self, token: int, length: int, cache: Cache) -> Tensor:
        """Logits (1, V) after `token`, the last of the cache, whose keys and values are written there."""
        place = cache.length - 1
        turning = self.positions.turning(torch.tensor([[place]]), length)
        turn = None
        if isinstance(turning, Rotation):
            half = turning.cosine.shape[-1] // 2
            turn = torch.stack((turning.cosine.flatten()[:half], turning.sine.flatten()[:half])).numpy()
        keys, values = cache.store.data.numpy()
        return torch.as_tensor(self.machine.step(token, place, decode.Cache(keys, values), turn))[None]


def swift(decoder: Decoder) -> Swift | None:
    """The compiled way of a decoder, or None where it is not of that kind."""
    config = decoder.config
    known = config.norm.kind == "rms" and config.position.kind in ("rotary", "none") and not config.experts
    known = known and config.feed_forward.kind == "swiglu" and not config.feed_forward.bias
    known = known and isinstance(cast("nn.Module", decoder.embedding), nn.Embedding)  # no soft prompt
    known = known and all(type(part) is nn.Linear for part in _linears(decoder))  # an adapted map has a way of its own
    weights = {(weight.dtype, weight.device.type) for weight in decoder.parameters()}
    return Swift(decoder) if known and len(weights) == 1 and weights <= {(dtype, "cpu") for dtype in DTYPES} else None


def _linears(decoder: Decoder) -> list[nn.Module]:
    """All matrices that the compiled way reads."""
    found: list[nn.Module] = [decoder.output]
    for block in decoder.layers:
        attention, inner = block.attention, cast("SwiGLU", block.feed_forward)
        found += [attention.q, attention.k, attention.v, attention.o, inner.gate, inner.up, inner.down]
    return found


def _layer(block: Block) -> decode.Layer:
    attention, inner = block.attention, cast("SwiGLU", block.feed_forward)
    return decode.Layer(
        attention_norm=decode.Norm(as_array(block.attention_norm.weight)),
        query=_matrix(attention.q),
        key=_matrix(attention.k),
        value=_matrix(attention.v),
        output=_matrix(attention.o),
        feed_norm=decode.Norm(as_array(block.feed_forward_norm.weight)),
        feed=decode.Feed(_matrix(inner.gate), _matrix(inner.up), _matrix(inner.down)),
        query_norm=_gain(attention.q_norm),
        key_norm=_gain(attention.k_norm),
    )


def _gain(norm: nn.Module) -> NDArray[Any] | None:
    return as_array(norm.weight) if isinstance(norm, RMSNorm) else None


def _matrix(linear: nn.Linear) -> decode.Matrix:
    bias = cast("Tensor | None", linear.bias)
    return decode.Matrix(as_array(linear.weight), None if bias is None else as_array(bias))
