"""The rows of `route` on a GPU: 256 tokens by one block, and 8,192 by as many as run side by side.

The limit is what the bytes would take as a copy, and at least a launch of a kernel that does nothing.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

from polyloom_kernels._cuda import Device
from polyloom_kernels._measure import Ceilings, seconds
from polyloom_kernels.route import bench, cuda

TOKENS = {256: "value <= 10", 8_192: None}
LAYERS = 8  # of a model, each with its own scores


def rows(machine: Device, ceilings: Ceilings) -> Iterator[dict[str, Any]]:
    """The arguments of each row."""
    for tokens, bar in TOKENS.items():
        scores, bias = bench.given(tokens)
        layers = [machine.array(scores, "float") for _ in range(LAYERS)]
        added = machine.array(bias, "float")
        ours = seconds([_ours(machine, layer, added) for layer in layers])
        theirs = seconds([_theirs(layer, added) for layer in layers])
        moved = 4 * scores.size + 28 * tokens * bench.ACTIVE
        yield {
            "group": "kernels",
            "name": f"route on a GPU, {tokens:,} tokens, {bench.EXPERTS} experts, top {bench.ACTIVE}",
            "unit": "µs",
            "value": 1e6 * ours,
            "peer": bench.PEER,
            "peer_value": 1e6 * theirs,
            "limit": 1e6 * max(moved / ceilings.copy, ceilings.launch),
            "bar": bar,
        }


def _ours(machine: Device, scores: Any, bias: Any) -> Callable[[], object]:
    return lambda: cuda.run(machine, scores, bias, bench.ACTIVE, False, True)


def _theirs(scores: Any, bias: Any) -> Callable[[], object]:
    return lambda: bench.routed(import_module("torch"), scores, bias)
