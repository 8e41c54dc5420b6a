"""`polyloom bench kernels`: one step of decoding over long texts, beside torch's attention in float32.

The limit is the time in which memory gives the keys and values.  All are measured in turn and in processor time, on one
thread, because other work on the machine slows all of them.
"""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.attend.operation import attend
from polyloom_kernels.attend.pages import Pages, narrowed
from polyloom_kernels.limit import bandwidth, buffer

TEXTS, TOKENS, HEADS, KEY_HEADS, SIZE = 4, 2_048, 16, 4, 64
REPEATS = 12


def rows(shared: Path | None) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - these rows need no data from outside
    """The arguments of each row, in a few seconds."""
    memory, (query, wide) = buffer(), given()
    narrow, lengths = narrowed(wide), [TOKENS] * TEXTS
    peer, reason = in_torch(query, wide)
    for kind, pages in (("float32", wide), ("int8", narrow)):
        works: list[Callable[[], object]] = [lambda asked=pages: attend(query, asked, lengths, backend="cpu")]
        works += [] if peer is None else [peer]
        spent, speed = measured(works, memory)
        yield {
            "group": "kernels",
            "name": f"attend {TEXTS} texts of {TOKENS:,} tokens, {kind}, a core",
            "value": 1e3 * spent[0],
            "unit": "ms",
            "peer": "torch scaled_dot_product_attention, float32",
            "peer_value": 1e3 * spent[1] if peer else None,
            "limit": 1e3 * sum(part.nbytes for part in pages if part is not None) / speed / 1e9,
            "bar": "ratio >= 1",
            "reason": reason,
        }


def given() -> tuple[NDArray[np.float32], Pages]:
    """Queries, keys and values by chance."""
    rng = np.random.default_rng(0)
    query = rng.standard_normal((TEXTS, HEADS, SIZE), dtype=np.float32)
    return query, Pages(*rng.standard_normal((2, TEXTS, KEY_HEADS, TOKENS, SIZE), dtype=np.float32))


def in_torch(query: NDArray[np.float32], pages: Pages) -> tuple[Callable[[], Any] | None, str | None]:
    """The peer on one thread, or why there is none."""
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return None, "torch is not installed here: pip install torch"
    asked, keys, values = (torch.from_numpy(part) for part in (query[:, :, None], pages.keys, pages.values))

    def run() -> Any:
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        found = torch.nn.functional.scaled_dot_product_attention(asked, keys, values, enable_gqa=True)
        torch.set_num_threads(before)
        return found

    return run, None


def measured(works: list[Callable[[], object]], memory: NDArray[np.float32]) -> tuple[list[float], float]:
    """The median seconds of each work, and of GB/s of memory, asked in turn."""
    spent, speeds = [list[float]() for _ in works], list[float]()
    for turn in range(REPEATS + 1):  # the first makes them ready
        for work, seconds in zip(works, spent, strict=True):
            speed, started = bandwidth(memory), time.thread_time()
            work()
            if turn:
                seconds.append(time.thread_time() - started)
                speeds.append(speed)
    return [float(np.median(seconds)) for seconds in spent], float(np.median(speeds))
