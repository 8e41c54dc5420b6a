"""`lora` on a GPU: two launches, whatever the ranks; see the source."""

from pathlib import Path
from typing import Any

from polyloom_kernels._launch import Kernel, Machine

SOURCE = Path(__file__).parent / "lora.cu"
GROUP, SHRINKING, EXPANDING, EIGHT = 4, 128, 64, 8  # as the source says
NUMBERS = {"float32": "float", "uint16": "bf16"}  # of x and of weights, in the words of `bank.STORED`

SHRINK = {
    (number, weight): Kernel(
        *(SOURCE, "shrink"),
        (
            *(f"const {number}*", "const long long*", "const float*", "const long long*"),
            *("int", "int", "int", "int", "float*"),
        ),
        (("NUMBER", number), ("WEIGHT", weight)),
    )
    for number in NUMBERS.values()
    for weight in NUMBERS.values()
}
EXPAND = {
    (number, weight): Kernel(
        *(SOURCE, "expand"),
        ("const float*", "const long long*", "const long long*", "int", "int", "int", "int", f"{number}*"),
        (("NUMBER", number), ("WEIGHT", weight)),
    )
    for number, weight in SHRINK
}
KERNELS = (*SHRINK.values(), *EXPAND.values())


def run(
    machine: Machine, x: Any, slots: Any, scales: Any, table: Any, most: int, out: Any, kinds: tuple[str, str]
) -> None:
    """Add to `out` (N, outputs) what the slots (N, K) make of x (N, inputs); scales (N, K) or None, which is 1.

    `table` has slots whose matrices lie on the machine, of ranks up to `most`; `kinds` are those of x and of weights.
    """
    count, (rows, each), inputs, outputs = table.shape[0], slots.shape, x.shape[1], out.shape[1]
    hidden = machine.empty((rows * each, most), "float")
    asked = (count, inputs, each, most)
    grid = (rows * each, -(-most // GROUP))
    machine.launch(SHRINK[kinds], grid, (SHRINKING,), x, slots, scales, table, *asked, hidden)
    grid = (rows if each else 0, -(-outputs // (EXPANDING * EIGHT)))
    machine.launch(EXPAND[kinds], grid, (EXPANDING,), hidden, slots, table, count, outputs, each, most, out)
