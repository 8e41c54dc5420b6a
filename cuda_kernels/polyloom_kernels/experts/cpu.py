# pyright: basic, reportCallIssue=false
# numba compiles these functions; its decorators have no types, and an intrinsic is called without its typing context.
"""`experts` compiled for the processor: each weight of a chosen expert comes from memory once, for all its tokens.

Rows of weights are taken in pairs: a row of `gate` with the one of `up`, a row of the upper half of `down` with one of
the lower.  A pair meets as many tokens at a time as have their sums in the registers, six or eight, while the tokens of
an expert stay in the cache.  A token's sums are made in the same order whoever else is there, so its result is the same
to the last bit.
"""

import numpy as np
from numba import carray, njit, types  # pyright: ignore[reportPrivateImportUsage]
from numba.core.registry import cpu_target

from polyloom_kernels.activation import open_gate
from polyloom_kernels.dots import BFLOAT16, FLOAT32, LANES, LINE, tile
from polyloom_kernels.intrinsics import pointer
from polyloom_kernels.route.cpu import arrange

U = np.uint64
AHEAD = 4096  # bytes: of 800 to 12,288 the fastest, by a sixth over 1,600
FEATURES = cpu_target.target_context.codegen().magic_tuple()[2]  # pyright: ignore[reportAttributeAccessIssue]
AVX512 = "+avx512f" in FEATURES.split(",")
MOST = 8 if AVX512 else 6  # tokens that meet a pair of rows at a time: the registers hold no more sums
LONG = 2 * LANES if AVX512 else LANES  # of a vector for bfloat16, which takes more arithmetic a byte: faster by a third


def paired(kind, count):
    """Two rows of weights with `count` tokens that lie one after another; sums to two addresses, `rows` floats apart.

    Whole numbers only, because each array would be a dozen arguments, and this is called for a tenth of a microsecond.
    """
    dots = tile(kind, 2, count, 1, AHEAD, LANES if kind == FLOAT32 else LONG)

    @njit(nogil=True)
    def run(first, second, columns, x, rows, one, two):
        sums = dots((first, second), columns, x, 4 * columns)
        left = carray(pointer(one), (MOST * rows,), np.float32)
        right = carray(pointer(two), (MOST * rows,), np.float32)
        for n in range(count):
            left[U(n * rows)], right[U(n * rows)] = sums[n], sums[count + n]

    return run


REAL2, REAL4, REAL6, REAL8 = paired(FLOAT32, 2), paired(FLOAT32, 4), paired(FLOAT32, 6), paired(FLOAT32, 8)
BRAIN2, BRAIN4, BRAIN6, BRAIN8 = paired(BFLOAT16, 2), paired(BFLOAT16, 4), paired(BFLOAT16, 6), paired(BFLOAT16, 8)


@njit(nogil=True)
def pair(kind, count, first, second, columns, x, rows, one, two):
    """The sums for at least `count` tokens: those behind them belong to nobody, and there is room for them."""
    if kind == FLOAT32:
        if count <= 2:
            REAL2(first, second, columns, x, rows, one, two)
        elif count <= 4:
            REAL4(first, second, columns, x, rows, one, two)
        elif count <= 6:
            REAL6(first, second, columns, x, rows, one, two)
        else:
            REAL8(first, second, columns, x, rows, one, two)
    elif count <= 2:
        BRAIN2(first, second, columns, x, rows, one, two)
    elif count <= 4:
        BRAIN4(first, second, columns, x, rows, one, two)
    elif count <= 6:
        BRAIN6(first, second, columns, x, rows, one, two)
    else:
        BRAIN8(first, second, columns, x, rows, one, two)


@njit(nogil=True)
def multiply(kind, first, second, rows, columns, x, tokens, one, two):
    """one, two (tokens and some more, rows) = x · W of the matrices at two addresses; x has as many more."""
    tiles = (tokens + MOST - 1) // MOST
    step = (tokens + tiles - 1) // tiles
    line = (4 if kind == FLOAT32 else 2) * columns
    source, left, right = np.int64(x.ctypes.data), np.int64(one.ctypes.data), np.int64(two.ctypes.data)
    for _ in range(rows):
        for at in range(0, tokens, step):
            to, count = 4 * at * rows, min(step, tokens - at)
            pair(kind, count, first, second, columns, source + 4 * columns * at, rows, left + to, right + to)
        first += line
        second += line
        left += 4
        right += 4


@njit(nogil=True)
def aligned(rows, columns):
    """Zeros (rows, columns) from the beginning of a cache line on: vectors as long as a line would else be two."""
    memory = np.zeros(rows * columns + LINE // 4, np.float32)
    ahead = (LINE - memory.ctypes.data % LINE) % LINE // 4
    return memory[ahead : ahead + rows * columns].reshape(rows, columns)


@njit(nogil=True, cache=True)
def experts(x, kind, places, strides, count, size, chosen, weights, each, out):
    """Add to `out`, which is zero.  `places` and `strides` of gate, up and down are in bytes, from expert to expert."""
    starts, order = np.empty(count + 1, np.int64), np.empty(chosen.size, np.int64)
    arrange(chosen, count, order, starts)
    width, most = x.shape[1], MOST
    for expert in range(count):
        most = max(most, starts[expert + 1] - starts[expert] + MOST)
    half = (width + 1) // 2  # of an odd width, the row in the middle belongs to both
    given, gate = aligned(most, width), aligned(most, size)
    up = np.empty((most, size), np.float32)
    upper, lower = np.empty((most, half), np.float32), np.empty((most, half), np.float32)
    line = (4 if kind == FLOAT32 else 2) * size
    for expert in range(count):
        here = order[starts[expert] : starts[expert + 1]]
        tokens = len(here)
        if tokens == 0:
            continue
        for n in range(tokens):
            for k in range(width):
                given[n, k] = x[here[n] // each, k]
        at = places + expert * strides
        multiply(kind, at[0], at[1], size, width, given, tokens, gate, up)
        for n in range(tokens):
            open_gate(gate[n], up[n])
        multiply(kind, at[2], at[2] + line * (width - half), half, size, gate, tokens, upper, lower)
        for n in range(tokens):
            weight, row = weights[here[n]], out[here[n] // each]
            for k in range(half):
                row[k] += weight * upper[n, k]
            for k in range(2 * half - width, half):
                row[width - half + k] += weight * lower[n, k]


REALS, WHOLE = types.float32[:, ::1], types.int64[::1]
KERNELS = (
    (
        experts,
        (
            *(REALS, types.int64, WHOLE, WHOLE, types.int64, types.int64),
            *(WHOLE, types.float32[::1], types.int64, REALS),
        ),
    ),
)
