"""What `decode` reads: the matrices and gains of a model, as arrays that are shared and never copied.

A matrix is row-major, (outputs, inputs), as linear layers keep it: float32; bfloat16 as the uint16 of its bits; int8
with a float32 scale for each row; or, but for the embedding and the output matrix, 4 bits packed into uint8 with
bfloat16 scales of groups, as `quantized.Int4` has them.  Vectors are float32, or bfloat16 in the same way; they are
small, and are copied.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Numbers: TypeAlias = NDArray[Any]
Bend: TypeAlias = Literal["swiglu", "gelu", "gelu_tanh", "relu2"]

BENDS: tuple[Bend, ...] = get_args(Bend)
STORED = ("float32", "uint16", "int8", "uint8")  # weights as they may be stored
WHOLE = STORED[2:]  # of which sums are of whole numbers
BLOCK = 32  # columns of packed 4 bits that lie together: a group is one block, or pairs of blocks
MOST = 60_000  # columns of whole numbers whose sum is sure to be an int32


class Matrix(NamedTuple):
    """y = W x + b; `scales` belong to int8, (rows,), and to uint8, (rows, groups), whose weights they multiply."""

    weight: Numbers
    bias: Numbers | None = None
    scales: Numbers | None = None


class Norm(NamedTuple):
    """x / √(mean x² + ε) · gain, or with a bias (x − mean x) / √(var x + ε) · gain + bias."""

    gain: Numbers
    bias: Numbers | None = None


class Feed(NamedTuple):
    """A feed-forward: with a gate down(silu(gate x) · up x), without down(bend(up x)), bent as the shape says."""

    gate: Matrix | None
    up: Matrix
    down: Matrix

    def matrices(self) -> tuple[Matrix, ...]:
        """The matrices in the order in which they are read."""
        return (self.up, self.down) if self.gate is None else (self.gate, self.up, self.down)


class Mixture(NamedTuple):
    """Experts of one size: the `active` largest of p + `bias` read a token, weighted by p.

    `router` is float32 (experts, width); p is the softmax of its scores, or the sigmoid.  `normalise` divides the
    weights by their sum.
    """

    router: Floats
    experts: tuple[Feed, ...]
    active: int
    bias: Floats | None = None
    sigmoid: bool = False
    normalise: bool = True


class Layer(NamedTuple):
    """One layer: a feed-forward, a mixture or both; gains of queries and keys, (head_size,), come both or neither."""

    attention_norm: Norm
    query: Matrix
    key: Matrix
    value: Matrix
    output: Matrix
    feed_norm: Norm
    feed: Feed | None
    query_norm: Numbers | None = None
    key_norm: Numbers | None = None
    mixture: Mixture | None = None


class Weights(NamedTuple):
    """A whole model; without `head` the embedding is the output matrix too."""

    embedding: Matrix
    layers: tuple[Layer, ...]
    norm: Norm
    head: Matrix | None = None


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
    bend: Bend = "swiglu"


class Placed(NamedTuple):
    """A matrix where it is read: its name, the outputs and inputs that fit there, and how much of a token's reading."""

    name: str
    matrix: Matrix
    rows: int
    columns: int
    share: float = 1.0


def placed(shape: Shape, weights: Weights) -> Iterator[Placed]:
    """The embedding, the matrices of each layer and the output matrix, in the order in which they are read."""
    width = len(weights.norm.gain)
    yield Placed("embedding", weights.embedding, max(shape.vocabulary, len(weights.embedding.weight)), width)
    for number, layer in enumerate(weights.layers):
        for one in of_layer(shape, layer, width):
            yield one._replace(name=f"layer {number}: {one.name}")
    head = weights.embedding if weights.head is None else weights.head
    yield Placed("head", head, max(shape.vocabulary, len(head.weight)), width)


def of_layer(shape: Shape, layer: Layer, width: int) -> Iterator[Placed]:
    """The same of one layer; a shared feed-forward comes before the experts, and the router before both."""
    queries, keys = shape.heads * shape.head_size, shape.kv_heads * shape.head_size
    yield Placed("query", layer.query, queries, width)
    yield Placed("key", layer.key, keys, width)
    yield Placed("value", layer.value, keys, width)
    yield Placed("output", layer.output, width, queries)
    mixture = layer.mixture
    if mixture is not None:
        yield Placed("router", Matrix(mixture.router), len(mixture.experts), width)
    if layer.feed is not None:
        yield from _of_feed("", layer.feed, width)
    if mixture is not None:
        share = mixture.active / len(mixture.experts)
        for number, expert in enumerate(mixture.experts):
            yield from (one._replace(share=share) for one in _of_feed(f"expert {number} ", expert, width))


def _of_feed(name: str, feed: Feed, width: int) -> Iterator[Placed]:
    hidden = len(feed.up.weight)
    if feed.gate is not None:
        yield Placed(f"{name}gate", feed.gate, hidden, width)
    yield Placed(f"{name}up", feed.up, hidden, width)
    yield Placed(f"{name}down", feed.down, width, hidden)


def widened(stored: Numbers) -> Floats:
    """Stored weights as float32: bfloat16 is its upper half."""
    if stored.dtype == np.uint16:
        return (stored.astype(np.uint32) << 16).view(np.float32)
    return stored.astype(np.float32, copy=False)


def check(shape: Shape, weights: Weights) -> None:
    """Raise ValueError for the first array that does not fit."""
    _check_shape(shape, len(weights.layers))
    width = len(weights.norm.gain)
    _check_norm("norm", weights.norm, width)
    for number, layer in enumerate(weights.layers):
        _check_layer(f"layer {number}: ", shape, layer, width)
    if len({norm.bias is None for norm in _norms(weights)}) > 1:
        raise ValueError("Norms have a bias all or none.")
    for one in placed(shape, weights):
        _check_matrix(one)


def _check_shape(shape: Shape, layers: int) -> None:
    if min(shape.vocabulary, shape.heads, shape.kv_heads, shape.head_size, layers) < 1:
        raise ValueError(f"Expected at least one token, head, key, dimension and layer, got {shape}.")
    if shape.heads % shape.kv_heads or shape.head_size % 2:
        raise ValueError(
            f"{shape.heads} heads of {shape.head_size} cannot share {shape.kv_heads} keys in turned pairs."
        )
    if shape.windows and (len(shape.windows) != layers or min(shape.windows) < 0):
        raise ValueError(f"Expected a window of 0 or more for each of {layers} layers, got {shape.windows}.")
    if shape.soft_cap is not None and not shape.soft_cap > 0:
        raise ValueError(f"The soft cap must be above 0 or None, got {shape.soft_cap!r}.")
    if shape.bend not in BENDS:
        raise ValueError(f"Unknown feed-forward {shape.bend!r}; there are {', '.join(BENDS)}.")


def _check_layer(where: str, shape: Shape, layer: Layer, width: int) -> None:
    for name in ("attention_norm", "feed_norm"):
        _check_norm(where + name, getattr(layer, name), width)
    if (layer.query_norm is None) != (layer.key_norm is None):
        raise ValueError(f"{where}query_norm and key_norm come both or neither.")
    for name in ("query_norm", "key_norm"):
        if getattr(layer, name) is not None:
            _check_vector(where + name, getattr(layer, name), shape.head_size)
    mixture = layer.mixture
    if layer.feed is None and mixture is None:
        raise ValueError(f"{where}expected a feed-forward or a mixture.")
    experts = () if mixture is None else mixture.experts
    for feed in (*(() if layer.feed is None else (layer.feed,)), *experts):
        if feed.gate is None and (shape.bend == "swiglu" or feed is not layer.feed):
            raise ValueError(f"{where}swiglu and experts need a gate.")
    if mixture is not None:
        if not 1 <= mixture.active <= len(experts):
            raise ValueError(f"{where}{mixture.active} experts of {len(experts)} cannot be active.")
        if mixture.bias is not None:
            _check_vector(f"{where}bias of the choice", mixture.bias, len(experts))


def _norms(weights: Weights) -> Iterator[Norm]:
    yield weights.norm
    for layer in weights.layers:
        yield layer.attention_norm
        yield layer.feed_norm


def _check_norm(name: str, norm: Norm, size: int) -> None:
    _check_vector(name, norm.gain, size)
    if norm.bias is not None:
        _check_vector(f"{name} bias", norm.bias, size)


def _check_matrix(one: Placed) -> None:
    name, (weight, bias, scales) = one.name, one.matrix
    kind, expected, stored = weight.dtype.name, (one.rows, one.columns), STORED
    if name in ("embedding", "head"):
        stored = STORED[:3]
    elif name.endswith("router"):
        stored = STORED[:1]
    if kind in stored and (scales is None) == (kind in WHOLE):
        raise ValueError(f"{name}: scales go with {' and '.join(WHOLE)}, and only with them; these are {weight.dtype}.")
    if kind == "uint8" and kind in stored and scales is not None:
        expected = (one.rows, _packed(one, scales))
    if kind not in stored or weight.shape != expected or not weight.flags.c_contiguous:
        raise ValueError(
            f"{name}: expected {' or '.join(stored)} of shape {expected}, row after row; "
            f"got {weight.dtype} {weight.shape}{'' if weight.flags.c_contiguous else ', not contiguous'}."
        )
    if bias is not None:
        _check_vector(f"{name} bias", bias, one.rows)
    if kind == "int8" and scales is not None:
        _check_vector(f"{name} scales", scales, one.rows)
    if kind in WHOLE and one.columns > MOST:
        raise ValueError(f"{name}: at most {MOST:,} columns can be summed in 32 bits, got {one.columns:,}.")


def _packed(one: Placed, scales: Numbers) -> int:
    """How many bytes of a row hold the columns of a packed matrix with these scales; ValueError if none can."""
    groups = scales.shape[1] if scales.ndim == 2 else 0
    if scales.dtype != np.uint16 or len(scales) != one.rows or not groups or not scales.flags.c_contiguous:
        raise ValueError(f"{one.name} scales: expected uint16 ({one.rows}, groups), got {scales.dtype} {scales.shape}.")
    group = 2 * one.matrix.weight.shape[-1] // groups
    if (group != BLOCK and (group % (2 * BLOCK) or not group)) or groups != -(-one.columns // group):
        raise ValueError(
            f"{one.name} scales: {one.columns} columns do not make {groups} groups of {BLOCK} or of a multiple of "
            f"{2 * BLOCK}, but of {group}."
        )
    return groups * group // 2


def _check_vector(name: str, vector: Numbers, size: int) -> None:
    if vector.dtype.name not in ("float32", "uint16") or vector.shape != (size,):
        raise ValueError(f"{name}: expected float32 or uint16 of shape ({size},), got {vector.dtype} {vector.shape}.")
