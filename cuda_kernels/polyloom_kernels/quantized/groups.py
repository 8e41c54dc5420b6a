# pyright: basic
# numba's extension interface has no types.
"""Dot products of some rows of int4 with some rows of float32, in explicit vectors: `dots` with a step for each group.

    dots = grouped(rows, inputs, blocks, ahead)
    dots(packed, scales, groups, x, sums)[r · inputs + m] = Σ_g s_rg Σ_(c in group g) q_rc x[m][c]       float32

`packed` and `scales` are tuples of the addresses of each row in the layout of `quantise`, with `blocks` blocks of 32
columns in a group.  `x` is the address of float32 rows that have a column for each number stored, those behind the last
included, and `sums` that of Σ_(c in group) x[m][c] for each of them, float32 (inputs, groups).

A block is 16 bytes, which become words, and a stored number u = q + 8 becomes the upper bits of a fraction:

    f = 1 + u / 16          0x3F800000 | u << 19, a float32 after one shift and one choice of bits
    Σ q x = 16 Σ f x − 24 Σ x

where a conversion would take three more instructions for each vector.  The order of the additions is the same for any
number of rows and inputs.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from polyloom_kernels.dots import (
    BFLOAT16,
    FLOAT32,
    INT8,
    LINE,
    LONG,
    REAL,
    WORD,
    ask,
    fused,
    loaded,
    pointed,
    summed,
    taken,
)

LANES = 16  # columns of half a block, and bytes of a block
VECTOR, WORDS = ir.VectorType(REAL, LANES), ir.VectorType(WORD, LANES)


def grouped(rows, inputs, blocks, ahead):
    """The compiled code of the dot products of so many rows with so many inputs; see above."""

    @intrinsic
    def dots(typing_context, packed, scales, groups, x, sums):  # noqa: ARG001 - numba's calling convention
        def emit(context, builder, signature, arguments):
            weights, steps = (
                [pointed(builder, address) for address in cgutils.unpack_tuple(builder, given)]
                for given in arguments[:2]
            )
            groups, x, sums = arguments[2:]
            line = builder.mul(groups, LONG(4))  # bytes of the sums of an input
            sources = placed(builder, x, builder.mul(line, LONG(2 * LANES * blocks)), inputs)
            beside = placed(builder, sums, line, inputs)
            totals = [cgutils.alloca_once_value(builder, alike(0.0)) for _ in range(rows * inputs)]
            parts = [cgutils.alloca_once(builder, VECTOR) for _ in totals]
            rests = [cgutils.alloca_once_value(builder, REAL(0.0)) for _ in totals]
            with cgutils.for_range(builder, groups) as group:
                first = builder.mul(group.index, LONG(blocks))
                for base in weights:
                    ask(builder, base, builder.mul(first, LONG(LANES)), ahead, LINE)
                for part in parts:
                    builder.store(alike(0.0), part)
                for block in range(blocks):
                    add(builder, weights, builder.add(first, LONG(block)), sources, parts)
                less = [loaded(builder, FLOAT32, 1, base, group.index) for base in beside]
                for row, base in enumerate(steps):
                    step = brain(builder, base, group.index)
                    wide = spread(builder, builder.fmul(step, REAL(16.0)))
                    for m, n in enumerate(range(row * inputs, (row + 1) * inputs)):
                        add_to(builder, LANES, totals[n], wide, builder.load(parts[n]))
                        add_to(builder, 1, rests[n], step, less[m])
            found = summed(builder, [[total] for total in totals])
            for n, rest in enumerate(rests):
                found[n] = fused(builder, 1, REAL(-24.0), builder.load(rest), found[n])
            return context.make_tuple(builder, signature.return_type, found)

        bases = types.UniTuple(types.int64, rows)
        given = (bases, bases, types.int64, types.int64, types.int64)
        return types.UniTuple(types.float32, rows * inputs)(*given), emit

    return dots


def add(builder, bases, block, sources, parts):
    """Add the products of one block of 32 columns to the sums of all rows and inputs."""
    at = builder.mul(block, LONG(LANES))
    words = [builder.zext(loaded(builder, INT8, LANES, base, at), WORDS) for base in bases]
    for half, shift in enumerate((19, 15)):
        wide = [fraction(builder, each, shift) for each in words]
        column = builder.add(builder.mul(block, LONG(2 * LANES)), LONG(half * LANES))
        for m, source in enumerate(sources):
            given = loaded(builder, FLOAT32, LANES, source, column)
            for row, weight in enumerate(wide):
                add_to(builder, LANES, parts[row * len(sources) + m], weight, given)


def fraction(builder, words, shift):
    """1 + u / 16 of the four bits that a shift takes to the upper end of the fraction."""
    bits = builder.and_(builder.shl(words, whole(shift)), whole(15 << 19))
    return builder.bitcast(builder.or_(bits, whole(0x3F800000)), VECTOR)


def add_to(builder, lanes, total, left, right):
    """total += left · right."""
    builder.store(fused(builder, lanes, left, right, builder.load(total)), total)


def placed(builder, address, stride, count):
    """So many addresses, `stride` bytes apart."""
    return [pointed(builder, builder.add(address, builder.mul(stride, LONG(n)))) for n in range(count)]


def brain(builder, base, index):
    """A stored bfloat16 as the float32 that it is."""
    bits = loaded(builder, BFLOAT16, 1, base, index)
    return builder.bitcast(builder.shl(builder.zext(bits, WORD), WORD(16)), REAL)


def spread(builder, number):
    """A vector that has the number in each lane."""
    first = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), number, WORD(0))
    return taken(builder, first, first, [0] * LANES)


def alike(number):
    """A constant vector of a real number."""
    return ir.Constant(VECTOR, [number] * LANES)


def whole(number):
    """A constant vector of words."""
    return ir.Constant(WORDS, [number] * LANES)
