"""Small models for `decode`: random ones of any shape, and what they say by a definition without a cache."""

from typing import Any

import numpy as np

from polyloom_kernels.decode import Layer, Matrix, Shape, Weights
from polyloom_kernels.decode.weights import widened

KINDS = ("float32", "bfloat16", "int8")


def random_model(
    shape: Shape, width: int, hidden: int, layers: int, kind: str = "float32", seed: int = 0, **parts: bool
) -> Weights:
    """Weights of a kind; `parts` are bias, norms (of queries and keys) and head (an output matrix of its own)."""
    rng = np.random.default_rng(seed)

    def vector(size: int) -> Any:
        return cast(1 + 0.1 * rng.standard_normal(size), kind)

    def matrix(rows: int, columns: int) -> Matrix:
        bias = cast(rng.standard_normal(rows), kind) if parts.get("bias") else None
        if kind == "int8":
            scales = (rng.random(rows) + 0.5) / 64 / np.sqrt(columns)
            return Matrix(rng.integers(-127, 128, (rows, columns), np.int8), bias, scales.astype(np.float32))
        return Matrix(cast(rng.standard_normal((rows, columns)) / np.sqrt(columns), kind), bias)

    queries, keys, size = shape.heads * shape.head_size, shape.kv_heads * shape.head_size, shape.head_size
    return Weights(
        matrix(shape.vocabulary + 1, width)._replace(bias=None),
        tuple(
            Layer(
                attention_norm=vector(width),
                query=matrix(queries, width),
                key=matrix(keys, width),
                value=matrix(keys, width),
                output=matrix(width, queries),
                feed_norm=vector(width),
                gate=matrix(hidden, width),
                up=matrix(hidden, width),
                down=matrix(width, hidden),
                query_norm=vector(size) if parts.get("norms") else None,
                key_norm=vector(size) if parts.get("norms") else None,
            )
            for _ in range(layers)
        ),
        vector(width),
        matrix(shape.vocabulary, width) if parts.get("head") else None,
    )


def cast(array: np.ndarray, kind: str) -> np.ndarray:
    """float32, or the upper half of its bits."""
    real = array.astype(np.float32)
    return (real.view(np.uint32) >> 16).astype(np.uint16) if kind == "bfloat16" else real


def turns(positions: int, head_size: int) -> np.ndarray:
    """Cosines and sines of each place, float32 (positions, 2, head_size / 2)."""
    angles = np.arange(positions)[:, None] * 100.0 ** (-np.arange(0, head_size, 2) / head_size)
    return np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float32)


def defined(shape: Shape, weights: Weights, tokens: list[int], turn: np.ndarray) -> np.ndarray:
    """Logits (T, V) in float64: every token at once, each head and each query by itself."""
    x = np.stack([real(weights.embedding)[token] for token in tokens])  # (T, width)
    for number, layer in enumerate(weights.layers):
        h = norm(x, layer.attention_norm, shape.eps)
        q, k, v = (linear(each, h).reshape(len(tokens), -1, shape.head_size) for each in layer.matrices()[:3])
        if layer.query_norm is not None and layer.key_norm is not None:
            q, k = norm(q, layer.query_norm, shape.eps), norm(k, layer.key_norm, shape.eps)
        q, k = rotated(q, turn), rotated(k, turn)
        mixed = np.zeros((len(tokens), shape.heads, shape.head_size))
        for head in range(shape.heads):
            shared = head * shape.kv_heads // shape.heads
            for at in range(len(tokens)):
                window = shape.windows[number] if shape.windows and shape.windows[number] else len(tokens)
                seen = [p for p in range(at + 1) if at - p < window]
                weight = np.exp([q[at, head] @ k[p, shared] / np.sqrt(shape.head_size) for p in seen])
                mixed[at, head] = sum(w * v[p, shared] for w, p in zip(weight / weight.sum(), seen, strict=True))
        x = x + linear(layer.output, mixed.reshape(len(tokens), -1))
        h = norm(x, layer.feed_norm, shape.eps)
        gate = linear(layer.gate, h)
        x = x + linear(layer.down, gate / (1 + np.exp(-gate)) * linear(layer.up, h))
    last = weights.embedding if weights.head is None else weights.head
    logits = linear(last, norm(x, weights.norm, shape.eps))[:, : shape.vocabulary]
    return logits if shape.soft_cap is None else shape.soft_cap * np.tanh(logits / shape.soft_cap)


def real(matrix: Matrix) -> np.ndarray:
    scales = 1.0 if matrix.scales is None else matrix.scales.astype(np.float64)[:, None]
    return widened(matrix.weight).astype(np.float64) * scales


def linear(matrix: Matrix, x: np.ndarray) -> np.ndarray:
    bias = 0.0 if matrix.bias is None else widened(matrix.bias).astype(np.float64)
    return np.einsum("oi,ti->to", real(matrix), x) + bias


def norm(x: np.ndarray, gain: np.ndarray, eps: float) -> np.ndarray:
    return x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * widened(gain)


def rotated(x: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Complex numbers of modulus one turn (x_i, x_{i + half}); x (T, heads, size)."""
    half = x.shape[-1] // 2
    pairs = (x[..., :half] + 1j * x[..., half:]) * (turn[:, 0] + 1j * turn[:, 1])[: len(x), None].astype(complex)
    return np.concatenate([pairs.real, pairs.imag], -1)
