"""Small models for `decode`: random ones of any shape, and what they say by a definition without a cache."""

import math
from typing import Any

import numpy as np

from polyloom_kernels.decode import Feed, Layer, Matrix, Mixture, Norm, Shape, Weights
from polyloom_kernels.decode.weights import widened
from polyloom_kernels.quantized import quantise

REAL, WHOLE = ("float32", "bfloat16"), ("int8", "int4")
KINDS = (*REAL, *WHOLE)


def random_model(
    shape: Shape, width: int, hidden: int, layers: int, kind: str = "float32", seed: int = 0, **parts: bool
) -> Weights:
    """Weights of a kind.

    `parts` are bias, norms (of queries and keys), centred (norms with a bias), head (an output matrix of its own),
    mixture (of three experts, two active, in all layers but the first) and shared (a feed-forward beside it).
    """
    rng = np.random.default_rng(seed)

    def vector(size: int) -> Any:
        return cast(1 + 0.1 * rng.standard_normal(size), kind)

    def norm() -> Norm:
        return Norm(vector(width), vector(width) if parts.get("centred") else None)

    def matrix(rows: int, columns: int, kind: str = kind) -> Matrix:
        bias = cast(rng.standard_normal(rows), kind) if parts.get("bias") else None
        drawn = (rng.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)
        if kind == "int8":
            return Matrix(quantise.int8(drawn).weight, bias, quantise.int8(drawn).scales)
        if kind == "int4":
            held = quantise.int4(drawn, 32 if seed % 2 else 64)
            return Matrix(held.packed, bias, held.scales)
        return Matrix(cast(drawn, kind), bias)

    def feed(gated: bool) -> Feed:
        gate = matrix(hidden, width) if gated else None
        return Feed(gate, matrix(hidden, width), matrix(width, hidden))

    def mixture(sigmoid: bool) -> Mixture:
        router, bias = matrix(3, width, "float32").weight, rng.standard_normal(3).astype(np.float32)
        return Mixture(router, tuple(feed(True) for _ in range(3)), 2, bias, sigmoid, normalise=not sigmoid)

    queries, keys, size = shape.heads * shape.head_size, shape.kv_heads * shape.head_size, shape.head_size
    whole = "int8" if kind == "int4" else kind
    return Weights(
        matrix(shape.vocabulary + 1, width, whole)._replace(bias=None),
        tuple(
            Layer(
                attention_norm=norm(),
                query=matrix(queries, width),
                key=matrix(keys, width),
                value=matrix(keys, width),
                output=matrix(width, queries),
                feed_norm=norm(),
                feed=None
                if number and parts.get("mixture") and not parts.get("shared")
                else feed(shape.bend == "swiglu" or bool(number and parts.get("mixture"))),
                query_norm=vector(size) if parts.get("norms") else None,
                key_norm=vector(size) if parts.get("norms") else None,
                mixture=mixture(number % 2 == 0) if number and parts.get("mixture") else None,
            )
            for number in range(layers)
        ),
        norm(),
        matrix(shape.vocabulary, width, whole) if parts.get("head") else None,
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
        three = (layer.query, layer.key, layer.value)
        q, k, v = (linear(each, h).reshape(len(tokens), -1, shape.head_size) for each in three)
        if layer.query_norm is not None and layer.key_norm is not None:
            q, k = norm(q, Norm(layer.query_norm), shape.eps), norm(k, Norm(layer.key_norm), shape.eps)
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
        if layer.feed is not None:
            x = x + fed(layer.feed, h, shape.bend)
        if layer.mixture is not None:
            x = x + np.stack([blended(layer.mixture, row) for row in h])
    last = weights.embedding if weights.head is None else weights.head
    logits = linear(last, norm(x, weights.norm, shape.eps))[:, : shape.vocabulary]
    return logits if shape.soft_cap is None else shape.soft_cap * np.tanh(logits / shape.soft_cap)


def fed(feed: Feed, h: np.ndarray, bend: str) -> np.ndarray:
    up = linear(feed.up, h)
    if feed.gate is not None:
        gate = linear(feed.gate, h)
        return linear(feed.down, gate / (1 + np.exp(-gate)) * up)
    if bend == "relu2":
        return linear(feed.down, np.where(up > 0, up, 0) ** 2)
    if bend == "gelu_tanh":
        return linear(feed.down, 0.5 * up * (1 + np.tanh(np.sqrt(2 / np.pi) * (up + 0.044715 * up**3))))
    return linear(feed.down, 0.5 * up * (1 + np.vectorize(math.erf)(up / np.sqrt(2))))


def blended(mixture: Mixture, h: np.ndarray) -> np.ndarray:
    scores = mixture.router.astype(np.float64) @ h
    chances = 1 / (1 + np.exp(-scores)) if mixture.sigmoid else np.exp(scores) / np.exp(scores).sum()
    wanted = chances if mixture.bias is None else chances + mixture.bias
    chosen = sorted(range(len(scores)), key=lambda e: -wanted[e])[: mixture.active]
    total = sum(chances[e] for e in chosen) if mixture.normalise else 1.0
    return sum(chances[e] / total * fed(mixture.experts[e], h[None], "swiglu")[0] for e in chosen)


def real(matrix: Matrix) -> np.ndarray:
    if matrix.weight.dtype == np.uint8:
        assert matrix.scales is not None
        held = quantise.Int4(matrix.weight, matrix.scales, 2 * matrix.weight.shape[1])
        return held.dense().astype(np.float64)
    scales = 1.0 if matrix.scales is None else matrix.scales.astype(np.float64)[:, None]
    return widened(matrix.weight).astype(np.float64) * scales


def linear(matrix: Matrix, x: np.ndarray) -> np.ndarray:
    bias = 0.0 if matrix.bias is None else widened(matrix.bias).astype(np.float64)
    if matrix.scales is not None:  # whole numbers meet whole numbers
        step = np.abs(x).max(-1, keepdims=True) / 127
        x = np.floor(np.divide(x, step, out=np.zeros_like(x), where=step > 0) + 0.5) * step
    return np.einsum("oi,ti->to", real(matrix)[:, : x.shape[1]], x) + bias


def norm(x: np.ndarray, given: Norm, eps: float) -> np.ndarray:
    if given.bias is not None:
        x = x - x.mean(-1, keepdims=True)
    scaled = x / np.sqrt((x**2).mean(-1, keepdims=True) + eps) * widened(given.gain)
    return scaled if given.bias is None else scaled + widened(given.bias)


def rotated(x: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Complex numbers of modulus one turn (x_i, x_{i + half}); x (T, heads, size)."""
    half = x.shape[-1] // 2
    pairs = (x[..., :half] + 1j * x[..., half:]) * (turn[:, 0] + 1j * turn[:, 1])[: len(x), None].astype(complex)
    return np.concatenate([pairs.real, pairs.imag], -1)
