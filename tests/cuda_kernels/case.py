"""What an operation gives the generic tests of kernels: `tests/cuda_kernels/NAME/cases.py` with three tables.

    CASES        a tuple of `Case`: host code run on a machine, and what its results must be
    BUDGET       for each kernel by name, a `Budget`: what it may use at most, on sm_80 and on sm_90
    EQUIVALENT   mutants that no test could find, because they change nothing: their names, each with the reason

A case makes its inputs from a fixed seed, puts them on the machine with `machine.array`, calls `cuda.run` and gives the
results that `run` gave, as a tuple; `expected` gives as many NumPy arrays, from the reference.  They are equal bit for
bit unless `tolerance` says how far float results may be apart, absolutely and relatively.

Cover: sizes that divide by nothing, empty and single ones, the largest that a branch of the kernel handles, arrays that
begin between two multiples of 16 bytes (`between`), ties, extreme values.  Every case runs on the shim in several
orders and, if it is not `large`, for each mutant, so it should take a few milliseconds: tens of threads rather than
thousands.  A `large` case runs on the shim once, and on a GPU.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels._launch import Kernel, Machine
from polyloom_kernels._table import OPERATIONS

ORDERS = (0, 1, 2, 3)


@dataclass(frozen=True)
class Case:
    """A call of an operation's host code with its inputs, and the definition's answer."""

    name: str
    run: Callable[[Machine], tuple[Any, ...]]
    expected: Callable[[], tuple[NDArray[Any], ...]]
    tolerance: float = 0.0
    large: bool = False

    @cached_property
    def answers(self) -> tuple[NDArray[Any], ...]:
        """What the definition says, asked once."""
        return self.expected()

    def check(self, machine: Machine) -> None:
        """Run it; AssertionError if a result is not what it must be."""
        found, expected = [machine.numpy(each) for each in self.run(machine)], self.answers
        assert len(found) == len(expected)
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.shape == theirs.shape
            if self.tolerance:
                np.testing.assert_allclose(ours, theirs, atol=self.tolerance, rtol=self.tolerance, err_msg=self.name)
            else:
                np.testing.assert_array_equal(ours, theirs, err_msg=self.name)


class Budget(NamedTuple):
    """What a kernel may use: registers of a thread, bytes of static shared memory, of stack, of spills."""

    registers: int
    shared: int = 0
    stack: int = 0
    spills: int = 0


class Operation(NamedTuple):
    """All that the tests know of an operation with kernels."""

    name: str
    kernels: tuple[Kernel, ...]
    cases: tuple[Case, ...]
    budget: dict[str, Budget]
    equivalent: dict[str, str]


def between(values: NDArray[Any]) -> NDArray[Any]:
    """The same values, beginning one element past a multiple of 16 bytes: put on a machine, then `[1:]`."""
    return np.concatenate([values[:1], values])


def operation(name: str) -> Operation:
    """Its tables."""
    cases = import_module(f"cuda_kernels.{name}.cases")
    kernels = import_module(f"polyloom_kernels.{name}.cuda").KERNELS
    return Operation(name, kernels, cases.CASES, cases.BUDGET, cases.EQUIVALENT)


WITH_KERNELS = tuple(name for name, back_ends in OPERATIONS.items() if "cuda" in back_ends)
