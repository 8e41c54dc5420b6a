"""The rows of `sample` on a GPU: a token for each of many rows, and what a mask and a watermark add.

The limit is what three passes over the logits would take as a copy, and at least a launch that does nothing.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from polyloom_kernels._cuda import Device
from polyloom_kernels._measure import Ceilings, seconds
from polyloom_kernels.sample import bench, cuda
from polyloom_kernels.sample.asked import Asked, masked, penalised, texts
from polyloom_kernels.sample.watermark import Watermark
from polyloom_kernels.sample.weights import settled

ROWS = (1, 64)
SETS = 8  # of logits: together larger than the cache
TEMPERATURE, TOP_P = 0.8, 0.9


def rows(machine: Device, ceilings: Ceilings) -> Iterator[dict[str, Any]]:
    """The arguments of each row."""
    for count in ROWS:
        sets = [
            machine.array(np.random.default_rng(n).normal(0, bench.SPREAD, (count, bench.TOKENS)), "float")
            for n in range(SETS)
        ]
        plain, marked = (seconds([_ours(machine, logits, full) for logits in sets]) for full in (False, True))
        shared: dict[str, Any] = {"group": "kernels", "unit": "µs"}
        shared["limit"] = 1e6 * max(12 * count * bench.TOKENS / ceilings.copy, ceilings.launch)
        name = f"sample on a GPU, {count} rows of {bench.TOKENS:,}, top-p {TOP_P}"
        peer = 1e6 * seconds([_theirs(logits) for logits in sets])
        yield {**shared, "name": name, "value": 1e6 * plain, "peer": "torch", "peer_value": peer}
        beside = {"peer": "without", "peer_value": 1e6 * plain, "bar": "ratio >= 0.95"}
        yield {**shared, "name": f"{name}, mask and watermark", "value": 1e6 * marked, **beside}


def _ours(machine: Device, logits: Any, full: bool) -> Callable[[], object]:
    count, size = logits.shape
    words, mark = np.arange(count, dtype=np.uint64), Watermark(1) if full else None
    mask = np.full((count, -(-size // 32)), 0xFFFFFFFF, np.uint32) if full else None
    spoken, last = texts(np.zeros((count, 1), np.int64) if full else None, count, size)
    settings, penalties = settled(count, size, TEMPERATURE, 0, TOP_P, 0.0), penalised(count, 1.0, 0.0, 0.0)
    asked = Asked(settings, words, words, spoken, last, penalties, masked(mask, count, size), mark)
    placed = cuda.placed(machine, asked)
    return lambda: cuda.run(machine, logits, placed, mark)


def _theirs(logits: Any) -> Callable[[], object]:
    """As it is written with torch; the draw by a random number for each token, which a graph can hold."""
    torch: Any = import_module("torch")

    def run() -> Any:
        values, ids = torch.sort(logits / TEMPERATURE, descending=True)
        chances = torch.softmax(values, -1)
        chances = chances.masked_fill(chances.cumsum(-1) - chances >= TOP_P, 0.0)
        chosen = (chances / torch.empty_like(chances).exponential_()).argmax(-1, keepdim=True)
        return ids.gather(1, chosen)

    return run
