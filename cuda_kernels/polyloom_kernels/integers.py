# pyright: basic, reportCallIssue=false
# numba's extension interface has no types.
"""Dot products of whole numbers for compiled code: weights of 8 or 4 bits with inputs of 8, exact on every processor.

    eight(way, ahead)(weights, x, columns, total) = Σ_c weights[c] · x[c]                          int32
    four(way, ahead)(weights, scales, x, sums, groups, blocks) = Σ_g s_g Σ_(c in g) q_c · x_c      float32

All arguments but the numbers at the end are addresses.  `x` are int8 from −127 to 127, as are weights of 8 bits, so
that an int32 holds the sums of 60,000 columns.  There are three ways, each faster than those before it:

    GENERIC    products of 32 bits, in the vectors that LLVM has
    MADD       AVX2: 16 bits by 16, neighbouring products added at once
    VNNI       AVX-512: 8 bits by 8, four neighbouring products added at once.  Its first operand has no sign, so
               w ^ 128, which is w + 128, stands there, and 128 Σ x is taken off again: `total` is Σ x, for all rows

A way that the processor does not know is compiled as GENERIC; `known` tells.  All add the same integers, so they agree
to the last bit.  `x` is read in blocks of 64 columns and must be zero behind the last.

Weights of 4 bits lie as `quantized.Int4` has them: q + 8 in blocks of 32 columns, `blocks` of which, 1 or an even
number, are a group with a scale in bfloat16.  q + 8 has no sign already.  Two blocks are a turn, and `x` is in the
order in which their bits come: the first 16 columns of both, then the last 16 of both (`ORDER`).  A turn makes eight
sums, of the columns in four neighbouring places of each half; they begin with `sums`, −8 Σ x of those columns, and
those of a group become real and are added up lane by lane, the same in all ways.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from polyloom_kernels.dots import BYTE, HALF, INT8, LONG, REAL, WORD, ask, fused, loaded, of, pointed, summed, taken

GENERIC, MADD, VNNI = WAYS = range(3)
NEEDS = {GENERIC: (), MADD: ("avx2",), VNNI: ("avx2", "avx512vnni", "avx512vl", "avx512bw")}
BLOCK, SMALL = 64, 32  # columns of a turn: a line of memory of 8 bits, half a register of 4
LANES = 8
ORDER = (*range(16), *range(32, 48), *range(16, 32), *range(48, 64))  # of the columns of two blocks of 4 bits


def known(context):
    """The ways of the processor that numba compiles for, slowest first; `context` is numba's target."""
    features = context.codegen().magic_tuple()[2].split(",")
    return [way for way in WAYS if all(f"+{name}" in features for name in NEEDS[way])]


def eight(way, ahead):
    """The compiled code of sums of 8 bits, which asks for memory `ahead` bytes before it is read; see above."""

    @intrinsic
    def dot(typing_context, weights, x, columns, total):  # noqa: ARG001 - numba's calling convention
        def emit(context, builder, signature, arguments):  # noqa: ARG001
            chosen = way if way in known(context) else GENERIC
            row, given = pointed(builder, arguments[0]), pointed(builder, arguments[1])
            whole = builder.mul(builder.udiv(arguments[2], LONG(BLOCK)), LONG(BLOCK))
            sums = cgutils.alloca_once_value(builder, zero(16))
            with cgutils.for_range_slice(builder, LONG(0), whole, LONG(BLOCK)) as (column, _):
                ask(builder, row, column, ahead, BLOCK)
                weight, value = (loaded(builder, INT8, BLOCK, base, column) for base in (row, given))
                builder.store(EIGHT[chosen](builder, weight, value, builder.load(sums)), sums)
            if chosen == VNNI:
                with builder.if_then(builder.icmp_unsigned("<", whole, arguments[2])):
                    weight = rest(builder, row, whole, arguments[2])
                    value = loaded(builder, INT8, BLOCK, given, whole)
                    builder.store(EIGHT[chosen](builder, weight, value, builder.load(sums)), sums)
                found = reduced(builder, builder.load(sums))
                return builder.sub(found, builder.shl(arguments[3], WORD(7)))
            found = cgutils.alloca_once_value(builder, reduced(builder, builder.load(sums)))
            with cgutils.for_range_slice(builder, whole, arguments[2], LONG(1)) as (column, _):
                weight, value = (builder.sext(loaded(builder, INT8, 1, base, column), WORD) for base in (row, given))
                builder.store(builder.add(builder.load(found), builder.mul(weight, value)), found)
            return builder.load(found)

        return types.int32(types.int64, types.int64, types.int64, types.int32), emit

    return dot


def four(way, ahead):
    """The compiled code of sums of 4 bits; see above."""

    @intrinsic
    def dot(typing_context, weights, scales, x, sums, groups, blocks):  # noqa: ARG001 - numba's calling convention
        def emit(context, builder, signature, arguments):  # noqa: ARG001
            chosen = way if way in known(context) else GENERIC
            row, steps, given, starts = (pointed(builder, address) for address in arguments[:4])
            groups, blocks = arguments[4:]
            found = cgutils.alloca_once_value(builder, ir.Constant(of(REAL, LANES), [0.0] * LANES))

            def pair(number, whole=True):
                """The lanes of two blocks, or of one and nothing."""
                ask(builder, row, builder.mul(number, LONG(SMALL)), ahead, SMALL)
                low, high = unpacked(builder, row, number, whole)
                total = lanes(builder, starts, number)
                for part, weight in enumerate((low, high)):
                    column = builder.add(builder.mul(number, LONG(BLOCK)), LONG(part * SMALL))
                    total = FOUR[chosen](builder, weight, loaded(builder, INT8, SMALL, given, column), total)
                return total

            def add(total, scale):
                real = builder.sitofp(total, of(REAL, LANES))
                builder.store(fused(builder, LANES, scale, real, builder.load(found)), found)

            with builder.if_else(builder.icmp_unsigned("==", blocks, LONG(1))) as (narrow, wide):
                with narrow:
                    pairs = builder.lshr(groups, LONG(1))
                    with cgutils.for_range(builder, pairs) as loop:
                        first = builder.shl(loop.index, LONG(1))
                        halves = [scale_of(builder, steps, builder.add(first, LONG(n))) for n in (0, 1)]
                        add(pair(loop.index), halved(builder, *halves))
                    with builder.if_then(builder.trunc(groups, ir.IntType(1))):
                        scale = scale_of(builder, steps, builder.shl(pairs, LONG(1)))
                        add(pair(pairs, whole=False), halved(builder, scale, REAL(0)))
                with wide:
                    each = builder.lshr(blocks, LONG(1))
                    with cgutils.for_range(builder, groups) as loop:
                        part = cgutils.alloca_once(builder, of(WORD, LANES))
                        first = builder.mul(loop.index, each)
                        builder.store(pair(first), part)
                        end = builder.add(first, each)
                        with cgutils.for_range_slice(builder, builder.add(first, LONG(1)), end, LONG(1)) as (at, _):
                            builder.store(builder.add(builder.load(part), pair(at)), part)
                        scale = scale_of(builder, steps, loop.index)
                        add(builder.load(part), halved(builder, scale, scale))
            return summed(builder, [[found]])[0]

        return types.float32(*[types.int64] * 6), emit

    return dot


def generic_eight(builder, weight, value, total):
    """total (16) and the products of 64 columns, in 32 bits, quarter by quarter."""
    for at in range(0, BLOCK, 16):
        one, other = (builder.sext(taken(builder, v, v, range(at, at + 16)), of(WORD, 16)) for v in (weight, value))
        total = builder.add(total, builder.mul(one, other))
    return total


def madd_eight(builder, weight, value, total):
    """The same by `vpmaddwd`, two of whose registers are one of the sums."""
    found = [taken(builder, total, total, range(at, at + LANES)) for at in (0, LANES)]
    for n, at in enumerate(range(0, BLOCK, 16)):
        one, other = (builder.sext(taken(builder, v, v, range(at, at + 16)), of(HALF, 16)) for v in (weight, value))
        found[n % 2] = builder.add(found[n % 2], madd(builder, one, other))
    return taken(builder, *found, range(16))


def vnni_eight(builder, weight, value, total):
    """The same by `vpdpbusd`, with 128 more in each weight."""
    return vnni(builder, builder.xor(weight, ir.Constant(of(BYTE, BLOCK), [128] * BLOCK)), value, total)


def generic_four(builder, weight, value, total):
    """total (8) and the products of 32 columns, four neighbours to a lane."""
    products = builder.mul(builder.zext(weight, of(WORD, SMALL)), builder.sext(value, of(WORD, SMALL)))
    for at in range(4):
        total = builder.add(total, taken(builder, products, products, range(at, SMALL, 4)))
    return total


def madd_four(builder, weight, value, total):
    """The same by `vpmaddwd`, whose pairs are added once more."""
    pairs = []
    for at in (0, 16):
        one = builder.zext(taken(builder, weight, weight, range(at, at + 16)), of(HALF, 16))
        other = builder.sext(taken(builder, value, value, range(at, at + 16)), of(HALF, 16))
        pairs.append(madd(builder, one, other))
    even, odd = (taken(builder, *pairs, range(at, 16, 2)) for at in (0, 1))
    return builder.add(total, builder.add(even, odd))


def vnni(builder, weight, value, total):
    """`vpdpbusd` of a register of any width: bytes without a sign by bytes with one."""
    kind = total.type
    function = ir.FunctionType(kind, [kind] * 3)
    name = f"llvm.x86.avx512.vpdpbusd.{32 * kind.count}"
    multiply = cgutils.get_or_insert_function(builder.module, function, name)
    return builder.call(multiply, [total, builder.bitcast(weight, kind), builder.bitcast(value, kind)])


def madd(builder, one, other):
    """`vpmaddwd` of sixteen times 16 bits: eight sums of two products."""
    function = ir.FunctionType(of(WORD, LANES), [of(HALF, 16)] * 2)
    multiply = cgutils.get_or_insert_function(builder.module, function, "llvm.x86.avx2.pmadd.wd")
    return builder.call(multiply, [one, other])


EIGHT = {GENERIC: generic_eight, MADD: madd_eight, VNNI: vnni_eight}
FOUR = {GENERIC: generic_four, MADD: madd_four, VNNI: vnni}


def unpacked(builder, row, pair, whole):
    """Numbers without a sign of two blocks of 16 bytes: the lower half of each, and the upper half of each."""
    size = SMALL if whole else SMALL // 2
    held = loaded(builder, INT8, size, row, builder.mul(pair, LONG(SMALL)))
    if not whole:
        held = taken(builder, held, ir.Constant(held.type, [0] * size), range(SMALL))
    low = builder.and_(held, ir.Constant(held.type, [15] * SMALL))
    return low, builder.lshr(held, ir.Constant(held.type, [4] * SMALL))


def rest(builder, row, column, end):
    """The bytes from a column to the end, then zeros, of which nothing is read."""
    bits = builder.sub(builder.shl(LONG(1), builder.sub(end, column)), LONG(1))
    mask, kind = builder.bitcast(bits, of(ir.IntType(1), BLOCK)), of(BYTE, BLOCK)
    place = builder.bitcast(builder.gep(row, [column]), kind.as_pointer())
    function = ir.FunctionType(kind, [kind.as_pointer(), WORD, mask.type, kind])
    load = cgutils.get_or_insert_function(builder.module, function, f"llvm.masked.load.v{BLOCK}i8.p0")
    return builder.call(load, [place, WORD(1), mask, ir.Constant(kind, [0] * BLOCK)])


def scale_of(builder, scales, group):
    """The float32 of a bfloat16."""
    bits = builder.load(builder.gep(builder.bitcast(scales, HALF.as_pointer()), [group]))
    return builder.bitcast(builder.shl(builder.zext(bits, WORD), WORD(16)), REAL)


def halved(builder, low, high):
    """A vector of two numbers, four times each."""
    pair = builder.insert_element(ir.Constant(of(REAL, 2), ir.Undefined), low, WORD(0))
    pair = builder.insert_element(pair, high, WORD(1))
    return taken(builder, pair, pair, [0] * 4 + [1] * 4)


def lanes(builder, base, number):
    """Eight int32 of an array of such."""
    place = builder.gep(base, [builder.mul(number, LONG(4 * LANES))])
    value = builder.load(builder.bitcast(place, of(WORD, LANES).as_pointer()))
    value.align = 4
    return value


def zero(lanes):
    """Sums at the beginning."""
    return ir.Constant(of(WORD, lanes), [0] * lanes)


def reduced(builder, sums):
    """All lanes added."""
    function = ir.FunctionType(WORD, [sums.type])
    name = f"llvm.vector.reduce.add.v{sums.type.count}i32"
    return builder.call(cgutils.get_or_insert_function(builder.module, function, name), [sums])
