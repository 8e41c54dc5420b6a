"""The rows of `decode` in `polyloom bench kernels`: how much of the memory's speed it reaches, on one thread.

The model has the shape of a Qwen3 of 32 million weights, drawn by chance: 8 layers of width 512, 8 heads of 64 on 4
keys, tied to 16,384 tokens.  It answers for 128 tokens, one after the other.  The limit is the speed at which a plain
sum reads an array that no cache holds.  Both are measured in turn and in processor time, because other work on the
machine slows both, and both lie in one large array each, because a system may give that larger pages, which are read
faster.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from polyloom_kernels.decode.operation import Machine, prepare
from polyloom_kernels.decode.weights import Feed, Floats, Layer, Matrix, Norm, Numbers, Shape, Weights
from polyloom_kernels.limit import bandwidth, buffer

SHAPE = Shape(vocabulary=16_384, heads=8, kv_heads=4, head_size=64)
WIDTH, HIDDEN, LAYERS = 512, 1_376, 8
TOKENS, REPEATS = 128, 8
KINDS = ("float32", "bfloat16")


def rows(shared: Path | None) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - these rows need no data from outside
    """The arguments of each row, in about twenty seconds."""
    memory = buffer()
    for kind in KINDS:
        machine = prepare(SHAPE, model(kind), "cpu")
        machine.step(0, 0, machine.cache(1))  # made ready before it is measured
        seconds, limit = measured(machine, lambda: bandwidth(memory))
        name = f"decode {machine.nbytes / 1e6:.0f} MB of {kind}, {TOKENS} tokens, a core"
        read = machine.nbytes + cached()
        named = {"group": "kernels", "better": "higher"}
        yield {**named, "name": name, "value": 1 / seconds, "unit": "tokens/s", "limit": 1e9 * limit / read}
        speed = {"value": read / seconds / 1e9, "unit": "GB/s", "limit": limit, "bar": "limit_ratio >= 0.85"}
        yield {**named, "name": f"{name}, weights and cache read", **speed}


def cached() -> float:
    """The bytes of keys and values that a token reads, in the middle of the text."""
    return 4 * 2 * LAYERS * SHAPE.kv_heads * SHAPE.head_size * (TOKENS + 1) / 2


def model(kind: str) -> Weights:
    """Weights by chance, one after another in one array; queries and keys have norms, as a Qwen3's have."""
    queries, keys = SHAPE.heads * SHAPE.head_size, SHAPE.kv_heads * SHAPE.head_size
    each = WIDTH * (2 * queries + 2 * keys + 3 * HIDDEN)
    drawn = np.random.default_rng(0).standard_normal(SHAPE.vocabulary * WIDTH + LAYERS * each, dtype=np.float32)
    drawn *= np.float32(1 / np.sqrt(WIDTH))
    stored: Numbers = (drawn.view(np.uint32) >> 16).astype(np.uint16) if kind == "bfloat16" else drawn
    at = 0

    def matrix(outputs: int, inputs: int) -> Matrix:
        nonlocal at
        at += outputs * inputs
        return Matrix(stored[at - outputs * inputs : at].reshape(outputs, inputs))

    def gain(size: int) -> Floats:
        return np.ones(size, np.float32)

    layers = tuple(
        Layer(
            *(Norm(gain(WIDTH)), matrix(queries, WIDTH), matrix(keys, WIDTH), matrix(keys, WIDTH)),
            *(matrix(WIDTH, queries), Norm(gain(WIDTH))),
            Feed(matrix(HIDDEN, WIDTH), matrix(HIDDEN, WIDTH), matrix(WIDTH, HIDDEN)),
            *(gain(SHAPE.head_size), gain(SHAPE.head_size)),
        )
        for _ in range(LAYERS)
    )
    return Weights(matrix(SHAPE.vocabulary, WIDTH), layers, Norm(gain(WIDTH)))


def measured(machine: Machine, limit: Callable[[], float]) -> tuple[float, float]:
    """The median seconds of a token, and the median of the limit, asked before and after each text."""
    turn = np.stack([np.full(SHAPE.head_size // 2, turned(1.0), np.float32) for turned in (np.cos, np.sin)])
    out, seconds, limits = np.empty(SHAPE.vocabulary, np.float32), list[float](), [limit()]
    for _ in range(REPEATS):
        cache, started = machine.cache(TOKENS), time.thread_time()
        for at in range(TOKENS):
            machine.step(at, at, cache, turn, out)
        seconds.append((time.thread_time() - started) / TOKENS)
        limits.append(limit())
    return float(np.median(seconds)), float(np.median(limits))
