# pyright: basic, reportCallIssue=false
# numba compiles these functions; its decorators have no types, and an intrinsic is called without its typing context.
"""Attention over a cache of keys and values, head by head: the part of `decode` that grows with the text."""

import numpy as np
from numba import carray, njit  # pyright: ignore[reportPrivateImportUsage]

from polyloom_kernels.activation import FREE, clear, power
from polyloom_kernels.decode.job import CAPACITY, HEAD, HEADS, INPUTS, KEYS, PLACE, REACH, SHARED, VALUES, WIDTH, X, Y
from polyloom_kernels.dots import FLOAT32, tile
from polyloom_kernels.intrinsics import pointer

U = np.uint64
F = np.float32
ONE_KEY, FOUR_KEYS = tile(FLOAT32, 1, 1, 1, 1024), tile(FLOAT32, 4, 1, 1, 1024)


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def attend(query, keys, values, first, last, weight, out):
    """One head over the positions first … last of its keys and values, (capacity, size), four at a time."""
    size, seen = U(len(query)), last + 1 - first
    scale, most, total, fours = F(1) / np.sqrt(F(size)), F(-3e38), F(0), seen // 4 * 4
    line, key, source = 4 * len(query), np.int64(keys[first].ctypes.data), np.int64(query.ctypes.data)
    for p in range(0, fours, 4):
        found = FOUR_KEYS((key, key + line, key + 2 * line, key + 3 * line), len(query), source, 0)
        weight[p], weight[p + 1], weight[p + 2], weight[p + 3] = found
        key += 4 * line
    for p in range(fours, seen):
        weight[p] = ONE_KEY((key,), len(query), source, 0)[0]
        key += line
    for p in range(U(seen)):
        weight[p] *= scale
        most = max(most, weight[p])
    for p in range(U(seen)):
        weight[p] = power(weight[p] - most)
        total += weight[p]
    clear(out)
    for p in range(0, fours, 4):
        a, b, c, d = values[first + p], values[first + p + 1], values[first + p + 2], values[first + p + 3]
        for k in range(size):
            low, high = weight[p] * a[k] + weight[p + 1] * b[k], weight[p + 2] * c[k] + weight[p + 3] * d[k]
            out[k] += low + high
    for p in range(fours, seen):
        row = values[first + p]
        for k in range(size):
            out[k] += weight[p] * row[k]
    for k in range(size):
        out[k] /= total


@njit(nogil=True, error_model="numpy")
def one_head(job, head):
    """One part of a job: what a head brings to each of some places."""
    count, heads, place, size = job[INPUTS], job[HEADS], job[PLACE], job[HEAD]
    at = 4 * (head // job[SHARED]) * job[CAPACITY] * size
    keys = carray(pointer(job[KEYS] + at), (job[CAPACITY], size), np.float32)
    values = carray(pointer(job[VALUES] + at), (job[CAPACITY], size), np.float32)
    weight = np.empty(place + count, np.float32)
    for n in range(count):
        query = carray(pointer(job[X] + 4 * (n * job[WIDTH] + head * size)), (size,), np.float32)
        out = carray(pointer(job[Y] + 4 * size * (n * heads + head)), (size,), np.float32)
        last = place + n
        first = max(0, last + 1 - job[REACH]) if job[REACH] else 0
        attend(query, keys, values, first, last, weight, out)
