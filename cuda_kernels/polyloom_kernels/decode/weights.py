"""What `decode` reads: the matrices and gains of a model, as arrays that are shared and never copied.

A matrix is row-major, (outputs, inputs), as linear layers keep it: float32, bfloat16 as the uint16 of its bits, or int8
with a float32 scale for each row.  Vectors are float32, or bfloat16 in the same way; they are small, and are copied.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[Any]

STORED = ("float32", "uint16", "int8")  # in the order of the kinds of `polyloom_kernels.dots`


class Matrix(NamedTuple):
    """y = W x + b; `scales` (rows,) belong to int8 weights, whose rows they multiply."""

    weight: Numbers
    bias: Numbers | None = None
    scales: Floats | None = None


class Layer(NamedTuple):
    """One layer; the gains of queries and keys, (head_size,), come both or neither."""

    attention_norm: Numbers
    query: Matrix
    key: Matrix
    value: Matrix
    output: Matrix
    feed_norm: Numbers
    gate: Matrix
    up: Matrix
    down: Matrix
    query_norm: Numbers | None = None
    key_norm: Numbers | None = None

    def matrices(self) -> tuple[Matrix, ...]:
        """The matrices in the order in which they are read."""
        return self.query, self.key, self.value, self.output, self.gate, self.up, self.down


class Weights(NamedTuple):
    """A whole model; without `head` the embedding is the output matrix too."""

    embedding: Matrix
    layers: tuple[Layer, ...]
    norm: Numbers
    head: Matrix | None = None

    def matrices(self) -> Iterator[Matrix]:
        """The embedding, the matrices of each layer, the output matrix."""
        yield self.embedding
        for layer in self.layers:
            yield from layer.matrices()
        yield self.embedding if self.head is None else self.head


@dataclass(frozen=True)
class Shape:
    """What the arrays do not tell.

    `vocabulary` is how many tokens can be said: the embedding and the output matrix may have more rows.  `windows` is,
    for each layer, how many positions a query sees, its own included, and 0 for all; without it all layers see all.
    """

    vocabulary: int
    heads: int
    kv_heads: int
    head_size: int
    eps: float = 1e-6
    windows: tuple[int, ...] = ()
    soft_cap: float | None = None


def widened(stored: Numbers) -> Floats:
    """Stored weights as float32: bfloat16 is its upper half."""
    if stored.dtype == np.uint16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32, copy=False)


def check(shape: Shape, weights: Weights) -> None:
    """Raise ValueError for the first array that does not fit."""
    if min(shape.vocabulary, shape.heads, shape.kv_heads, shape.head_size, len(weights.layers)) < 1:
        raise ValueError(f"Expected at least one token, head, key, dimension and layer, got {shape}.")
    if shape.heads % shape.kv_heads or shape.head_size % 2:
        raise ValueError(
            f"{shape.heads} heads of {shape.head_size} cannot share {shape.kv_heads} keys in turned pairs."
        )
    if shape.windows and (len(shape.windows) != len(weights.layers) or min(shape.windows) < 0):
        raise ValueError(
            f"Expected a window of 0 or more for each of {len(weights.layers)} layers, got {shape.windows}."
        )
    if shape.soft_cap is not None and not shape.soft_cap > 0:
        raise ValueError(f"The soft cap must be above 0 or None, got {shape.soft_cap!r}.")
    width = weights.embedding.weight.shape[-1]
    for name, matrix in (("embedding", weights.embedding), ("head", weights.head)):
        if matrix is not None:
            _check_matrix(name, matrix, (max(shape.vocabulary, len(matrix.weight)), width))
    _check_vector("norm", weights.norm, width)
    for number, layer in enumerate(weights.layers):
        _check_layer(f"layer {number}: ", shape, layer, width)


def _check_layer(where: str, shape: Shape, layer: Layer, width: int) -> None:
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    hidden = len(layer.gate.weight)
    shapes = ((queries, width), (keys, width), (keys, width), (width, queries))
    shapes += ((hidden, width), (hidden, width), (width, hidden))
    names = ("query", "key", "value", "output", "gate", "up", "down")
    for name, matrix, expected in zip(names, layer.matrices(), shapes, strict=True):
        _check_matrix(where + name, matrix, expected)
    for name in ("attention_norm", "feed_norm"):
        _check_vector(where + name, getattr(layer, name), width)
    if (layer.query_norm is None) != (layer.key_norm is None):
        raise ValueError(f"{where}query_norm and key_norm come both or neither.")
    for name in ("query_norm", "key_norm"):
        if getattr(layer, name) is not None:
            _check_vector(where + name, getattr(layer, name), shape.head_size)


def _check_matrix(name: str, matrix: Matrix, expected: tuple[int, int]) -> None:
    weight = matrix.weight
    if weight.dtype.name not in STORED or weight.shape != expected or not weight.flags.c_contiguous:
        raise ValueError(
            f"{name}: expected {' or '.join(STORED)} of shape {expected}, row after row; "
            f"got {weight.dtype} {weight.shape}{'' if weight.flags.c_contiguous else ', not contiguous'}."
        )
    if (matrix.scales is None) == (weight.dtype == np.int8):
        raise ValueError(f"{name}: scales go with int8 weights, and only with them; these are {weight.dtype}.")
    for part, vector in (("bias", matrix.bias), ("scales", matrix.scales)):
        if vector is not None:
            _check_vector(f"{name} {part}", vector, expected[0])


def _check_vector(name: str, vector: Numbers, size: int) -> None:
    if vector.dtype.name not in ("float32", "uint16") or vector.shape != (size,):
        raise ValueError(f"{name}: expected float32 or uint16 of shape ({size},), got {vector.dtype} {vector.shape}.")
