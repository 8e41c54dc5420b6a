"""The rows of `quantized` on a GPU: one input and eight, and matrices that together are larger than its cache.

The limit is the speed of a copy.  The peer is torch's product with the same matrices in bfloat16, told as if it had
read our bytes, so that the ratio is that of the times.
"""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import numpy as np

from polyloom_kernels._cuda import Device
from polyloom_kernels._measure import Ceilings, seconds
from polyloom_kernels.quantized import cuda
from polyloom_kernels.quantized.quantise import Int4, Int8, Quantised

ROWS, COLUMNS, LAYERS = 14_336, 4_096, 8
GROUP = 64
BARS = {("int8", 1): "limit_ratio >= 0.75", ("int4", 1): "limit_ratio >= 0.65", ("int8", 8): None, ("int4", 8): None}


def rows(machine: Device, ceilings: Ceilings) -> Iterator[dict[str, Any]]:
    """The arguments of each row."""
    for (name, inputs), bar in BARS.items():
        weight = drawn(name)
        layers = [cuda.place(machine, weight) for _ in range(LAYERS)]
        x = machine.array(np.random.default_rng(1).standard_normal((inputs, COLUMNS), dtype=np.float32), "float")
        read = weight.nbytes / 1e9
        yield {
            "group": "kernels",
            "name": f"product on a GPU with {1e3 * read:.0f} MB of {name}, {inputs} input{'s' * (inputs > 1)}",
            "unit": "GB/s",
            "better": "higher",
            "value": read / seconds([_ours(machine, x, layer) for layer in layers]),
            "peer": "torch, bfloat16",
            "peer_value": read / seconds(_theirs(inputs)),
            "limit": ceilings.copy / 1e9,
            "bar": bar,
        }


def drawn(name: str) -> Quantised:
    """A weight by chance."""
    rng = np.random.default_rng(0)
    if name == "int8":
        return Int8(rng.integers(-127, 128, (ROWS, COLUMNS), np.int8), np.full(ROWS, 0.01, np.float32))
    packed = rng.integers(0, 256, (ROWS, COLUMNS // 2), np.uint8)
    return Int4(packed, np.full((ROWS, COLUMNS // GROUP), 0x3C00, np.uint16), COLUMNS)


def _ours(machine: Device, x: Any, layer: cuda.Placed) -> Callable[[], object]:
    return lambda: cuda.run(machine, x, layer)


def _theirs(inputs: int) -> list[Callable[[], object]]:
    torch: Any = import_module("torch")
    x = torch.randn(inputs, COLUMNS, dtype=torch.bfloat16, device="cuda")
    layers = [torch.randn(ROWS, COLUMNS, dtype=torch.bfloat16, device="cuda") for _ in range(LAYERS)]
    return [lambda layer=layer: torch.nn.functional.linear(x, layer) for layer in layers]
