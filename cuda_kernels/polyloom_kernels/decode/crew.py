# pyright: basic, reportCallIssue=false
# numba compiles these functions; its decorators have no types, and an intrinsic is called without its typing context.
"""The jobs of `decode`, by one thread or by a gang of them (see `gang` and `job`).

multiply(gang, rounded, matrices, x, y)        y (n, rows of all) = x (n, columns) times each of some matrices
look_back(gang, …)                             what the heads of a layer bring to some places
"""

import numpy as np
from numba import njit

from polyloom_kernels.decode import job
from polyloom_kernels.decode.attention import one_head
from polyloom_kernels.decode.job import LOOK, PRODUCT, THREADS, WHAT
from polyloom_kernels.decode.plan import COLUMNS, EIGHT, FLOAT32, FOUR, GROUP, GROUPS, KIND
from polyloom_kernels.decode.product import SHARES, pair_up, round_off, some_outputs
from polyloom_kernels.gang import done, offer, pause, take, wait
from polyloom_kernels.integers import BLOCK, LANES

SOME = 64  # places back, from where on heads are worth sharing


@njit(nogil=True, error_model="numpy")
def part(gang, number):
    """One part of the job."""
    if gang[WHAT] == PRODUCT:
        some_outputs(gang, number)
    else:
        one_head(gang, number)


@njit(nogil=True, error_model="numpy")
def lead(gang, parts, alone):
    """The whole job, with whoever helps."""
    if alone:
        for number in range(parts):
            part(gang, number)
    else:
        offer(gang, parts)
        number = take(gang)
        while number >= 0:
            part(gang, number)
            done(gang)
            number = take(gang)
        wait(gang, parts)


@njit(nogil=True, error_model="numpy")
def assist(gang, patience):
    """Take parts of whatever job there is, until there has been none for so many pauses."""
    idle = 0
    while idle < patience:
        number = take(gang)
        if number >= 0:
            part(gang, number)
            done(gang)
            idle = 0
        else:
            pause()
            idle += 1


@njit(nogil=True)
def room(matrices):
    """Columns of the widest input of these matrices, rounded: whole blocks, and whole groups of 4 bits."""
    found = 0
    for n in range(len(matrices)):
        found = max(found, matrices[n, COLUMNS], matrices[n, GROUPS] * matrices[n, GROUP])
    return (found + BLOCK - 1) // BLOCK * BLOCK


@njit(nogil=True, error_model="numpy")
def multiply(gang, rounded, matrices, x, y):
    """See the module; `matrices` are rows of the plan, `rounded` int8 (2, n or more, room) is for what becomes of x."""
    (count, columns), size, kind = x.shape, rounded.shape[2], FLOAT32
    steps, sums = np.empty(count, np.float32), np.empty(count, np.int32)
    starts = np.empty((count, size // BLOCK * LANES), np.int32)
    for n in range(len(matrices)):
        kind = max(kind, matrices[n, KIND])
    for n in range(count if kind >= EIGHT else 0):
        steps[n], sums[n] = round_off(x[n], rounded[0, n])
    for n in range(count if kind >= FOUR else 0):
        pair_up(rounded[0, n], rounded[1, n], starts[n])
    gang[WHAT], gang[job.INPUTS], gang[job.X], gang[job.WIDTH] = PRODUCT, count, x.ctypes.data, columns
    gang[job.MATRICES], gang[job.COUNT] = matrices.ctypes.data, len(matrices)
    gang[job.ROUNDED], gang[job.PAIRED], gang[job.ROOMY] = rounded[0].ctypes.data, rounded[1].ctypes.data, size
    gang[job.STEPS], gang[job.SUMS], gang[job.STARTS] = steps.ctypes.data, sums.ctypes.data, starts.ctypes.data
    total, alone = y.shape[1], gang[THREADS] == 1
    gang[job.Y], gang[job.OUTPUTS] = y.ctypes.data, total
    parts = 1 if alone else gang[THREADS] * SHARES
    gang[job.PART] = (total + parts - 1) // parts
    lead(gang, parts, alone)


@njit(nogil=True, error_model="numpy")
def look_back(gang, query, keys, values, place, reach, out):
    """Queries begin each row of `query`; keys, values (kv_heads, capacity, size); out (n, heads · size)."""
    kv_heads, capacity, size = keys.shape
    heads = out.shape[1] // size
    gang[WHAT], gang[job.INPUTS], gang[job.X], gang[job.WIDTH] = LOOK, len(query), query.ctypes.data, query.shape[1]
    gang[job.KEYS], gang[job.VALUES], gang[job.Y] = keys.ctypes.data, values.ctypes.data, out.ctypes.data
    gang[job.CAPACITY], gang[job.HEAD], gang[job.HEADS], gang[job.SHARED] = capacity, size, heads, heads // kv_heads
    gang[job.PLACE], gang[job.REACH] = place, reach
    lead(gang, heads, gang[THREADS] == 1 or place < SOME)
