# pyright: basic
# numba's extension interface has no types.
"""What compiled functions need beyond numba: a cache line before it is read, and arrays by their address."""

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

READ, KEEP, DATA = 0, 3, 1  # arguments of llvm.prefetch: for reading, in all levels of the cache, data


@intrinsic
def prefetch(typing_context, array, index):  # noqa: ARG001 - numba's calling convention
    """Ask for the cache line of `array[index]`: a hint, which changes no result and never faults."""

    def emit(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        pointer, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer, flag, flag, flag])
        hint = builder.module.declare_intrinsic("llvm.prefetch", [pointer], kind)
        line = builder.bitcast(builder.gep(data, [arguments[1]]), pointer)
        builder.call(hint, [line, flag(READ), flag(KEEP), flag(DATA)])
        return context.get_dummy_value()

    return types.void(array, index), emit


@intrinsic
def pointer(typing_context, address):  # noqa: ARG001 - numba's calling convention
    """A whole number as the address it is, for `numba.carray`; what lies there must outlive its use."""

    def emit(context, builder, signature, arguments):  # noqa: ARG001
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), emit
