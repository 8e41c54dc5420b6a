"""Times on a GPU, and what no kernel can beat: measured in one run, so that their ratio means something.

Work is captured once in a CUDA graph and replayed, so that what is timed is the GPU and not Python.  A benchmark gives
several jobs that do the same to different data, together larger than the cache: they run in turn.
"""

import statistics
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from polyloom_kernels import _nvrtc
from polyloom_kernels._cuda import Device
from polyloom_kernels._table import OPERATIONS

COPIED = 1 << 30  # bytes: far more than any cache
REPLAYS = 21


class Ceilings(NamedTuple):
    """What bounds a kernel on this GPU."""

    copy: float  # bytes a second, read and written, of a copy of a gigabyte
    launch: float  # seconds of a kernel that does almost nothing, in a graph


def seconds(jobs: Sequence[Callable[[], object]]) -> float:
    """The median time of one job.  Each allocates and launches, and waits for nothing."""
    torch: Any = import_module("torch")
    for job in jobs:  # compiled, loaded and warm before it is captured
        job()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for job in jobs:
            job()
    spent = [_once(torch, graph) for _ in range(REPLAYS)]
    return statistics.median(spent[1:]) / len(jobs)


def ceilings() -> Ceilings:
    """Measure them."""
    torch: Any = import_module("torch")
    source, target = (torch.empty(COPIED, dtype=torch.uint8, device="cuda") for _ in range(2))
    little = torch.zeros(32, device="cuda")
    copying = seconds([lambda: target.copy_(source)])
    return Ceilings(copy=2 * COPIED / copying, launch=seconds([lambda: little.add_(1)] * 16))


def measured() -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
    """What was measured on, with the ceilings, and the arguments of each row of every operation.

    A row is what `polyloom bench` calls one; an operation gives its rows in `bench_cuda.py`.
    """
    torch, cupy = import_module("torch"), import_module("cupy")
    machine, most = Device(), ceilings()
    named = {"device": torch.cuda.get_device_name(machine.index), "architecture": machine.architecture}
    libraries = {"torch": torch.__version__, "cupy": cupy.__version__, "nvrtc": ".".join(map(str, _nvrtc.version()))}
    modules = (f"polyloom_kernels.{name}.bench_cuda" for name, kinds in OPERATIONS.items() if "cuda" in kinds)
    rows = (row for module in modules for row in import_module(module).rows(machine, most))
    return {**named, **libraries, "ceilings": most._asdict()}, rows


def _once(torch: Any, graph: Any) -> float:
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    graph.replay()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end) / 1e3
