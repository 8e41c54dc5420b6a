"""The cases of `attend` on a GPU: texts, tiles, pages, heads and numbers that divide by nothing, of every kind."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuda_kernels.case import Budget, Case
from polyloom_kernels._launch import Machine
from polyloom_kernels.attend import Pages, cuda, narrowed, reference

BUDGET = {"attend": Budget(registers=170, shared=18_000), "combine": Budget(registers=40)}
EQUIVALENT = {
    "attend.cu: bound part < parts": "what these threads sum is not put together",
    "attend.cu: bound part < parts #2": "where these threads put their sums nobody looks",
}


def case(
    name: str,
    lengths: list[int],
    heads: tuple[int, int],
    size: int,
    page: int,
    kind: str = "float",
    shifted: bool = False,
    loud: float = 1.0,
    processors: int = 4,
    tolerance: float = 2e-5,
    large: bool = False,
    **rules: Any,
) -> Case:
    """Texts of these lengths; `heads` are key heads and the query heads of each; pages lie anywhere."""
    rng = np.random.default_rng(len(name))
    most, (key_heads, shared), many = -(-max([1, *lengths]) // page), heads, np.array(lengths, np.int64)
    count = max(1, len(lengths) * most)
    query = rng.standard_normal((len(lengths), key_heads * shared, size)).astype(np.float32) * np.float32(loud)
    pages = Pages(*rng.standard_normal((2, count, key_heads, page, size)).astype(np.float32))
    if kind == "half":
        pages = Pages(*(part.astype(np.float16).astype(np.float32) for part in pages[:2]))
    if kind == "signed char":
        pages = narrowed(pages)
    table = rng.permutation(count)[: len(lengths) * most].reshape(len(lengths), most).astype(np.int64)
    scale, cap, window = rules.get("scale", size**-0.5), rules.get("cap", 0.0), rules.get("window", 0)

    def on(machine: Machine, part: NDArray[Any]) -> Any:
        if not shifted:
            return machine.array(part, kind)
        flat = part.reshape(-1)
        return machine.array(np.concatenate([flat[:1], flat]), kind)[1:].reshape(part.shape)

    def run(machine: Machine) -> tuple[Any, ...]:
        placed = Pages(
            *(on(machine, part) for part in pages[:2]),
            *(None if part is None else machine.array(part, "float") for part in pages[2:]),
        )
        sides = machine.array(table, "long long"), machine.array(many, "long long")
        asked = cuda.Asked(*sides, int(many.max(initial=0)), scale, cap, window)
        return (cuda.run(Few(machine, processors), machine.array(query, "float"), placed, kind, asked),)

    def expected() -> tuple[NDArray[Any], ...]:
        return (reference.attend(query, pages, many, table, scale, cap, window).astype(np.float32),)

    return Case(name, run, expected, tolerance=tolerance, large=large)


class Few:
    """A machine with so many processors, which says into how many parts a text is cut."""

    def __init__(self, machine: Machine, processors: int) -> None:
        self.machine, self.processors = machine, processors

    def __getattr__(self, name: str) -> object:
        return getattr(self.machine, name)


CASES = (
    case("ragged", [3, 0, 130, 1, 128], (2, 3), 24, 16),
    case("no texts", [], (2, 3), 8, 16),
    case("no tokens", [0, 0], (1, 2), 8, 4),
    case("one number", [5, 40], (1, 1), 1, 7),
    case("numbers that no piece holds", [37, 9], (1, 4), 13, 8),
    case("parts", [1000, 5, 517], (1, 2), 8, 100),
    case("parts, loud", [900, 300], (1, 4), 16, 64, loud=30.0, tolerance=1e-4),
    case("one part of many tiles", [700], (2, 1), 16, 33, processors=0),
    case("eight heads", [150, 20], (1, 8), 32, 32),
    case("eleven heads in two blocks", [150, 20], (2, 11), 8, 32),
    case("five heads of a block of eight", [61], (2, 5), 40, 64),
    case("window", [300, 20, 129], (1, 2), 8, 50, window=130),
    case("window of one", [7, 1, 200], (1, 2), 8, 50, window=1),
    case("cap and scale", [90, 260], (2, 2), 16, 16, cap=1.5, scale=0.9),
    case("half", [140, 33], (2, 4), 16, 16, "half"),
    case("half, begins between", [140, 33], (1, 2), 16, 16, "half", shifted=True),
    case("half of thirteen", [140, 33], (1, 6), 13, 16, "half"),
    case("int8", [140, 33, 0], (2, 4), 16, 20, "signed char"),
    case("int8 of thirteen", [48], (1, 2), 13, 16, "signed char"),
    case("int8, begins between", [140, 33], (1, 5), 24, 16, "signed char", shifted=True),
    case("float, begins between", [140, 33], (1, 2), 16, 16, shifted=True),
    case("largest heads", [130], (1, 2), 256, 64),
    case("a long text", [2_000, 700], (2, 4), 64, 128, "half", large=True),
)
