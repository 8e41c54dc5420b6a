"""The rows of `lora` in `polyloom bench kernels`: 8 rows, each with its own adapter of rank 16, on one thread.

The adapters stand beside a product of torch, x Wᵀ with W (d, d), that all rows share: what they add is told as a share
of it.  The peers are the loop over rows that everybody writes first and, for those who know which adapters come, the
gather of their matrices and two batched products.  The limit is the time in which a plain sum reads as many bytes as
the adapters have, from the same cache.  All are measured in turn and in processor time, because other work on the
machine slows all of them.
"""

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.limit import total
from polyloom_kernels.lora.bank import Bank, thin
from polyloom_kernels.lora.operation import lora

ROWS, RANK, WIDTHS = 8, 16, (512, 1_024, 2_048)
REPEATS, CALLS = 40, 10

Work = Callable[[], object]


class Given(NamedTuple):
    """Rows (N, d), the shared W (d, d), and A (N, r, d), B (N, d, r), all by chance."""

    x: NDArray[np.float32]
    weight: NDArray[np.float32]
    a: NDArray[np.float32]
    b: NDArray[np.float32]


def rows(shared: Path | None) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - these rows need no data from outside
    """The arguments of each row, in a few seconds."""
    for width in WIDTHS:
        yield from beside(width)


def beside(width: int) -> Iterator[dict[str, Any]]:
    """Two rows: what adapters add to the product, and how much faster that is than the loop."""
    given = drawn(width)
    numbers = np.ones(2 * ROWS * RANK * width, np.float32)
    peers, reason = torch_works(given)
    with one_thread():
        ours, limit, *others = measured([ours_of(given), lambda: total()(numbers), *peers])
    product, loop, gather = others or (None, None, None)
    name = f"lora {ROWS} adapters of rank {RANK}, {width} × {width}, a core"
    yield {
        "group": "kernels",
        "name": f"{name}, of the shared product",
        "value": product and ours / product,
        "unit": "× product",
        "peer": "gather and bmm in torch",
        "peer_value": product and gather and gather / product,
        "limit": product and limit / product,
        "bar": "value <= 0.15",
        "reason": reason,
    }
    yield {
        "group": "kernels",
        "name": name,
        "value": 1e6 * ours,
        "unit": "µs",
        "peer": "loop over rows in torch",
        "peer_value": loop and 1e6 * loop,
        "limit": 1e6 * limit,
        "bar": "ratio >= 4",
        "reason": reason,
    }


def drawn(width: int) -> Given:
    """Numbers that keep results near 1."""
    rng = np.random.default_rng(0)
    shapes = ((ROWS, width), (width, width), (ROWS, RANK, width), (ROWS, width, RANK))
    return Given(*(rng.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(shape[-1])) for shape in shapes))


def ours_of(given: Given) -> Work:
    """Adapters added to what stands there."""
    bank = Bank(given.x.shape[1], given.x.shape[1], ROWS, RANK)
    for slot, (a, b) in enumerate(zip(given.a, given.b, strict=True)):
        bank.put(slot, thin(a, b, 0.5))
    slots, scales = np.arange(ROWS), np.ones(ROWS, np.float32)
    out = np.zeros_like(given.x)

    return lambda: lora(given.x, slots, bank, scales, out, "cpu")


def torch_works(given: Given) -> tuple[list[Work], str | None]:
    """The shared product, the loop and the gather; or why there are none."""
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return [], "torch is not installed here: pip install torch"
    x, weight, a, b = map(torch.from_numpy, given)
    turned, wide = a.mT.contiguous(), b.mT.contiguous()
    slots, out, other = torch.arange(ROWS), torch.zeros_like(x), torch.zeros_like(x)

    def loop() -> Any:
        for row, slot in enumerate(slots.tolist()):
            out[row] += 0.5 * (b[slot] @ (a[slot] @ x[row]))
        return out

    def gather() -> Any:
        return other.add_(torch.bmm(torch.bmm(x[:, None], turned[slots]), wide[slots])[:, 0], alpha=0.5)

    return [lambda: torch.nn.functional.linear(x, weight), loop, gather], None


def measured(works: list[Work]) -> list[float]:
    """The least seconds of each, asked in turn."""
    least = [float("inf")] * len(works)
    for _ in range(REPEATS):
        for n, work in enumerate(works):
            least[n] = min(least[n], seconds(work))
    return least


def seconds(work: Work) -> float:
    """Processor time of a call, when what it reads is in the cache."""
    work()
    started = time.thread_time()
    for _ in range(CALLS):
        work()
    return (time.thread_time() - started) / CALLS


@contextmanager
def one_thread() -> Generator[None]:
    """Torch, if it is there, on one thread within the block."""
    try:
        torch: Any = import_module("torch")
    except ImportError:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
