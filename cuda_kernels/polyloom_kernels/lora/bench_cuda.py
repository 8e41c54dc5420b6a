"""The rows of `lora` on a GPU: a different adapter in bfloat16 for each row of a batch, beside maps of 4,096 × 4,096.

The limit is the time in which a copy moves as many bytes as the adapters and rows have.  Two launches, which in a graph
take some microseconds, are not in it: a single row is held to its time alone.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels._cuda import Device
from polyloom_kernels._measure import Ceilings, seconds
from polyloom_kernels.lora import cuda
from polyloom_kernels.lora.bank import Thin, words

WIDTH = 4_096
SIZES = ((1, 16, "value <= 8"), (16, 64, "limit_ratio >= 0.5"), (64, 16, "limit_ratio >= 0.5"))  # rows, rank, bar
CACHE = 128 << 20  # bytes: more than any GPU caches

Job = Callable[[], Any]


def rows(machine: Device, ceilings: Ceilings) -> Iterator[dict[str, Any]]:
    """The arguments of each row."""
    for count, rank, bar in SIZES:
        read = 2 * count * (2 * rank * WIDTH + 3 * WIDTH)  # adapters, x, and out read and written
        pairs = [jobs(machine, count, rank, seed) for seed in range(1 + CACHE // read)]
        yield {
            "group": "kernels",
            "name": f"lora on a GPU, {count} adapters of rank {rank}, {WIDTH} × {WIDTH}, bfloat16",
            "value": 1e6 * seconds([ours for ours, _ in pairs]),
            "unit": "µs",
            "peer": "gather and bmm in torch",
            "peer_value": 1e6 * seconds([theirs for _, theirs in pairs]),
            "limit": 1e6 * read / ceilings.copy,
            "bar": bar,
        }


def jobs(machine: Device, count: int, rank: int, seed: int) -> tuple[Job, Job]:
    """Ours and the peer's, over the same numbers; what they add to is each one's own."""
    torch: Any = import_module("torch")
    rng = np.random.default_rng(seed)
    a, b = (machine.array(drawn(rng, count, rank, WIDTH), "bf16") for _ in range(2))
    x, out, other = (machine.array(drawn(rng, count, 1, WIDTH)[:, 0], "bf16") for _ in range(3))
    slots = machine.array(np.arange(count), "long long")
    table = machine.array(words([Thin(*each, 1.0) for each in zip(a, b, strict=True)]), "long long")

    def ours() -> Any:
        cuda.run(machine, x, slots[:, None], None, table, rank, out, ("bf16", "bf16"))
        return out

    def theirs() -> Any:
        return other.add_(torch.bmm(torch.bmm(x[:, None], a[slots].mT), b[slots])[:, 0])

    return ours, theirs


def drawn(rng: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    """Numbers that keep results near 1."""
    return rng.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(shape[-1]))
