"""The rows of `experts` in `polyloom bench kernels`: 16 tokens, 8 experts, two for each token, on one thread.

The peer is the loop that everybody writes first, over the experts in torch.  The limit is the time in which a plain sum
reads as many bytes from memory.  All are measured in turn and in processor time, because other work on the machine
slows all of them.
"""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from polyloom_kernels.experts.operation import Numbers, experts
from polyloom_kernels.limit import bandwidth, buffer

TOKENS, EXPERTS, EACH, WIDTH, SIZE = 16, 8, 2, 512, 1_376
REPEATS = 40
KINDS = ("float32", "bfloat16")


def rows(shared: Path | None) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - these rows need no data from outside
    """The arguments of each row, in a few seconds."""
    memory = buffer()
    for kind in KINDS:
        arrays = layer(kind)
        read = sum(matrix.nbytes for matrix in arrays[1:4])
        works: list[Callable[[], object]] = [lambda given=arrays: experts(*given, backend="cpu")]
        naive, reason = torch_loop(arrays, kind)
        works += [] if naive is None else [naive]
        seconds, limit = measured(works, lambda size=read: size / bandwidth(memory) / 1e9)
        yield {
            "group": "kernels",
            "name": f"experts {TOKENS} tokens, {EXPERTS} experts, top {EACH}, {kind}, a core",
            "value": 1e3 * seconds[0],
            "unit": "ms",
            "peer": "loop over experts in torch",
            "peer_value": 1e3 * seconds[1] if naive else None,
            "limit": 1e3 * limit,
            "bar": "ratio >= 3",
            "reason": reason,
        }


def layer(kind: str) -> tuple[Numbers, ...]:
    """Tokens, gate, up and down, and for each token two different experts with their weights; all by chance."""
    rng = np.random.default_rng(0)
    shapes = ((EXPERTS, SIZE, WIDTH), (EXPERTS, SIZE, WIDTH), (EXPERTS, WIDTH, SIZE))
    given = [rng.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(shape[2])) for shape in shapes]
    if kind == "bfloat16":
        given = [(matrix.view(np.uint32) >> 16).astype(np.uint16) for matrix in given]
    chosen = np.argsort(rng.random((TOKENS, EXPERTS)), 1)[:, :EACH]
    x = rng.standard_normal((TOKENS, WIDTH), dtype=np.float32)
    return x, *given, chosen, rng.random((TOKENS, EACH), dtype=np.float32)


def torch_loop(arrays: tuple[Numbers, ...], kind: str) -> tuple[Callable[[], Any] | None, str | None]:
    """The peer, which computes in the type of the weights, or why there is none."""
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return None, "torch is not installed here: pip install torch"
    dtype = getattr(torch, kind)
    x, gate, up, down, chosen, weights = map(torch.from_numpy, arrays)
    gate, up, down = (each.view(dtype) for each in (gate, up, down))
    x, weights = x.to(dtype), weights.to(dtype)
    linear, silu = torch.nn.functional.linear, torch.nn.functional.silu

    def run() -> Any:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        out = torch.zeros_like(x)
        for expert in range(EXPERTS):
            at, place = torch.where(chosen == expert)
            given = x[at]
            hidden = silu(linear(given, gate[expert])) * linear(given, up[expert])
            out.index_add_(0, at, linear(hidden, down[expert]) * weights[at, place, None])
        torch.set_num_threads(before)
        return out

    return run, None


def measured(works: list[Callable[[], object]], limit: Callable[[], float]) -> tuple[list[float], float]:
    """The median seconds of each work and of the limit, asked in turn."""
    spent, limits = [list[float]() for _ in works], list[float]()
    for work in works:
        work()  # made ready before it is measured
    for _ in range(REPEATS):
        for work, seconds in zip(works, spent, strict=True):
            limits.append(limit())
            started = time.thread_time()
            work()
            seconds.append(time.thread_time() - started)
    return [float(np.median(seconds)) for seconds in spent], float(np.median(limits))
