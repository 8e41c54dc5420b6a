# pyright: basic
# numba compiles these functions; its decorators have no types.
"""What compiled models do to each number by itself, as arithmetic that the compiler makes vectors of."""

import numpy as np
from numba import njit

U = np.uint64
F = np.float32

# What the compiler may do with float32: sums in any order, multiplications fused with additions.  Not everything that
# "fast" allows: it divides by an approximate reciprocal where it makes vectors and exactly where it does not, and which
# of the two runs depends on where arrays lie, so the same call would not give the same bits twice.
FREE = {"reassoc", "contract", "nsz"}


@njit(nogil=True, error_model="numpy")
def power(x):
    """e^x within two units in the last place, as arithmetic that the compiler makes vectors of: x = n ln 2 + r.

    Below −104 it is 0, as in float32.  Above 89 it is infinite, and from 88.03 on it may be: 2^128 has no float32, and
    who allows sums and products in any order may have it first.
    """
    x = min(max(x, F(-104)), F(89))
    n = np.floor(x * F(1.44269504) + F(0.5))
    r = (x - n * F(0.693359375)) + n * F(2.12194440e-4)  # ln 2 in two parts, the first exact in n · ln 2
    y = (F(1 / 5040) * r + F(1 / 720)) * r + F(1 / 120)
    y = (((y * r + F(1 / 24)) * r + F(1 / 6)) * r + F(0.5)) * r * r + r + F(1)
    half = np.int32(n) >> np.int32(1)  # 2^n in two factors, because a subnormal number needs an n that has no float32
    return y * two_to(half) * two_to(np.int32(n) - half)


@njit(nogil=True, error_model="numpy")
def two_to(n):
    """2^n for n of −126 … 127."""
    return np.int32((np.int32(n) + np.int32(127)) << np.int32(23)).view(np.float32)


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def open_gate(gate, up):
    """gate = silu(gate) · up."""
    for k in range(U(len(gate))):
        gate[k] = gate[k] / (F(1) + power(-gate[k])) * up[k]


@njit(nogil=True, error_model="numpy")
def clear(x):
    """Make all zero."""
    for k in range(U(len(x))):
        x[k] = F(0)
