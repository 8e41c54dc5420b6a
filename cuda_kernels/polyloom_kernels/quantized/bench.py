"""The rows of `quantized` in `polyloom bench kernels`: one input and a matrix of 67 million weights, as read bytes.

The peers are the operators of torch that read as many bits of weights, with an input in bfloat16, in which they are
made for this.  The limit is the speed at which a plain sum reads an array of as many bytes.  All are asked in turn, by
one thread and by two, in the time that passes, because two threads wait for each other, and the best of each counts.
"""

import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from polyloom_kernels.limit import total
from polyloom_kernels.quantized.operation import Floats, product
from polyloom_kernels.quantized.quantise import Int8, Quantised, int4, int8
from polyloom_kernels.threads import cut, each

ROWS, COLUMNS = 16_384, 4_096
REPEATS = 25
BARS = {"int8": "limit_ratio >= 0.9", "int4": "ratio >= 1"}


def rows(shared: Path | None) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - these rows need no data from outside
    """The arguments of each row, in about ten seconds."""
    for name, bar in BARS.items():
        x, weight = given(name)
        memory = np.ones(weight.nbytes // 4, np.float32)
        for threads, said in ((1, "a core"), (2, "two threads")):
            peer, reason = torch_product(x, weight, threads)
            works = [
                lambda w=weight, x=x, n=threads: product(x, w, "cpu", n),
                lambda m=memory, n=threads: each(total(), [(m[part],) for part in cut(len(m), n)]),
                *([] if peer is None else [peer]),
            ]
            speeds = [weight.nbytes / seconds / 1e9 for seconds in best(works)]
            yield {
                "group": "kernels",
                "name": f"product with {weight.nbytes / 1e6:.0f} MB of {name}, one input, {said}",
                "value": speeds[0],
                "unit": "GB/s",
                "better": "higher",
                "peer": f"torch, {name} and bfloat16",
                "peer_value": speeds[2] if peer else None,
                "limit": speeds[1],
                "bar": bar,
                "reason": reason,
            }


def given(name: str) -> tuple[Floats, Quantised]:
    """An input and a weight by chance."""
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((ROWS, COLUMNS), dtype=np.float32)
    return rng.standard_normal((1, COLUMNS), dtype=np.float32), int8(drawn) if name == "int8" else int4(drawn)


def torch_product(x: Floats, weight: Quantised, threads: int) -> tuple[Callable[[], Any] | None, str | None]:
    """The peer on so many threads, or why there is none."""
    try:
        torch: Any = import_module("torch")
    except ImportError:
        return None, "torch is not installed here: pip install torch"
    try:
        held = _packed(torch, weight)
    except (AttributeError, RuntimeError, NotImplementedError) as error:  # operators that torch does not promise
        return None, f"torch {torch.__version__} has no such product here ({error})"
    given = torch.from_numpy(x).bfloat16()

    def run() -> Any:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        found = held(given)
        torch.set_num_threads(before)
        return found

    return run, None


def _packed(torch: Any, weight: Quantised) -> Callable[[Any], Any]:
    """The product with a weight that lies as torch wants it."""
    if isinstance(weight, Int8):
        numbers, scales = torch.from_numpy(weight.weight), torch.from_numpy(weight.scales).bfloat16()
        return lambda x: torch._weight_int8pack_mm(x, numbers, scales)
    numbers = torch._convert_weight_to_int4pack_for_cpu(torch.from_numpy((weight.numbers() + 8).astype(np.int32)), 1)
    steps = torch.from_numpy(weight.scales).view(torch.bfloat16)
    pairs = torch.stack((steps, torch.zeros_like(steps)), -1).transpose(0, 1).contiguous()  # of each group, its zero
    return lambda x: torch._weight_int4pack_mm_for_cpu(x, numbers, weight.group, pairs)


def best(works: list[Callable[[], object]]) -> list[float]:
    """The fewest seconds of each work, asked in turn."""
    found = [float("inf")] * len(works)
    for work in works:
        work()  # made ready before it is measured
    for _ in range(REPEATS):
        for n, work in enumerate(works):
            started = time.perf_counter()
            work()
            found[n] = min(found[n], time.perf_counter() - started)
    return found
