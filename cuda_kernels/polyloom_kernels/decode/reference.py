"""The definition of `decode` in NumPy: one token, in float32 or float64."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.decode.weights import Layer, Matrix, Numbers, Shape, Weights, widened

Reals = NDArray[np.floating[Any]]


def step(shape: Shape, weights: Weights, token: int, position: int, keys: Reals, values: Reals, turn: Reals) -> Reals:
    """Logits (V,); the token's keys and values are written at `position`.  All in the dtype of `keys`."""
    x = _rows(weights.embedding, slice(token, token + 1)).astype(keys.dtype)[0]  # (width,)
    for number, layer in enumerate(weights.layers):
        window = shape.windows[number] if shape.windows else 0
        first = max(0, position + 1 - window) if window else 0
        seen = slice(first, position + 1)
        h = normalised(x, layer.attention_norm, shape.eps)
        query, key, value = (times(matrix, h).reshape(-1, shape.head_size) for matrix in layer.matrices()[:3])
        if layer.query_norm is not None and layer.key_norm is not None:
            query, key = normalised(query, layer.query_norm, shape.eps), normalised(key, layer.key_norm, shape.eps)
        keys[number, :, position], values[number, :, position] = turned(key, turn), value
        x = x + times(layer.output, attended(turned(query, turn), keys[number, :, seen], values[number, :, seen]))
        x = x + fed(layer, normalised(x, layer.feed_norm, shape.eps))
    head = weights.embedding if weights.head is None else weights.head
    logits = times(head, normalised(x, weights.norm, shape.eps))[: shape.vocabulary]
    return logits if shape.soft_cap is None else shape.soft_cap * np.tanh(logits / shape.soft_cap)


def normalised(x: Reals, gain: Numbers, eps: float) -> Reals:
    """x / √(mean x² + ε) · g over the last axis."""
    return x / np.sqrt(np.mean(x * x, -1, keepdims=True) + x.dtype.type(eps)) * widened(gain)


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


def fed(layer: Layer, h: Reals) -> Reals:
    """down(silu(gate h) · up h)."""
    gate = times(layer.gate, h)
    with np.errstate(over="ignore"):  # e^(−gate) may be infinite: silu is then zero, as it should be
        return times(layer.down, gate / (1 + np.exp(-gate)) * times(layer.up, h))


def times(matrix: Matrix, x: Reals) -> Reals:
    """W x + b in the dtype of x."""
    found = _rows(matrix, slice(None)).astype(x.dtype, copy=False) @ x
    return found if matrix.bias is None else found + widened(matrix.bias)


def _rows(matrix: Matrix, rows: slice) -> Reals:
    weight = widened(matrix.weight[rows])
    return weight if matrix.scales is None else weight * matrix.scales[rows, None]
