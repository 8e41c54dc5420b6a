"""The rows of `count` and `merge` on a GPU: pairs of neighbours in a text, and two runs of them made one.

The host waits for the number of runs, so that memory can be asked for, and so does the peer: what is timed is whole
calls, by the clock.  The limit is what the bytes that `cuda` names would take as a copy.
"""

import statistics
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from polyloom_kernels._cuda import Device
from polyloom_kernels._measure import Ceilings
from polyloom_kernels.count import bench, cuda
from polyloom_kernels.count.reference import pack

TOKENS = 20_000_000
REPEATS = 11
PEER = "torch sort + unique_consecutive"


def rows(machine: Device, ceilings: Ceilings) -> Iterator[dict[str, Any]]:
    """The arguments of each row."""
    tokens = bench.zipf(TOKENS)
    keys = machine.array(pack(tokens[:-1], tokens[1:], bench.VOCABULARY), "long long")
    size = len(tokens) - 1
    bits = (bench.VOCABULARY**2 - 1).bit_length()
    for ranks in (True, False):
        word = 8 if bits + ranks * (size - 1).bit_length() > 32 else 4
        moved = size * (16 + 3 * word * (1 + -(-bits // cuda.USUAL.digit)) + 8 * ranks)
        yield _row(
            f"count on a GPU, {size / 1e6:.2g}M bigrams{'' if ranks else ' without ranks'}",
            *(size, moved / ceilings.copy, "ratio >= 5"),
            lambda ranks=ranks: cuda.count(machine, keys, ranks),
            lambda ranks=ranks: _sorted(keys, ranks),
        )
    halves = [cuda.count(machine, half, False)[:2] for half in (keys[: size // 2], keys[size // 2 :])]
    runs = [part for half in halves for part in half]
    number = len(runs[0]) + len(runs[2])
    yield _row(
        f"merge on a GPU, runs of {number / 1e6:.2g}M bigrams",
        *(number, 48 * number / ceilings.copy, None),
        lambda: cuda.merge(machine, *runs),
        lambda: _added(*runs),
    )


def _sorted(keys: Any, ranks: bool) -> Any:
    """The peer of `count`, ranks and all."""
    torch: Any = import_module("torch")
    ordered, order = torch.sort(keys, stable=True)
    distinct, *found = torch.unique_consecutive(ordered, return_inverse=ranks, return_counts=True)
    if not ranks:
        return distinct, found[0]
    return distinct, found[1], torch.empty_like(keys).scatter_(0, order, found[0])


def _added(keys_a: Any, counts_a: Any, keys_b: Any, counts_b: Any) -> Any:
    """The peer of `merge`: counts are added by their ranks."""
    torch: Any = import_module("torch")
    keys, _, ranks = _sorted(torch.cat([keys_a, keys_b]), True)
    counts = torch.zeros_like(keys).scatter_add_(0, ranks, torch.cat([counts_a, counts_b]))
    return keys, counts, ranks[: len(keys_a)], ranks[len(keys_a) :]


def _row(
    name: str, number: int, limit: float, bar: str | None, ours: Callable[[], object], theirs: Callable[[], object]
) -> dict[str, Any]:
    each = 1e9 / number
    return {
        **{"group": "kernels", "name": name, "unit": "ns/key", "value": each * _seconds(ours)},
        **{"peer": PEER, "peer_value": each * _seconds(theirs), "limit": each * limit, "bar": bar},
    }


def _seconds(work: Callable[[], object]) -> float:
    """The median, after one that is not timed."""
    torch: Any = import_module("torch")
    spent = list[float]()
    for _ in range(REPEATS + 1):
        torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        torch.cuda.synchronize()
        spent.append(time.perf_counter() - started)
    return statistics.median(spent[1:])
