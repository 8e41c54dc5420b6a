# pyright: basic
# numba's extension interface has no types.
"""Dot products for compiled code: some rows of weights with some rows of float32, in explicit vectors.

    dots = tile(kind, rows, inputs, steps, ahead)
    dots(weights, columns, x, stride)[r · inputs + m] = Σ_c weights[r][c] · x[m][c]      float32, fused multiply-add

Left to itself the compiler makes vectors of such a loop, but puts no requests for memory between them: here each row is
asked for `ahead` bytes before it is read, which bfloat16 and int8 need to keep up with the memory.  Vectors are as LLVM
has them, of any processor.  Weights are float32, bfloat16 (16 bits, which are the upper half of a float32) or int8.

`weights` is a tuple of addresses, one for each row; `x` the address of float32 rows that lie `stride` bytes apart.
Weights need no alignment.  `steps` vectors of a row are summed apart; the order of the additions depends on it, on the
lanes of a vector and on `columns`, not on how many rows and inputs there are.
"""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

FLOAT32, BFLOAT16, INT8 = 0, 1, 2
WIDTH = {FLOAT32: 4, BFLOAT16: 2, INT8: 1}  # bytes of a weight
LANES = 8  # floats of a vector: a register of AVX2; others get two, or half of one
LINE = 64

BYTE, HALF, WORD, LONG, REAL = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
STORED = {FLOAT32: REAL, BFLOAT16: HALF, INT8: BYTE}


def tile(kind, rows, inputs, steps, ahead, lanes=LANES):
    """The compiled code of the dot products of so many rows with so many inputs; see above.

    Int8 with twice the usual `lanes` keeps up with memory that is read at 40 GB/s, where a processor has AVX-512.
    """
    block = steps * lanes  # columns in one turn

    @intrinsic
    def dots(typing_context, weights, columns, x, stride):  # noqa: ARG001 - numba's calling convention
        def emit(context, builder, signature, arguments):
            bases = [pointed(builder, address) for address in cgutils.unpack_tuple(builder, arguments[0])]
            sources = [
                pointed(builder, builder.add(arguments[2], builder.mul(arguments[3], LONG(m)))) for m in range(inputs)
            ]
            whole = builder.udiv(arguments[1], LONG(block))
            vector = ir.VectorType(REAL, lanes)
            sums = [
                [cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * lanes)) for _ in range(steps)]
                for _ in range(rows * inputs)
            ]
            with cgutils.for_range(builder, whole) as loop:
                at = builder.mul(loop.index, LONG(block))
                for base in bases:
                    ask(builder, base, builder.mul(at, LONG(WIDTH[kind])), ahead, block * WIDTH[kind])
                for step in range(steps):
                    column = builder.add(at, LONG(step * lanes))
                    add(builder, kind, lanes, bases, sources, column, [each[step] for each in sums])
            ends = builder.mul(whole, LONG(block))
            if steps > 1:
                full = builder.sub(arguments[1], builder.urem(arguments[1], LONG(lanes)))
                with cgutils.for_range_slice(builder, ends, full, LONG(lanes)) as (column, _):
                    add(builder, kind, lanes, bases, sources, column, [each[0] for each in sums])
                ends = full
            found = [cgutils.alloca_once_value(builder, each) for each in summed(builder, sums)]
            with cgutils.for_range_slice(builder, ends, arguments[1], LONG(1)) as (column, _):
                add(builder, kind, 1, bases, sources, column, found)
            return context.make_tuple(builder, signature.return_type, [builder.load(each) for each in found])

        given = types.UniTuple(types.int64, rows)
        return types.UniTuple(types.float32, rows * inputs)(given, types.int64, types.int64, types.int64), emit

    return dots


def add(builder, kind, lanes, bases, sources, column, sums):
    """Add the products of `lanes` columns, from one on, to the sums of all rows and inputs."""
    wide = [widened(builder, kind, lanes, base, column) for base in bases]
    for m, source in enumerate(sources):
        given = loaded(builder, FLOAT32, lanes, source, column)
        for row, weight in enumerate(wide):
            total = sums[row * len(sources) + m]
            builder.store(fused(builder, lanes, weight, given, builder.load(total)), total)


def widened(builder, kind, lanes, base, column):
    """Weights as float32."""
    read = loaded(builder, kind, lanes, base, column)
    word, real = of(WORD, lanes), of(REAL, lanes)
    if kind == BFLOAT16:
        shift = ir.Constant(word, 16 if lanes == 1 else [16] * lanes)
        return builder.bitcast(builder.shl(builder.zext(read, word), shift), real)
    return builder.sitofp(builder.sext(read, word), real) if kind == INT8 else read


def loaded(builder, kind, lanes, base, column):
    """`lanes` stored numbers from a column on."""
    place = builder.gep(base, [builder.mul(column, LONG(WIDTH[kind]))])
    value = builder.load(builder.bitcast(place, of(STORED[kind], lanes).as_pointer()))
    value.align = 1
    return value


def fused(builder, lanes, left, right, total):
    """left · right + total, rounded once."""
    kind = of(REAL, lanes)
    name = "llvm.fma.f32" if lanes == 1 else f"llvm.fma.v{lanes}f32"
    multiply = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
    return builder.call(multiply, [left, right, total])


def summed(builder, sums):
    """One number for each list of vectors, ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)) of its lanes; four at a time."""
    totals, found = [added(builder, parts) for parts in sums], []
    for at in range(0, len(totals), 4):
        four = totals[at : at + 4]
        one, two, three, four = four + four[:1] * (4 - len(four))
        pairs = folded(builder, folded(builder, one, two), folded(builder, three, four))
        low, high = (taken(builder, pairs, pairs, lanes) for lanes in (range(4), range(4, 8)))
        sums_of_four = builder.fadd(low, high)
        found += [builder.extract_element(sums_of_four, WORD(n)) for n in range(4)]
    return found[: len(sums)]


def added(builder, parts):
    """The sum of vectors, lane by lane, in vectors of the usual length: of longer ones, the upper half on the lower."""
    total, *others = [builder.load(part) for part in parts]
    for other in others:
        total = builder.fadd(total, other)
    while total.type.count > LANES:
        half = total.type.count // 2
        lower, upper = (taken(builder, total, total, range(at, at + half)) for at in (0, half))
        total = builder.fadd(lower, upper)
    return total


def folded(builder, left, right):
    """Neighbouring lanes added, within each half of four: two of the left, two of the right, and again."""
    even, odd = (taken(builder, left, right, [lane + at for lane in (0, 2, 8, 10, 4, 6, 12, 14)]) for at in (0, 1))
    return builder.fadd(even, odd)


def taken(builder, left, right, lanes):
    """Some lanes of two vectors."""
    chosen = list(lanes)
    return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(WORD, len(chosen)), chosen))


def ask(builder, base, offset, ahead, size):
    """Ask for the lines of `size` bytes that lie `ahead` of what is read now: a hint, which never faults."""
    function = ir.FunctionType(ir.VoidType(), [BYTE.as_pointer(), WORD, WORD, WORD])
    hint = cgutils.get_or_insert_function(builder.module, function, "llvm.prefetch.p0")
    for line in range(0, max(size, LINE), LINE):
        place = builder.gep(base, [builder.add(offset, LONG(ahead + line))])
        builder.call(hint, [place, WORD(0), WORD(3), WORD(1)])  # for reading, in all levels of the cache, data


def pointed(builder, address):
    """A whole number as the address it is."""
    return builder.inttoptr(address, BYTE.as_pointer())


def of(kind, lanes):
    """A vector type, or the scalar for one lane."""
    return kind if lanes == 1 else ir.VectorType(kind, lanes)
