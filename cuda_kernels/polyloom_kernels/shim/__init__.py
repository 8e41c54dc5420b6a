"""Kernels on the processor: the same source, compiled by g++ against `cpu.hpp`, run by fibers, its faults reported.

    shim = Shim(order=1)
    total = shim.empty((1,), "int")
    shim.launch(kernel, (blocks,), (256,), shim.array(values, "int"), len(values), total)

It is for tests and for learning, not for speed.  See `polyloom_kernels/_launch.py` for what a kernel is.
"""

from polyloom_kernels._launch import Kernel, Machine
from polyloom_kernels.shim.machine import KernelError, Shim

__all__ = ["Kernel", "KernelError", "Machine", "Shim"]
