"""`quantized` on a GPU: one launch; up to four inputs read the weights together, and more of them from the cache."""

from pathlib import Path
from typing import Any, NamedTuple

from polyloom_kernels._launch import Kernel, Machine
from polyloom_kernels.quantized.quantise import Int8, Quantised

SOURCE = Path(__file__).parent / "quantized.cu"
ROWS, THREADS = 4, 128  # of a block, as the source says
BATCHES = (1, 2, 4)  # inputs that a block can have

EIGHT = {
    batch: Kernel(
        *(SOURCE, "eight"),
        ("const signed char*", "const float*", "const float*", "int", "int", "int", "float*"),
        (("BATCH", str(batch)),),
    )
    for batch in BATCHES
}
FOUR = {
    batch: Kernel(
        *(SOURCE, "four"),
        ("const unsigned char*", "const unsigned short*", "const float*", *["int"] * 5, "float*"),
        (("BATCH", str(batch)),),
    )
    for batch in BATCHES
}
KERNELS = (*EIGHT.values(), *FOUR.values())


class Placed(NamedTuple):
    """A weight on a machine, as `Int8` or `Int4` have it; `scales` has an axis for groups or has none."""

    weight: Any
    scales: Any
    columns: int


def place(machine: Machine, weight: Quantised) -> Placed:
    """Copy a weight to a machine."""
    kinds = ("signed char", "float") if isinstance(weight, Int8) else ("unsigned char", "unsigned short")
    held, scales = (machine.array(array, kind) for array, kind in zip(weight[:2], kinds, strict=True))
    return Placed(held, scales, weight.shape[1])


def run(machine: Machine, x: Any, weight: Placed) -> Any:
    """x Wᵀ, float32 (m, n), of x float32 (m, k) that lies on the machine."""
    count, (rows, width) = x.shape[0], weight.weight.shape
    batch = next((size for size in BATCHES if size >= count), BATCHES[-1])
    grid = (-(-rows // ROWS) * -(-count // batch),)
    out = machine.empty((count, rows), "float")
    held = (weight.weight, weight.scales, x, rows, weight.columns)
    if len(weight.scales.shape) == 1:
        machine.launch(EIGHT[batch], grid, (THREADS,), *held, count, out)
    else:
        shift = (2 * width // weight.scales.shape[1]).bit_length() - 1
        machine.launch(FOUR[batch], grid, (THREADS,), *held, width, shift, count, out)
    return out
