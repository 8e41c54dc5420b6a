"""Every kernel on the processor, against its reference: all cases, several orders of threads, and with sanitizers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cuda_kernels.case import ORDERS, WITH_KERNELS, Operation, operation
from polyloom_kernels.shim import Shim, build

pytestmark = pytest.mark.skipif(build.missing() is not None, reason=str(build.missing()))


@pytest.fixture(params=WITH_KERNELS)
def kernels(request: pytest.FixtureRequest) -> Operation:
    return operation(request.param)


@pytest.mark.long
def test_every_case_is_the_reference_in_every_order(kernels: Operation) -> None:
    for case in kernels.cases:
        for order in ORDERS[: 1 if case.large else None]:
            case.check(Shim(order))


def test_every_kernel_of_a_file_is_in_the_tables(kernels: Operation) -> None:
    sources = {kernel.source for kernel in kernels.kernels}
    written = {name for source in sources for name in build.entries(source.read_text(encoding="utf-8"))}
    assert written == {kernel.name for kernel in kernels.kernels} == set(kernels.budget)


SANITIZED = """
import sys
from cuda_kernels.case import operation
from polyloom_kernels.shim import Shim
for case in operation(sys.argv[1]).cases:
    if not case.large:
        case.check(Shim(order=2, sanitized=True))
"""


def sanitized(program: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """A program of Python that can load what was compiled with sanitizers: their runtime must come first."""
    runtimes = [
        subprocess.run(["g++", f"-print-file-name={name}"], capture_output=True, text=True, check=True).stdout.strip()
        for name in ("libasan.so", "libubsan.so")
    ]
    if not all(Path(each).is_file() for each in runtimes):
        pytest.skip("the runtime of the sanitizers is not installed")
    environment = os.environ | {
        "LD_PRELOAD": " ".join(runtimes),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]),
    }
    command = [sys.executable, "-c", program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.long
def test_no_case_makes_a_sanitizer_complain(kernels: Operation) -> None:
    done = sanitized(SANITIZED, kernels.name)
    assert done.returncode == 0, done.stderr


FAULTY = """
import sys, numpy
from pathlib import Path
from polyloom_kernels.shim import Kernel, Shim
kernel = Kernel(Path(sys.argv[1]), "faulty", ("int*", "int"))
Shim(sanitized=True).launch(kernel, (1,), (1,), numpy.zeros(5, numpy.int32), int(sys.argv[2]), shared=20)
print("ran")
"""


@pytest.mark.long
@pytest.mark.parametrize(
    ("body", "given", "said"),
    [
        ("out[n] = 1;", 4, ""),
        ("out[n] = 1;", 5, "heap-buffer-overflow"),
        ("DYNAMIC_SHARED(int, wide);\nwide[n] = 1;", 4, ""),
        ("DYNAMIC_SHARED(int, wide);\nwide[n] = 1;", 5, "heap-buffer-overflow"),
        ("__shared__ int few[4];\nfew[n] = 1;", 4, "index 4 out of bounds"),
        ("out[0] = n + 1;", 2**31 - 1, "signed integer overflow"),
        ("out[0] = *(const long long*)((const char*)out + n);", 4, "misaligned address"),
    ],
)
def test_the_sanitizers_complain_of_a_faulty_kernel(tmp_path: Path, body: str, given: int, said: str) -> None:
    source = tmp_path / "faulty.cu"
    source.write_text(f'#include "device.cuh"\nextern "C" __global__ void faulty(int* out, int n) {{\n{body}\n}}\n')
    done = sanitized(FAULTY, str(source), str(given))
    assert (done.stdout == "ran\n") == (not said), done.stderr
    assert said in done.stderr
