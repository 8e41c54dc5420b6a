# pyright: basic, reportCallIssue=false
# numba compiles these functions; its decorators have no types, and an intrinsic is called without its typing context.
"""`quantized` compiled for the processor: each weight comes from memory once, and is widened in the registers.

Rows of int8 are taken one by one, rows of int4, for which arithmetic decides, in pairs; they meet up to four inputs at
a time and stay in the cache for those that are left.  A row's sum is made in the same order whoever else is there, so
its result is the same to the last bit for any number of inputs and threads.
"""

from numba import njit, types  # pyright: ignore[reportPrivateImportUsage]

from polyloom_kernels.dots import INT8, tile
from polyloom_kernels.quantized.groups import grouped

LANES, SUMS = 16, 4
AHEAD = 10_240  # bytes: of 3,072 to 20,480 the fastest where memory decides, by a tenth over the least
ONE, TWO, FOUR = (tile(INT8, 1, inputs, SUMS, AHEAD, LANES) for inputs in (1, 2, 4))


@njit(nogil=True, error_model="numpy", cache=True)
def int8(weight, scales, x, out, first, last):
    """Columns `first` … `last` − 1 of out (m, n), of x (m, k)."""
    count, columns, stride = len(x), x.shape[1], 4 * x.shape[1]
    base, source = weight.ctypes.data, x.ctypes.data
    for row in range(first, last):
        numbers, step, at = (base + row * columns,), scales[row], 0
        while at < count:
            given = source + at * stride
            if at + 4 <= count:
                fours = FOUR(numbers, columns, given, stride)
                for n in range(4):
                    out[at + n, row] = step * fours[n]
                at += 4
            elif at + 2 <= count:
                twos = TWO(numbers, columns, given, stride)
                out[at, row], out[at + 1, row] = step * twos[0], step * twos[1]
                at += 2
            else:
                out[at, row] = step * ONE(numbers, columns, given, stride)[0]
                at += 1


def by_groups(blocks):
    """The same for int4 with so many blocks of 32 columns in a group; x (m, K), and the sums of its groups."""
    one, two, four = (grouped(2, inputs, blocks, AHEAD) for inputs in (1, 2, 4))

    @njit(nogil=True, error_model="numpy")
    def run(packed, scales, x, sums, out, first, last):
        count, groups, line = len(x), scales.shape[1], packed.shape[1]
        base, steps = packed.ctypes.data, scales.ctypes.data
        source, beneath = x.ctypes.data, sums.ctypes.data
        for row in range(first, last, 2):
            other, at = min(row + 1, last - 1), 0  # of an odd number of rows, the last is its own pair
            pair = (base + row * line, base + other * line)
            its = (steps + 2 * row * groups, steps + 2 * other * groups)
            while at < count:
                given, beside = source + 8 * line * at, beneath + 4 * groups * at
                if at + 4 <= count:
                    fours = four(pair, its, groups, given, beside)
                    for n in range(4):
                        out[at + n, row], out[at + n, other] = fours[n], fours[4 + n]
                    at += 4
                elif at + 2 <= count:
                    twos = two(pair, its, groups, given, beside)
                    for n in range(2):
                        out[at + n, row], out[at + n, other] = twos[n], twos[2 + n]
                    at += 2
                else:
                    ones = one(pair, its, groups, given, beside)
                    out[at, row], out[at, other] = ones[0], ones[1]
                    at += 1

    return run


SMALL, MEDIUM, LARGE = by_groups(1), by_groups(2), by_groups(4)


@njit(nogil=True, error_model="numpy", cache=True)
def int4(packed, scales, x, sums, out, first, last):
    """Columns `first` … `last` − 1 of out (m, n), of x (m, K) and the sums (m, K / group) of its groups."""
    blocks = packed.shape[1] // (16 * scales.shape[1])
    if blocks == 1:
        SMALL(packed, scales, x, sums, out, first, last)
    elif blocks == 2:
        MEDIUM(packed, scales, x, sums, out, first, last)
    else:
        LARGE(packed, scales, x, sums, out, first, last)


def _read(kind, dimensions):
    return types.Array(kind, dimensions, "C", readonly=True)


REALS = types.float32[:, ::1]
REST = (REALS, types.int64, types.int64)
KERNELS = (
    (int8, (_read(types.int8, 2), _read(types.float32, 1), REALS, *REST)),
    (int4, (_read(types.uint8, 2), _read(types.uint16, 2), REALS, REALS, *REST)),
)
