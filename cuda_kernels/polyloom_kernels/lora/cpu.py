# pyright: basic, reportCallIssue=false
# numba compiles these functions; its decorators have no types, and an intrinsic is called without its typing context.
"""`lora` compiled for the processor: each row with the matrices of its own adapters, which are read once, in order.

Nothing is gathered, stacked or filled up.  A meets the row four directions at a time, and as many of Bᵀ are added to
the row of `out`, because four streams come from memory a quarter faster than one.  A row's sums are made in the same
order whoever else is there, so its result is the same to the last bit.
"""

import numpy as np
from numba import carray, njit, types  # pyright: ignore[reportPrivateImportUsage]

from polyloom_kernels.activation import FREE
from polyloom_kernels.dots import BFLOAT16, FLOAT32, WIDTH, tile
from polyloom_kernels.intrinsics import pointer
from polyloom_kernels.lora.bank import WORDS

U = np.uint64
F = np.float32
GROUP = 4  # directions at a time
LANES = 16  # floats of a vector: a tenth faster than 8 where a processor has AVX-512, and no slower where it has not
AHEAD = 1024  # bytes: from 512 to 4,096 it makes no difference that can be measured


@njit(nogil=True)
def as_it_is(number):
    """A float32."""
    return number


@njit(nogil=True)
def widened(bits):
    """The float32 whose upper half is these bits."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


def shrinking(kind):
    """h_r = scale · a_r · x for the rows of A, one after another from an address on."""
    group, single = (tile(kind, rows, 1, 1, AHEAD, LANES) for rows in (GROUP, 1))
    width = WIDTH[kind]

    @njit(nogil=True)
    def run(a, rank, x, scale, h):
        columns, source = len(x), x.ctypes.data
        line, whole = width * columns, rank - rank % GROUP
        for r in range(0, whole, GROUP):
            sums = group((a, a + line, a + 2 * line, a + 3 * line), columns, source, 0)
            for n in range(GROUP):
                h[U(r + n)] = scale * sums[n]
            a += GROUP * line
        for r in range(whole, rank):
            h[U(r)] = scale * single((a,), columns, source, 0)[0]
            a += line

    return run


def expanding(kind, stored, real):
    """y += Σ_r h_r b_r for the rows of Bᵀ, one after another from an address on."""
    width = WIDTH[kind]

    @njit(nogil=True)
    def row(b, size, r):
        return carray(pointer(b + width * size * r), (size,), stored)

    @njit(nogil=True, fastmath=FREE, error_model="numpy")
    def run(b, rank, h, y):
        size, whole = len(y), rank - rank % GROUP
        for r in range(0, whole, GROUP):
            first, second, third, fourth = (
                row(b, size, r),
                row(b, size, r + 1),
                row(b, size, r + 2),
                row(b, size, r + 3),
            )
            one, two, three, four = h[r], h[r + 1], h[r + 2], h[r + 3]
            for k in range(U(size)):
                left = one * real(first[k]) + two * real(second[k])
                y[k] += left + (three * real(third[k]) + four * real(fourth[k]))
        for r in range(whole, rank):
            first, one = row(b, size, r), h[r]
            for k in range(U(size)):
                y[k] += one * real(first[k])

    return run


SHRINK_REAL, SHRINK_BRAIN = shrinking(FLOAT32), shrinking(BFLOAT16)
EXPAND_REAL = expanding(FLOAT32, np.float32, as_it_is)
EXPAND_BRAIN = expanding(BFLOAT16, np.uint16, widened)


@njit(nogil=True, cache=True)
def lora(x, slots, scales, table, kind, most, out):
    """Add to `out`; whether all slots are there: if not, nothing is added.  Empty `scales` are all 1."""
    rows, each = slots.shape
    for n in range(rows):
        for k in range(each):
            if slots[n, k] < -1 or slots[n, k] >= len(table):
                return False
    h = np.empty(most, np.float32)
    for n in range(rows):
        for k in range(each):
            slot = slots[n, k]
            if slot < 0:
                continue
            a, b, last = table[slot, 0], table[slot, 1], table[slot, WORDS - 1]  # the record that `bank.SLOT` describes
            rank, scale = last & 0xFFFFFFFF, np.int32(last >> 32).view(np.float32)
            if len(scales):
                scale *= scales[n, k]
            if kind == FLOAT32:
                SHRINK_REAL(a, rank, x[n], scale, h)
                EXPAND_REAL(b, rank, h, out[n])
            else:
                SHRINK_BRAIN(a, rank, x[n], scale, h)
                EXPAND_BRAIN(b, rank, h, out[n])
    return True


def _read_only(number):
    return types.Array(number, 2, "C", readonly=True)


KERNELS = (
    (
        lora,
        (
            *(_read_only(types.float32), _read_only(types.int64), _read_only(types.float32)),
            *(_read_only(types.int64), types.int64, types.int64, types.float32[:, ::1]),
        ),
    ),
)
