"""The rows of `decode` in `polyloom bench kernels`: how much of the memory's speed it reaches, on one thread.

The model is that of a Qwen3 of 32 million weights, drawn by chance: 8 layers of width 512, 8 heads of 64 on 4 keys, tied
to 16,384 tokens.  It answers for 128 tokens, one after the other.  The limit is the speed at which a plain sum reads an
array that no cache holds; both are measured in turn and in processor time, because other work on the machine slows
both.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from polyloom_kernels.decode.operation import Machine, prepare
from polyloom_kernels.decode.weights import Floats, Layer, Matrix, Numbers, Shape, Weights
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
        seconds, limits = measured(machine, lambda: bandwidth(memory))
        what, read = f"decode {machine.nbytes / 1e6:.0f} MB of {kind}, {TOKENS} tokens, a core", machine.nbytes
        named = {"group": "kernels", "better": "higher"}
        speeds, limit = np.median(read / seconds / 1e9), np.median(limits)
        yield {**named, "name": f"{what}, read", "value": float(speeds), "unit": "GB/s", "limit": float(limit)} | {
            "bar": "limit_ratio >= 0.85"
        }
        yield {**named, "name": what, "value": float(speeds * 1e9 / read), "unit": "tokens/s"} | {
            "limit": float(limit * 1e9 / read)
        }


def model(kind: str) -> Weights:
    """Weights by chance; the norms of queries and keys are those of a Qwen3."""
    rng = np.random.default_rng(0)

    def matrix(outputs: int, inputs: int) -> Matrix:
        weight = rng.standard_normal((outputs, inputs), dtype=np.float32) / np.float32(np.sqrt(inputs))
        stored: Numbers = (weight.view(np.uint32) >> 16).astype(np.uint16) if kind == "bfloat16" else weight
        return Matrix(stored)

    def gain(size: int) -> Floats:
        return np.ones(size, np.float32)

    queries, keys = SHAPE.heads * SHAPE.head_size, SHAPE.kv_heads * SHAPE.head_size
    layers = tuple(
        Layer(
            *(gain(WIDTH), matrix(queries, WIDTH), matrix(keys, WIDTH), matrix(keys, WIDTH), matrix(WIDTH, queries)),
            *(gain(WIDTH), matrix(HIDDEN, WIDTH), matrix(HIDDEN, WIDTH), matrix(WIDTH, HIDDEN)),
            *(gain(SHAPE.head_size), gain(SHAPE.head_size)),
        )
        for _ in range(LAYERS)
    )
    return Weights(matrix(SHAPE.vocabulary, WIDTH), layers, gain(WIDTH))


def measured(machine: Machine, limit: Callable[[], float]) -> tuple[Floats, Floats]:
    """Seconds a token of each text, and the limit in GB/s that was measured beside it."""
    turn = np.stack([np.full(32, np.cos(1)), np.full(32, np.sin(1))]).astype(np.float32)
    out, seconds, limits = np.empty(SHAPE.vocabulary, np.float32), list[float](), list[float]()
    for _ in range(REPEATS):
        cache = machine.cache(TOKENS)
        limits.append(limit())
        started = time.thread_time()
        for at in range(TOKENS):
            machine.step(at, at, cache, turn, out)
        seconds.append((time.thread_time() - started) / TOKENS)
        limits.append(limit())
    return np.array(seconds, np.float32), np.array(limits, np.float32)
