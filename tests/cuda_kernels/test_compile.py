"""Every kernel compiled for GPUs that need not be here, and its registers, memory and spills held to a budget."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cuda_kernels.case import WITH_KERNELS, Budget, operation
from polyloom_kernels import _nvrtc
from polyloom_kernels._launch import HEADER, Kernel

ARCHITECTURES = ("sm_80", "sm_90")
ENTRY = re.compile(
    r"Compiling entry function '(?P<name>\w+)'.*?(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads.*?Used (?P<registers>\d+) registers(?:[^\n]*?(?P<shared>\d+) bytes smem)?",
    re.DOTALL,
)


def used(log: str) -> Iterator[tuple[str, Budget]]:
    """What the assembler says that each kernel uses."""
    for found in ENTRY.finditer(log):
        registers, shared, stack = (int(found[part] or 0) for part in ("registers", "shared", "stack"))
        yield found["name"], Budget(registers, shared, stack, int(found["stores"]) + int(found["loads"]))


def files() -> list[Kernel]:
    """One kernel for each file and each set of macros: they are compiled together."""
    kernels = [kernel for name in WITH_KERNELS for kernel in operation(name).kernels]
    return list({(kernel.source, kernel.macros): kernel for kernel in kernels}.values())


def budget(kernel: Kernel) -> dict[str, Budget]:
    return operation(kernel.source.parent.name).budget


def hold(log: str, kernel: Kernel) -> None:
    """AssertionError if a kernel uses more than its budget."""
    found, allowed = dict(used(log)), budget(kernel)
    assert found, log
    over = {name: (spent, allowed[name]) for name, spent in found.items() if any(map(int.__gt__, spent, allowed[name]))}
    assert not over, f"{kernel}: uses more than its budget: {over}"


@pytest.mark.long
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("kernel", files(), ids=lambda kernel: f"{kernel.source.stem} {kernel}")
def test_nvrtc_compiles_it_within_its_budget(kernel: Kernel, architecture: str) -> None:
    pytest.importorskip("cupy", reason="CuPy, which brings the binding to NVRTC, is not installed")
    compiled = _nvrtc.compiled(kernel, architecture)
    assert compiled.cubin[:4] == b"\x7fELF"
    hold(compiled.log, kernel)


@pytest.mark.long
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc, the second opinion, is not installed")
@pytest.mark.parametrize("kernel", files(), ids=lambda kernel: f"{kernel.source.stem} {kernel}")
def test_nvcc_agrees(kernel: Kernel, tmp_path: Path) -> None:
    macros = [f"-D{name}={meaning}" for name, meaning in kernel.macros]
    command = ["nvcc", "-std=c++17", "-arch=sm_90", "-cubin", "-Xptxas", "-v", f"-I{HEADER.parent}", *macros]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "out.cubin"), str(kernel.source)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert {name for name, _ in used(done.stderr)} >= {kernel.name}


def test_a_log_is_read() -> None:
    log = (
        "ptxas info    : Compiling entry function 'sum' for 'sm_90'\nptxas info    : Function properties for sum\n"
        "    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads\n"
        "ptxas info    : Used 31 registers, used 1 barriers, 4112 bytes smem\n"
    )
    assert dict(used(log)) == {"sum": Budget(registers=31, shared=4112, stack=8, spills=16)}
