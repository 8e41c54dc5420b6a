"""The definition of `decode` in NumPy: one token, in float32 or float64."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.decode.weights import BLOCK, Bend, Feed, Layer, Matrix, Mixture, Norm, Shape, Weights, widened

Reals = NDArray[np.floating[Any]]


def step(
    shape: Shape,
    weights: Weights,
    token: int,
    position: int,
    keys: Reals,
    values: Reals,
    turn: Reals,
    added: Reals | None = None,
    parts: Reals | None = None,
) -> Reals:
    """Logits (V,); the token's keys and values are written at `position`.  All in the dtype of `keys`."""
    embedded = _rows(weights.embedding, slice(token, token + 1)).astype(keys.dtype)[0]  # (width,)
    written = [embedded, np.zeros_like(embedded) if added is None else added]
    x = embedded if added is None else embedded + added
    for number, layer in enumerate(weights.layers):
        window = shape.windows[number] if shape.windows else 0
        first = max(0, position + 1 - window) if window else 0
        seen = slice(first, position + 1)
        h = normalised(x, layer.attention_norm, shape.eps)
        query, key, value = (
            times(matrix, h).reshape(-1, shape.head_size) for matrix in (layer.query, layer.key, layer.value)
        )
        if layer.query_norm is not None and layer.key_norm is not None:
            query = normalised(query, Norm(layer.query_norm), shape.eps)
            key = normalised(key, Norm(layer.key_norm), shape.eps)
        keys[number, :, position], values[number, :, position] = turned(key, turn), value
        looked = attended(turned(query, turn), keys[number, :, seen], values[number, :, seen])
        written.append(times(layer.output, looked))
        x = x + written[-1]
        written.append(thought(layer, normalised(x, layer.feed_norm, shape.eps), shape.bend))
        x = x + written[-1]
    head = weights.embedding if weights.head is None else weights.head
    h = normalised(x, weights.norm, shape.eps)
    if parts is not None:
        parts[:] = [*written, h]
    logits = times(head, h)[: shape.vocabulary]
    return logits if shape.soft_cap is None else shape.soft_cap * np.tanh(logits / shape.soft_cap)


def normalised(x: Reals, norm: Norm, eps: float) -> Reals:
    """What the norm makes of x, over the last axis."""
    if norm.bias is not None:
        x = x - np.mean(x, -1, keepdims=True)
    scaled = x / np.sqrt(np.mean(x * x, -1, keepdims=True) + x.dtype.type(eps)) * widened(norm.gain)
    return scaled if norm.bias is None else scaled + widened(norm.bias)


def turned(x: Reals, turn: Reals) -> Reals:
    """Each pair (x_i, x_{i + half}) of a head turned by its angle; `turn` (2, half) are cosines and sines."""
    first, second = np.split(x, 2, -1)  # (heads, half)
    cosine, sine = turn
    return np.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)


def attended(query: Reals, keys: Reals, values: Reals) -> Reals:
    """Softmax of q·k / √size over the positions, times the values; (heads · size,)."""
    shared = query.reshape(len(keys), -1, query.shape[-1])  # (kv_heads, group, size)
    score = shared @ keys.transpose(0, 2, 1) / query.dtype.type(np.sqrt(query.shape[-1]))  # (kv_heads, group, position)
    weight = np.exp(score - score.max(-1, keepdims=True))
    return (weight / weight.sum(-1, keepdims=True) @ values).reshape(-1)


def thought(layer: Layer, h: Reals, bend: Bend) -> Reals:
    """What the feed-forward and the mixture of a layer, or one of them, make of h."""
    found = np.zeros_like(h) if layer.feed is None else fed(layer.feed, h, bend)
    return found if layer.mixture is None else found + mixed(layer.mixture, h)


def fed(feed: Feed, h: Reals, bend: Bend) -> Reals:
    """down(silu(gate h) · up h), or down(bend(up h))."""
    if feed.gate is None:
        return times(feed.down, BENT[bend](times(feed.up, h)))
    gate = times(feed.gate, h)
    with np.errstate(over="ignore"):  # e^(−gate) may be infinite: silu is then zero, as it should be
        return times(feed.down, gate / (1 + np.exp(-gate)) * times(feed.up, h))


BENT: dict[str, Callable[[Reals], Reals]] = {
    "gelu": lambda x: x / 2 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)).astype(x.dtype)),
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + x.dtype.type(0.044715) * x**3))),
    "relu2": lambda x: np.maximum(x, 0) ** 2,
}


def mixed(mixture: Mixture, h: Reals) -> Reals:
    """Σ_chosen p_e · expert_e(h), of the experts with the largest p + bias, of two that are equal the first."""
    scores = mixture.router.astype(h.dtype) @ h
    chances = np.exp(scores - (0 if mixture.sigmoid else scores.max()))
    chances = chances / (1 + chances) if mixture.sigmoid else chances / chances.sum()
    wanted = chances if mixture.bias is None else chances + mixture.bias
    chosen = np.argsort(-wanted, kind="stable")[: mixture.active]
    weights = chances / chances[chosen].sum() if mixture.normalise else chances
    found = np.zeros_like(h)
    for number, expert in enumerate(mixture.experts):
        if number in chosen:
            found += weights[number] * fed(expert, h, "swiglu")
    return found


def times(matrix: Matrix, x: Reals) -> Reals:
    """W x + b in the dtype of x; whole numbers meet what x is rounded to."""
    if matrix.scales is not None:
        numbers, step = rounded(x)
        x = numbers.astype(x.dtype) * step
    found = _rows(matrix, slice(None))[:, : len(x)].astype(x.dtype, copy=False) @ x
    return found if matrix.bias is None else found + widened(matrix.bias)


def rounded(x: Reals) -> tuple[NDArray[np.int8], Any]:
    """q = ⌊x / s + 1/2⌋ and s = max |x| / 127."""
    most = np.abs(x).max()
    inverse = x.dtype.type(127) / most if most > 0 else x.dtype.type(0)
    return np.floor(x * inverse + x.dtype.type(0.5)).astype(np.int8), most / x.dtype.type(127)


def _rows(matrix: Matrix, rows: slice) -> Reals:
    weight, scales = matrix.weight[rows], matrix.scales
    if scales is None:
        return widened(weight)
    if weight.dtype == np.int8:
        return widened(weight) * scales[rows, None]
    blocks = weight.reshape(len(weight), -1, BLOCK // 2)
    numbers = np.concatenate([blocks & 15, blocks >> 4], 2).reshape(len(weight), scales.shape[1], -1)
    return ((numbers.astype(np.float32) - 8) * widened(scales[rows])[:, :, None]).reshape(len(weight), -1)
