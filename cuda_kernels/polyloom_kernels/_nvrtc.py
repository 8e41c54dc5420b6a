"""Kernels compiled for a GPU, whether or not there is one here: from the text of a `.cu` to machine code (a cubin).

NVRTC needs no driver.  So the tests compile on any machine exactly what a GPU would run, for each architecture, and
read in the log of the assembler how many registers, how much shared memory, and whether anything spilled.
"""

from importlib import import_module
from typing import Any, NamedTuple

from polyloom_kernels._launch import HEADER, Kernel


class Compiled(NamedTuple):
    """Machine code for one architecture, and what the assembler said of it."""

    cubin: bytes
    log: str


def options(kernel: Kernel, architecture: str) -> tuple[str, ...]:
    """What the compiler is told: architecture, language, macros; no rearranging of floats beyond multiply-add."""
    macros = (f"-D{name}={meaning}" for name, meaning in kernel.macros)
    return (f"--gpu-architecture={architecture}", "-std=c++17", "--ptxas-options=-v", *macros)


def compiled(kernel: Kernel, architecture: str) -> Compiled:
    """The file of a kernel compiled for "sm_90", say.  Raises RuntimeError with the compiler's words if it is faulty.

    Raises ImportError if CuPy or NVRTC are not here.
    """
    nvrtc: Any = import_module("cupy.cuda").nvrtc
    headers = (HEADER.read_bytes(),)
    text = kernel.source.read_text(encoding="utf-8")
    program = nvrtc.createProgram(text, kernel.source.name, headers, (HEADER.name.encode(),))
    try:
        nvrtc.compileProgram(program, options(kernel, architecture))
        return Compiled(nvrtc.getCUBIN(program), nvrtc.getProgramLog(program))
    except nvrtc.NVRTCError as error:
        raise RuntimeError(f"{kernel.source.name} for {architecture}: {nvrtc.getProgramLog(program)}") from error
    finally:
        nvrtc.destroyProgram(program)


def version() -> tuple[int, int]:
    """Of NVRTC: machine code is kept by it, among others."""
    return import_module("cupy.cuda").nvrtc.getVersion()
