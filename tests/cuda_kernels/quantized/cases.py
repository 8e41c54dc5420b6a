"""The cases of `quantized` on a GPU: rows, columns and inputs that divide by nothing, and arrays that lie anywhere."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuda_kernels.case import Budget, Case, between
from polyloom_kernels._launch import Machine
from polyloom_kernels.quantized import Quantised, cuda, int4, int8, reference

BUDGET = {"eight": Budget(registers=72, shared=256), "four": Budget(registers=80, shared=256)}
EQUIVALENT: dict[str, str] = {}


def case(
    name: str,
    kind: int,
    rows: int,
    columns: int,
    inputs: int,
    odd: tuple[str, ...] = (),
    near: float = 3e-5,
    large: bool = False,
) -> Case:
    """A product by chance; `kind` is 8, or how many columns share a step.  `odd` arrays begin between two multiples."""
    rng = np.random.default_rng(rows + columns)
    weight = rng.standard_normal((rows, columns), dtype=np.float32)
    x = rng.standard_normal((inputs, columns), dtype=np.float32)
    weight[:, rng.random(columns) < 0.1] = 0
    x[:, rng.random(columns) < 0.1] *= np.float32(30)
    held: Quantised = int8(weight) if kind == 8 else int4(weight, kind)

    def run(machine: Machine) -> tuple[Any, ...]:
        placed = cuda.place(machine, held)
        given = machine.array(x, "float")
        if "weight" in odd:
            placed = placed._replace(weight=shifted(machine, held[0], "signed char" if kind == 8 else "unsigned char"))
        if "x" in odd:
            given = shifted(machine, x, "float")
        return (cuda.run(machine, given, placed),)

    def expected() -> tuple[NDArray[Any]]:
        return (reference.product(x.astype(np.float64), held).astype(np.float32),)

    return Case(name, run, expected, near, large=large)


def shifted(machine: Machine, values: NDArray[Any], kind: str) -> Any:
    """The values where no vector of them could be read."""
    return machine.array(between(values.ravel()), kind)[1:].reshape(values.shape)


CASES = (
    case("one number", 8, 1, 1, 1),
    case("one number in a group", 32, 1, 1, 1),
    case("no inputs", 8, 3, 8, 0),
    case("eight bits", 8, 5, 68, 1),
    case("eight bits, more columns than a block is wide", 8, 6, 1100, 1),
    case("eight bits, no multiple of four", 8, 9, 71, 2),
    case("eight bits, weights between", 8, 4, 72, 1, ("weight",)),
    case("eight bits, inputs between", 8, 4, 72, 3, ("x",)),
    case("eight bits, four inputs", 8, 7, 132, 4),
    case("eight bits, nine inputs", 8, 2, 36, 9),
    case("four bits", 32, 5, 68, 1),
    case("four bits, more columns than a block is wide", 64, 6, 1100, 1),
    case("four bits, no multiple of four", 64, 9, 71, 2),
    case("four bits, all columns of a group", 128, 3, 256, 1),
    case("four bits, weights between", 32, 4, 72, 1, ("weight",)),
    case("four bits, inputs between", 32, 4, 72, 3, ("x",)),
    case("four bits, four inputs", 64, 7, 132, 4),
    case("four bits, nine inputs", 128, 2, 36, 9),
    case("eight bits of a layer", 8, 130, 1376, 5, near=1e-3, large=True),
    case("four bits of a layer", 64, 130, 1376, 5, near=1e-3, large=True),
)
