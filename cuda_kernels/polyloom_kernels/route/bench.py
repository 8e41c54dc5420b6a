"""The rows of `route` in `polyloom bench kernels`: 256 and 4,096 tokens, 64 experts, eight for each token, a core.

The peer is what everybody writes in torch: softmax, topk, gather, a stable argsort and its inverse, a count.
Both are asked in turn, in processor time, and the best of each counts.
"""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from polyloom_kernels.route.operation import Numbers, route

TOKENS, EXPERTS, ACTIVE = (256, 4_096), 64, 8
PEER = "topk, argsort and a count in torch"
REPEATS = 20


def rows(shared: Path | None) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - these rows need no data from outside
    """The arguments of each row, in a second."""
    for tokens in TOKENS:
        scores, bias = given(tokens)
        works: list[Callable[[], object]] = [lambda s=scores, b=bias: route(s, ACTIVE, b, backend="cpu")]
        peer, reason = torch_calls(scores, bias)
        seconds = best([*works, *([] if peer is None else [peer])])
        yield {
            "group": "kernels",
            "name": f"route {tokens} tokens, {EXPERTS} experts, top {ACTIVE}, a core",
            "value": 1e6 * seconds[0],
            "unit": "µs",
            "peer": PEER,
            "peer_value": 1e6 * seconds[1] if peer else None,
            "bar": "ratio >= 2",
            "reason": reason,
        }


def given(tokens: int) -> tuple[Numbers, Numbers]:
    """Scores and a bias by chance."""
    rng = np.random.default_rng(0)
    bias = rng.normal(0, 0.01, EXPERTS).astype(np.float32)
    return rng.standard_normal((tokens, EXPERTS), dtype=np.float32), bias


def torch_calls(scores: Numbers, bias: Numbers) -> tuple[Callable[[], Any] | None, str | None]:
    """The peer on one thread, or why there is none."""
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return None, "torch is not installed here: pip install torch"
    held, added = torch.from_numpy(scores), torch.from_numpy(bias)

    def run() -> Any:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        found = routed(torch, held, added)
        torch.set_num_threads(before)
        return found

    return run, None


def routed(torch: Any, scores: Any, bias: Any) -> Any:
    """The same, by the calls of torch that do it."""
    chances = scores.softmax(-1)
    chosen = (chances + bias).topk(ACTIVE, -1).indices
    weights = chances.gather(-1, chosen)
    weights = weights / weights.sum(-1, keepdim=True)
    flat = chosen.flatten()
    order = flat.argsort(stable=True)
    inverse = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
    counts = flat.new_zeros(EXPERTS + 1).scatter_add_(0, flat + 1, torch.ones_like(flat))  # bincount waits for a GPU
    return chosen, weights, order, inverse, counts.cumsum(0)


def best(works: list[Callable[[], object]]) -> list[float]:
    """The fewest seconds of each work, asked in turn."""
    found = [float("inf")] * len(works)
    for work in works:
        work()  # made ready before it is measured
    for _ in range(REPEATS):
        for n, work in enumerate(works):
            started = time.thread_time()
            work()
            found[n] = min(found[n], time.thread_time() - started)
    return found
