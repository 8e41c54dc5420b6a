"""A `.cu` file compiled for the processor: g++, the shim's header, and a door for each kernel below the source.

A file is compiled once for each set of macros and flags; what was compiled is kept for the process, in a temporary
folder, by its text.
"""

import ctypes
import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from polyloom_kernels._launch import HEADER, KINDS

ENTRY = re.compile(r'extern "C" __global__ void (?:__launch_bounds__\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)')
FLAGS = (
    *("-std=c++17", "-O1", "-g1", "-fPIC", "-shared", "-Wno-attributes", "-fno-strict-aliasing"),
    "-ffp-contract=off",
    "-fno-gnu-unique",  # each library has a state of its own, however many are loaded
)
CHECKED = ("-fsanitize=bounds", "-fsanitize-undefined-trap-on-error")  # an index beyond a fixed array ends the launch
SANITIZED = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-sanitize=vptr")

Macros = tuple[tuple[str, str], ...]


def missing() -> str | None:
    """Why kernels cannot run on the processor here, as the end of a sentence; None if they can."""
    if sys.platform != "linux":
        return f"the shim needs Linux, this is {sys.platform}"
    return None if shutil.which("g++") else "g++, which compiles kernels for the processor, is not installed"


def entries(text: str) -> dict[str, list[str]]:
    """The kernels in the text of a file, each with the names of its parameters."""
    bare = re.sub(r"//[^\n]*", "", text)
    return {name: [each.split()[-1].strip("*& ") for each in given.split(",")] for name, given in ENTRY.findall(bare)}


def library(text: str, name: str, macros: Macros, flags: Sequence[str] = CHECKED) -> ctypes.CDLL:
    """The kernels of a file, compiled and loaded.  Raises RuntimeError with the compiler's words if it is faulty."""
    return _library(text, name, macros, tuple(flags))


@cache
def _library(text: str, name: str, macros: Macros, flags: tuple[str, ...]) -> ctypes.CDLL:
    whole = f'#line 1 "{name}"\n{text}\n{_doors(text)}'
    defined = [f"-D{macro}={meaning}" for macro, meaning in macros]
    key = hashlib.sha256("\0".join([whole, *defined, *flags]).encode()).hexdigest()[:24]
    reason = missing()
    if reason is not None:
        raise RuntimeError(f"{name} cannot be compiled: {reason}.")
    built = Path(_folder().name) / f"{key}.so"
    command = ["g++", *FLAGS, *flags, *defined, f"-I{HEADER.parent}", "-x", "c++", "-", "-o", str(built)]
    done = subprocess.run(command, input=whole, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} cannot be compiled for the processor:\n{done.stderr}")
    return ctypes.CDLL(str(built))


def _doors(text: str) -> str:
    types = "\n".join(f"POLYLOOM_TYPE({kind})" for kind in KINDS)
    doors = "\n".join(f"POLYLOOM_ENTRY({name})" for name in entries(text))
    return f"namespace polyloom {{\n{types}\n}}\n{doors}\n"


@cache
def _folder() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="polyloom-shim-")
