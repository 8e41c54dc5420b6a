# pyright: basic, reportCallIssue=false
# numba's extension interface has no types, and an intrinsic is called without its typing context.
"""Threads inside one compiled call: a leader who goes through a program, and helpers who take parts of its jobs.

    leader    for each job: write down what it is; `offer(gang, parts)`; while (part := take(gang)) >= 0: do it,
              `done(gang)`; `wait(gang, parts)`
    helper    if (part := take(gang)) >= 0: do it, `done(gang)`; else `pause()`; again, until there has been no job for
              so long that it is not worth waiting

`gang` is an int64 array of at least `ROOM` words: what is left to take and what has been done, in lines of memory of
their own.  The leader needs nobody: whoever comes late finds less to do, and whoever never comes is not missed, so any
number of leaders may share any number of helpers.  A part is taken by one only, and a job is not changed before all of
its parts are done; who has done them does not show in a result that is made part by part.
"""

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

ROOM = 16
LEFT, DONE = 0, 8  # in words, a line apart
LONG = ir.IntType(64)


@njit(nogil=True)
def offer(gang, parts):
    """Let the parts of a job be taken, last to first; what the job is must be written down before."""
    store(gang, DONE, 0)
    store(gang, LEFT, parts)


@njit(nogil=True)
def take(gang):
    """A part that nobody else does, or one below 0: there is none."""
    return add(gang, LEFT, -1) - 1 if load(gang, LEFT) > 0 else -1


@njit(nogil=True)
def done(gang):
    """Say that a part that was taken is done."""
    add(gang, DONE, 1)


@njit(nogil=True)
def wait(gang, parts):
    """Until so many parts are done."""
    while load(gang, DONE) < parts:
        pause()


@intrinsic
def add(typing_context, array, index, value):  # noqa: ARG001 - numba's calling convention
    """Add to a word at once, and give what it was."""

    def emit(context, builder, signature, arguments):
        return builder.atomic_rmw("add", word(context, builder, signature, arguments), arguments[2], "acq_rel")

    return types.int64(array, types.int64, types.int64), emit


@intrinsic
def load(typing_context, array, index):  # noqa: ARG001 - numba's calling convention
    """A word, and with it all that was written before it was."""

    def emit(context, builder, signature, arguments):
        return builder.load_atomic(word(context, builder, signature, arguments), "acquire", 8)

    return types.int64(array, types.int64), emit


@intrinsic
def store(typing_context, array, index, value):  # noqa: ARG001 - numba's calling convention
    """Write a word, after all that was written before."""

    def emit(context, builder, signature, arguments):
        builder.store_atomic(arguments[2], word(context, builder, signature, arguments), "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.int64, types.int64), emit


@intrinsic
def pause(typing_context):  # noqa: ARG001 - numba's calling convention
    """Leave the core to its other thread for a moment, where there is an instruction for it."""

    def emit(context, builder, signature, arguments):  # noqa: ARG001
        if context.codegen().magic_tuple()[0].startswith("x86"):
            function = ir.FunctionType(ir.VoidType(), [])
            builder.call(cgutils.get_or_insert_function(builder.module, function, "llvm.x86.sse2.pause"), [])
        return context.get_dummy_value()

    return types.void(), emit


def word(context, builder, signature, arguments):
    """The address of a word of an array."""
    data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
    return builder.gep(data, [arguments[1]])
