"""Every kernel on the processor, against its reference: all cases, several orders of threads, and with sanitizers."""

import shutil

import pytest

from cuda_kernels.case import ORDERS, WITH_KERNELS, Operation, operation
from polyloom_kernels.shim import Shim
from polyloom_kernels.shim.build import entries

pytestmark = pytest.mark.skipif(
    shutil.which("g++") is None, reason="g++, which compiles for the shim, is not installed"
)


@pytest.fixture(params=WITH_KERNELS)
def kernels(request: pytest.FixtureRequest) -> Operation:
    return operation(request.param)


def test_every_case_is_the_reference_in_every_order(kernels: Operation) -> None:
    for case in kernels.cases:
        for order in ORDERS[: 1 if case.large else None]:
            case.check(Shim(order))


def test_every_kernel_of_a_file_is_in_the_tables(kernels: Operation) -> None:
    sources = {kernel.source for kernel in kernels.kernels}
    written = {name for source in sources for name in entries(source.read_text(encoding="utf-8"))}
    assert written == {kernel.name for kernel in kernels.kernels} == set(kernels.budget)
