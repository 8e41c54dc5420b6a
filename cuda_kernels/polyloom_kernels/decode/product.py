# pyright: basic, reportCallIssue=false
# numba compiles these functions; its decorators have no types, and an intrinsic is called without its typing context.
"""Products of some vectors with some matrices, part by part: what `decode` spends its time on.

Weights of 8 and 4 bits meet whole numbers: each x is rounded to steps of a 127th of its largest |x|,

    q = ⌊x / s + 1/2⌋,   s = max |x| / 127,         y_r = s · s_r · Σ_c w_rc q_c + b_r

so all sums are exact, and the same whatever the processor and whoever else is there.
"""

import numpy as np
from numba import carray, njit  # pyright: ignore[reportPrivateImportUsage]

from polyloom_kernels.decode.job import (
    COUNT,
    INPUTS,
    MATRICES,
    OUTPUTS,
    PAIRED,
    PART,
    ROOMY,
    ROUNDED,
    STARTS,
    STEPS,
    SUMS,
    THREADS,
    WIDTH,
    X,
    Y,
)
from polyloom_kernels.decode.plan import (
    ADDRESS,
    BFLOAT16,
    BIAS,
    COLUMNS,
    EIGHT,
    FIELDS,
    FLOAT32,
    FOUR,
    GROUP,
    GROUPS,
    KIND,
    ROWS,
    SCALES,
    STRIDE,
)
from polyloom_kernels.dots import BFLOAT16 as HALVES
from polyloom_kernels.dots import FLOAT32 as REALS
from polyloom_kernels.dots import tile
from polyloom_kernels.integers import BLOCK, GENERIC, LANES, MADD, SMALL, VNNI, eight, four
from polyloom_kernels.intrinsics import pointer

U = np.uint64
F = np.float32
SHARES = 2  # parts of a product for each thread: with more, a thread that is held up does fewer, but each begins slowly
AHEAD = 8192  # bytes: half as far is slower by a tenth, a quarter as far by a fifth


@njit(nogil=True, error_model="numpy")
def put(job, bias, row, n, column, found):
    """The result of a row for an input, with its bias, into y."""
    y = carray(pointer(job[Y] + 4 * (n * job[OUTPUTS] + column)), (1,), np.float32)
    if bias:
        found += carray(pointer(bias + 4 * row), (1,), np.float32)[0]
    y[0] = found


def real(dot):
    """The rows `low` … `high` of a matrix of real numbers, whose outputs begin at `first`."""

    @njit(nogil=True, error_model="numpy")
    def run(record, job, low, high, first):
        columns, stride, bias = record[COLUMNS], record[STRIDE], record[BIAS]
        count, x, line = job[INPUTS], job[X], 4 * job[WIDTH]
        address = record[ADDRESS] + low * stride
        for row in range(low, high):
            for n in range(count):
                put(job, bias, row, n, first + row, dot((address,), columns, x + n * line, 0)[0])
            address += stride

    return run


def whole(dot):
    """The same of 8 bits."""

    @njit(nogil=True, error_model="numpy")
    def run(record, job, low, high, first):
        columns, stride, bias = record[COLUMNS], record[STRIDE], record[BIAS]
        count, x, line = job[INPUTS], job[ROUNDED], job[ROOMY]
        steps, sums = carray(pointer(job[STEPS]), (count,), np.float32), carray(pointer(job[SUMS]), (count,), np.int32)
        scales = carray(pointer(record[SCALES]), (high,), np.float32)
        address = record[ADDRESS] + low * stride
        for row in range(low, high):
            scale = scales[row]
            for n in range(count):
                found = F(dot(address, x + n * line, columns, sums[n])) * (scale * steps[n])
                put(job, bias, row, n, first + row, found)
            address += stride

    return run


def quarter(dot):
    """The same of 4 bits, with scales of groups."""

    @njit(nogil=True, error_model="numpy")
    def run(record, job, low, high, first):
        stride, bias, groups, blocks = record[STRIDE], record[BIAS], record[GROUPS], record[GROUP] // SMALL
        count, x, line = job[INPUTS], job[PAIRED], job[ROOMY]
        steps, starts, each = carray(pointer(job[STEPS]), (count,), np.float32), job[STARTS], line // BLOCK * 4 * LANES
        address, scales = record[ADDRESS] + low * stride, record[SCALES] + 2 * low * groups
        for row in range(low, high):
            for n in range(count):
                found = steps[n] * dot(address, scales, x + n * line, starts + n * each, groups, blocks)
                put(job, bias, row, n, first + row, found)
            address += stride
            scales += 2 * groups

    return run


REAL_ROWS, BRAIN_ROWS = real(tile(REALS, 1, 1, 2, AHEAD)), real(tile(HALVES, 1, 1, 2, AHEAD))
EIGHT_GENERIC, EIGHT_MADD, EIGHT_VNNI = (whole(eight(way, AHEAD)) for way in (GENERIC, MADD, VNNI))
FOUR_GENERIC, FOUR_MADD, FOUR_VNNI = (quarter(four(way, AHEAD)) for way in (GENERIC, MADD, VNNI))


@njit(nogil=True, error_model="numpy")
def some_rows(record, job, low, high, first):
    """By the kind of the matrix."""
    kind = record[KIND]
    if kind == FLOAT32:
        REAL_ROWS(record, job, low, high, first)
    elif kind == BFLOAT16:
        BRAIN_ROWS(record, job, low, high, first)
    elif kind == EIGHT + VNNI:
        EIGHT_VNNI(record, job, low, high, first)
    elif kind == EIGHT + MADD:
        EIGHT_MADD(record, job, low, high, first)
    elif kind == EIGHT + GENERIC:
        EIGHT_GENERIC(record, job, low, high, first)
    elif kind == FOUR + VNNI:
        FOUR_VNNI(record, job, low, high, first)
    elif kind == FOUR + MADD:
        FOUR_MADD(record, job, low, high, first)
    else:
        FOUR_GENERIC(record, job, low, high, first)


@njit(nogil=True, error_model="numpy")
def some_outputs(job, number):
    """One part of a job: rows of its matrices, counted through.

    The last is taken first.  Whoever takes each turn with the others finds his parts one after the other in memory,
    where asking ahead has brought the next already.
    """
    if job[PART] < job[OUTPUTS]:
        threads = job[THREADS]
        turn = threads * SHARES - 1 - number
        number = turn % threads * SHARES + turn // threads
    low, high, first = number * job[PART], min((number + 1) * job[PART], job[OUTPUTS]), 0
    matrices = carray(pointer(job[MATRICES]), (job[COUNT], FIELDS), np.int64)
    for n in range(job[COUNT]):
        record = matrices[n]
        start, stop = max(low - first, 0), min(high - first, record[ROWS])
        if start < stop:
            some_rows(record, job, start, stop, first)
        first += record[ROWS]


@njit(nogil=True, fastmath={"reassoc", "nsz"}, error_model="numpy")  # not fused: as NumPy does it, to the last bit
def round_off(x, out):
    """Whole numbers of x in `out`, zero behind its end; gives the step, and their sum."""
    size, most, total = U(len(x)), F(0), np.int32(0)
    for k in range(size):
        most = max(most, abs(x[k]))
    step = most / F(127)
    inverse = F(127) / most if most > F(0) else F(0)
    for k in range(size, U(len(out))):
        out[k] = np.int8(0)
    for k in range(size):
        out[k] = np.int8(np.int32(np.floor(x[k] * inverse + F(0.5))))
    for k in range(size):
        total += np.int32(out[k])
    return step, total


@njit(nogil=True, error_model="numpy")
def pair_up(x, out, starts):
    """Whole numbers x in the order in which weights of 4 bits come, and −8 times the eight sums of each turn."""
    for turn in range(U(len(x) // BLOCK)):
        first, places = turn * U(BLOCK), turn * U(LANES)
        for k in range(U(SMALL // 2)):
            out[first + k] = x[first + k]
            out[first + U(16) + k] = x[first + U(32) + k]
            out[first + U(32) + k] = x[first + U(16) + k]
            out[first + U(48) + k] = x[first + U(48) + k]
        for place in range(U(LANES)):
            total, at = np.int32(0), first + U(4) * place
            for k in range(U(4)):
                total += np.int32(out[at + k]) + np.int32(out[at + U(SMALL) + k])
            starts[places + place] = np.int32(-8) * total
