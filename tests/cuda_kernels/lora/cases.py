"""The cases of `lora` on a GPU: sizes that divide by nothing, mixed ranks, slots that are none, matrices anywhere.

The table holds addresses, which the shim does not copy with its arrays.  So there each matrix is put where a page
without access begins, and to read beyond it is noticed.
"""

import ctypes
from contextlib import ExitStack
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cuda_kernels.case import Budget, Case, between
from polyloom_kernels._launch import Machine
from polyloom_kernels.lora import Thin, cuda, reference
from polyloom_kernels.lora.bank import words
from polyloom_kernels.shim import Shim
from polyloom_kernels.shim import machine as shim

BUDGET = {"shrink": Budget(registers=80, shared=64), "expand": Budget(registers=72)}
EQUIVALENT: dict[str, str] = {}

Numbers = NDArray[Any]


def case(
    name: str,
    slots: Any,
    inputs: int,
    outputs: int,
    ranks: tuple[int, ...] = (3,),
    number: str = "float",
    weight: str = "float",
    odd: tuple[str, ...] = (),
    scaled: bool = True,
    large: bool = False,
) -> Case:
    """Rows by chance, adapters by chance of these ranks (0 is an empty slot); `odd` arrays begin between multiples."""
    rng = np.random.default_rng(inputs + outputs)
    asked = np.array(slots, np.int64)
    asked = asked[:, None] if asked.ndim == 1 else asked
    most = max(ranks) + 1
    matrices = [
        (real(rng.standard_normal((rank, inputs)), weight), real(rng.standard_normal((rank, outputs)), weight))
        for rank in ranks
    ]
    factors = rng.uniform(0.5, 2, len(ranks)).astype(np.float32).tolist()
    x = real(rng.standard_normal((len(asked), inputs)) / np.sqrt(inputs), number)
    before = real(rng.standard_normal((len(asked), outputs)), number)
    scales = rng.uniform(-2, 2, asked.shape).astype(np.float32) if scaled else None

    def run(machine: Machine) -> tuple[Any, ...]:
        with ExitStack() as held:
            return _run(machine, held)

    def _run(machine: Machine, places: ExitStack) -> tuple[Any, ...]:
        def placed(values: Numbers, kind: str, part: str) -> Any:
            given = machine.array(between(values.ravel()), kind)[1:].reshape(values.shape) if part in odd else None
            return machine.array(values, kind) if given is None else given

        def weights(values: Numbers, part: str) -> Any:
            given = placed(values, weight, part)
            if not isinstance(machine, Shim) or machine.sanitized:
                return given
            memory = shim._guarded(given, machine.poison)
            places.callback(memory.release)
            return np.frombuffer((ctypes.c_uint8 * given.nbytes).from_address(memory.start), given.dtype).reshape(
                given.shape
            )

        held = [
            Thin(weights(a, "a"), weights(b, "b"), factor) if len(a) else None
            for (a, b), factor in zip(matrices, factors, strict=True)
        ]
        out = placed(before, number, "out")
        table = machine.array(words(held), "long long")
        share = None if scales is None else machine.array(scales, "float")
        given = (placed(x, number, "x"), machine.array(asked, "long long"), share, table)
        cuda.run(machine, *given, most, out, (number, weight))
        return (out,)

    def expected() -> tuple[Numbers]:
        adapters = [Thin(a, b, factor) if len(a) else None for (a, b), factor in zip(matrices, factors, strict=True)]
        out = before.astype(np.float64)
        known = np.where(asked < len(ranks), asked, -1)
        share = np.ones(asked.shape, np.float32) if scales is None else scales
        reference.lora(x.astype(np.float64), np.maximum(known, -1), share, adapters, out)
        return (out.astype(np.float32),)

    return Case(name, run, expected, 2e-2 if number == "bf16" else 5e-5, large=large)


def real(values: Numbers, kind: str) -> NDArray[np.float32]:
    """Float32 that this kind can hold."""
    single = values.astype(np.float32)
    return (single.view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32) if kind == "bf16" else single


CASES = (
    case("one number", [0], 1, 1, (1,)),
    case("no rows", np.zeros((0, 1)), 8, 8),
    case("rows without places", np.zeros((3, 0)), 8, 8),
    case("none, empty and beyond", [-1, 1, 2, 0, -7], 16, 8, (3, 0)),
    case("mixed ranks", [3, 0, 1, 2, 1], 24, 40, (1, 4, 5, 11)),
    case("no scales", [0, 1], 16, 24, (2, 5), scaled=False),
    case("several of a row", [[0, 2, -1], [1, 1, 0], [-1, -1, -1]], 40, 16, (3, 8, 2)),
    case("no multiple of eight", [0, 1, 0], 13, 21, (3, 6)),
    case("wider than a block", [1, 0], 1100, 528, (2, 5)),
    case("wider than a block, no multiple", [1, 0], 1101, 523, (2, 5)),
    case("A between", [0, 1], 16, 16, (3, 5), odd=("a",)),
    case("B between", [0, 1], 16, 16, (3, 5), odd=("b",)),
    case("inputs and outputs between", [0, 1], 16, 16, (3, 5), odd=("x", "out")),
    case("bfloat16", [[0, 1], [2, -1]], 32, 40, (1, 4, 9), "bf16", "bf16"),
    case("bfloat16, no multiple of eight", [1, 0], 19, 11, (3, 5), "bf16", "bf16"),
    case("bfloat16 rows, float32 adapters", [1, 0], 16, 24, (3, 5), "bf16", "float"),
    case("float32 rows, bfloat16 adapters", [1, 0], 16, 24, (3, 5), "float", "bf16"),
    case("a layer", np.arange(16) % 5 - 1, 1376, 512, (8, 16, 4, 33), large=True),
)
