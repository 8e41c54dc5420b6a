"""The weights of a decoder in whole numbers: as named arrays for a file, and as compiled code reads them.

Every matrix but the gates of mixtures and the vectors of positions is rounded: to 8 bits with a scale for each row, or,
within the blocks, to 4 bits with a scale for each group of columns (see `polyloom_kernels.quantized`).  The other
weights are float32.  Arrays are named as the decoder names its weights, `NAME.scales` beside each that is rounded; a
mixture's matrices (E, n, k) lie as (E · n, k).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyloom.model import Arrays
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.stored import filled, tensors
from polyloom_kernels import decode
from polyloom_kernels.quantized import Int4, Int8, int4, int8

Bits = Literal[8, 4]
SCALES = ".scales"
EXACT = ("router.weight", "positions.weight")  # small, and what they steer is not
WIDE = ("embedding.weight", "output.weight")  # never less than 8 bits
LINE = 64  # bytes


def round_off(decoder: Decoder, bits: Bits, group: int) -> Arrays:
    """All weights of a decoder, rounded, in one stretch of memory and in the order in which they are read.

    Raises ValueError for a group that there is not, and for weights that are no numbers.
    """
    return together(dict(_rounded(decoder, bits, group)))


def _rounded(decoder: Decoder, bits: Bits, group: int) -> Iterator[tuple[str, NDArray[Any]]]:
    for name, weight in tensors(decoder).items():
        given = weight.detach().cpu().float().numpy()
        if given.ndim < 2 or name.endswith(EXACT):
            yield name, given
            continue
        flat = given.reshape(-1, given.shape[-1])
        if bits == 8 or name in WIDE:
            found = int8(flat)
            yield from ((name, found.weight), (name + SCALES, found.scales))
        else:
            packed = int4(flat, group)
            yield from ((name, packed.packed), (name + SCALES, packed.scales))


def together(arrays: Arrays) -> Arrays:
    """Copies that lie one after another, each at the start of a line, where a system may use large pages for all."""
    sizes = {name: -(-array.nbytes // LINE) * LINE for name, array in arrays.items()}
    memory, at, found = np.empty(sum(sizes.values()) + LINE, np.uint8), 0, Arrays()
    at = -memory.ctypes.data % LINE
    for name, array in arrays.items():
        found[name] = memory[at : at + array.nbytes].view(array.dtype).reshape(array.shape)
        found[name][...] = array
        at += sizes[name]
    return found


def widened(config: TransformerConfig, arrays: Arrays) -> Decoder:
    """A decoder of the same weights as float32."""
    with torch.device("meta"):
        shapes = {name: tuple(weight.shape) for name, weight in _empty(config).items()}
    return filled(config, {name: torch.tensor(_dense(arrays, name, shape)) for name, shape in shapes.items()})


def _empty(config: TransformerConfig) -> Mapping[str, Tensor]:
    from polyloom.transformer.build import assemble

    return tensors(assemble(config))


def _dense(arrays: Arrays, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
    weight, scales = arrays[name], arrays.get(name + SCALES)
    if scales is None:
        return weight
    held = Int8(weight, scales) if weight.dtype == np.int8 else Int4(weight, scales, shape[-1])
    return held.dense().reshape(shape)


class Reader:
    """The arrays of one decoder as `decode` reads them; KeyError names the one that is missing."""

    def __init__(self, config: TransformerConfig, arrays: Arrays) -> None:
        self.config, self.arrays = config, arrays

    def shape(self) -> decode.Shape:
        """What the arrays do not tell."""
        config, attention = self.config, self.config.attention
        window = attention.window or 0
        windows = tuple(0 if layer < attention.full_layers else window for layer in range(config.layers))
        sizes = (config.vocabulary_size, attention.heads, attention.kv_heads, attention.head_size)
        kind = config.feed_forward.kind
        return decode.Shape(*sizes, config.norm.eps, windows, config.soft_cap, kind)

    def weights(self) -> decode.Weights:
        """All matrices and norms."""
        layers = tuple(self._layer(number) for number in range(self.config.layers))
        head = None if self.config.tied else self._matrix("output")
        return decode.Weights(self._matrix("embedding"), layers, self._norm("norm"), head)

    def _layer(self, number: int) -> decode.Layer:
        name, experts = f"blocks.{number}", self.config.experts
        mixed = experts is not None and number >= experts.dense_layers
        inner = f"{name}.feed_forward"
        dense = f"{inner}.shared" if mixed else inner
        query, key, value, output = (self._matrix(f"{name}.attention.{part}") for part in "qkvo")
        gains = (self.arrays[f"{name}.attention.{part}_norm.weight"] for part in "qk")
        query_norm, key_norm = gains if self.config.attention.qk_norm else (None, None)
        return decode.Layer(
            attention_norm=self._norm(f"{name}.attention_norm"),
            query=query,
            key=key,
            value=value,
            output=output,
            feed_norm=self._norm(f"{name}.feed_forward_norm"),
            feed=self._feed(dense) if not mixed or f"{dense}.up.weight" in self.arrays else None,
            query_norm=query_norm,
            key_norm=key_norm,
            mixture=self._mixture(inner) if mixed else None,
        )

    def _matrix(self, name: str) -> decode.Matrix:
        weight = f"{name}.weight"
        return decode.Matrix(self.arrays[weight], self.arrays.get(f"{name}.bias"), self.arrays[weight + SCALES])

    def _norm(self, name: str) -> decode.Norm:
        return decode.Norm(self.arrays[f"{name}.weight"], self.arrays.get(f"{name}.bias"))

    def _feed(self, name: str) -> decode.Feed:
        gate = self._matrix(f"{name}.gate") if f"{name}.gate.weight" in self.arrays else None
        return decode.Feed(gate, self._matrix(f"{name}.up"), self._matrix(f"{name}.down"))

    def _mixture(self, name: str) -> decode.Mixture:
        experts = self.config.experts
        assert experts is not None
        parts = [self._cut(f"{name}.{part}", experts.count) for part in ("gate", "up", "down")]
        feeds = tuple(decode.Feed(*three) for three in zip(*parts, strict=True))
        router, bias = self.arrays[f"{name}.router.weight"], self.arrays[f"{name}.router.bias"]
        return decode.Mixture(router, feeds, experts.active, bias, experts.gate == "sigmoid", experts.normalise)

    def _cut(self, name: str, count: int) -> list[decode.Matrix]:
        """The matrix of each expert."""
        pairs = zip(*(np.split(self.arrays[part], count) for part in (name, name + SCALES)), strict=True)
        return [decode.Matrix(weight, None, scales) for weight, scales in pairs]
