"""`polyloom bench kernels`: the draw of one token, beside torch, which sorts the whole row for top-p.

The limit is the time in which memory gives what three passes read.  All are measured in turn and in processor time,
because other work on the machine slows all of them.
"""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.limit import bandwidth, buffer
from polyloom_kernels.sample.operation import sample

TOKENS, SPREAD = 32_000, 2.0  # with numbers so widely spread, top_p 0.9 leaves a quarter of the vocabulary
REPEATS = 60
ASKED: dict[str, tuple[dict[str, Any], str | None]] = {
    "top-p 0.9": ({"top_p": 0.9}, "value <= 140"),
    "min-p 0.05": ({"min_p": 0.05}, None),
}


def rows(shared: Path | None) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - these rows need no data from outside
    """The arguments of each row, in a few seconds."""
    memory, logits = buffer(), given()
    bandwidth(memory)  # compiled
    for name, (settings, bar) in ASKED.items():
        works: list[Callable[[], object]] = [
            lambda asked=settings: sample(logits, 1, 2, temperature=0.8, **asked, backend="cpu")
        ]
        peer, reason = in_torch(logits, 0.8, **settings)
        works += [] if peer is None else [peer]
        spent = measured(works)
        yield {
            "group": "kernels",
            "name": f"sample {name} of {TOKENS:,} tokens, a core",
            "value": 1e6 * spent[0],
            "unit": "µs",
            "peer": "torch",
            "peer_value": 1e6 * spent[1] if peer else None,
            "limit": 1e6 * 3 * logits.nbytes / bandwidth(memory) / 1e9,
            "bar": bar,
            "reason": reason,
        }


def given() -> NDArray[np.float32]:
    """Logits (1, TOKENS) by chance."""
    return np.random.default_rng(0).normal(0, SPREAD, (1, TOKENS)).astype(np.float32)


def in_torch(
    logits: NDArray[np.float32], temperature: float, top_p: float = 1.0, min_p: float = 0.0
) -> tuple[Callable[[], Any] | None, str | None]:
    """The peer as it is usually written, on one thread, or why there is none."""
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return None, "torch is not installed here: pip install torch"
    row, dice = torch.from_numpy(logits), torch.Generator().manual_seed(0)

    def run() -> Any:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        scaled = row / temperature
        if top_p < 1:
            values, ids = torch.sort(scaled, descending=True)
            chances = torch.softmax(values, -1)
            chances[chances.cumsum(-1) - chances >= top_p] = 0.0
            token = ids.gather(1, torch.multinomial(chances, 1, generator=dice))
        else:
            chances = torch.softmax(scaled, -1)
            chances[chances < min_p * chances.max()] = 0.0
            token = torch.multinomial(chances, 1, generator=dice)
        torch.set_num_threads(before)
        return token

    return run, None


def measured(works: list[Callable[[], object]]) -> list[float]:
    """The least seconds of each work, asked in turn, three times on end: work so short is often held up.

    Numbers that are drawn from have just been made, so they lie in the cache, as they do the second time here.
    """
    spent = [list[float]() for _ in works]
    for _ in range(REPEATS):
        for work, seconds in zip(works, spent, strict=True):
            for _ in range(3):
                started = time.thread_time()
                work()
                seconds.append(time.thread_time() - started)
    return [min(seconds) for seconds in spent]
