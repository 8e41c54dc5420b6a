# pyright: basic, reportCallIssue=false
# numba compiles these functions; its decorators have no types, and an intrinsic is called without its typing context.
"""`decode` compiled for the processor: one call a token, at the speed at which the weights can be read.

Every matrix is read once, from its first byte to its last; everything else stays in the cache and is a few parts in a
hundred.  All kinds of models are one compiled function: matrices are a table of addresses, and how they are stored is
asked once a matrix.
"""

import numpy as np
from numba import carray, njit, types  # pyright: ignore[reportPrivateImportUsage]

from polyloom_kernels.activation import FREE, clear, open_gate, power
from polyloom_kernels.dots import BFLOAT16, FLOAT32, INT8, tile
from polyloom_kernels.intrinsics import pointer

U = np.uint64
F = np.float32
SUMS = 2  # vectors of a row at a time: one line of memory for each request, and the additions overlap
REAL = tile(FLOAT32, 1, 1, SUMS, 640)  # bytes ahead: half as far or twice as far is slower by a twentieth
BRAIN = tile(BFLOAT16, 1, 1, SUMS, 1280)
BYTE = tile(INT8, 1, 1, SUMS, 1280)
MATRICES = 7  # of a layer


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def multiply(record, x, y, kept):
    """y = W x + b for the first rows of a matrix, as many as y has; added to what y holds, if it is to be kept."""
    address, kind, columns, bias, scales = record[0], record[1], record[2], record[3], record[4]
    source = x.ctypes.data
    if not kept:
        clear(y)
    if kind == FLOAT32:
        for row in range(len(y)):
            y[row] += REAL((address,), columns, source, 0)[0]
            address += 4 * columns
    elif kind == BFLOAT16:
        for row in range(len(y)):
            y[row] += BRAIN((address,), columns, source, 0)[0]
            address += 2 * columns
    else:
        steps = carray(pointer(scales), (len(y),), np.float32)
        for row in range(len(y)):
            y[row] += steps[row] * BYTE((address,), columns, source, 0)[0]
            address += columns
    if bias:
        added = carray(pointer(bias), (len(y),), np.float32)
        for row in range(len(y)):
            y[row] += added[row]


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def look_up(record, row, x):
    """Row of a matrix as float32, into x."""
    address, kind, columns = record[0], record[1], record[2]
    if kind == FLOAT32:
        real = carray(pointer(address + 4 * row * columns), (columns,), np.float32)
        for k in range(columns):
            x[k] = real[k]
    elif kind == BFLOAT16:
        stored = carray(pointer(address + 2 * row * columns), (columns,), np.uint16)
        for k in range(columns):
            x[k] = np.uint32(np.uint32(stored[k]) << np.uint32(16)).view(np.float32)
    else:
        small = carray(pointer(address + row * columns), (columns,), np.int8)
        step = carray(pointer(record[4]), (row + 1,), np.float32)[row]
        for k in range(columns):
            x[k] = step * F(small[k])


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def normalise(x, gain, eps, out):
    """x / √(mean x² + ε) · g; `out` may be x."""
    total = F(0)
    for k in range(U(len(x))):
        total += x[k] * x[k]
    scale = F(1) / np.sqrt(total / F(len(x)) + eps)
    for k in range(U(len(x))):
        out[k] = x[k] * scale * gain[k]


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def rotate(x, turn):
    """Turn each pair (x_i, x_{i + half}) of one head by its angle."""
    half = U(turn.shape[1])
    for k in range(half):
        first, second = x[k], x[half + k]
        x[k] = first * turn[0, k] - second * turn[1, k]
        x[half + k] = second * turn[0, k] + first * turn[1, k]


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def attend(query, keys, values, first, last, weight, out):
    """One head over the positions first … last of its keys and values, (capacity, size)."""
    size, seen = U(len(query)), U(last + 1 - first)
    scale, most, total = F(1) / np.sqrt(F(size)), F(-3e38), F(0)
    for p in range(seen):
        score, row = F(0), keys[first + p]
        for k in range(size):
            score += query[k] * row[k]
        weight[p] = score * scale
        most = max(most, weight[p])
    for p in range(seen):
        weight[p] = power(weight[p] - most)
        total += weight[p]
    clear(out)
    for p in range(seen):
        share, row = weight[p] / total, values[first + p]
        for k in range(size):
            out[k] += share * row[k]


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def look_back(query, keys, values, first, last, out):
    """All heads of one layer; `query` and `out` (heads, size), keys and values (kv_heads, capacity, size)."""
    group = len(query) // len(keys)
    weight = np.empty(last + 1 - first, np.float32)
    for head in range(len(query)):
        attend(query[head], keys[head // group], values[head // group], first, last, weight, out[head])


@njit(nogil=True, error_model="numpy", cache=True)
def step(plan, windows, gains, normed, eps, cap, token, position, keys, values, turn, logits):
    """Fill `logits`; `plan` has a row for each matrix, `gains` one for each layer and one for the last norm.

    A row of gains is attention_norm, feed_norm, query_norm, key_norm; a `cap` of 0 is none.
    """
    layers, kv_heads, _, size = keys.shape
    eps, cap = F(eps), F(cap)
    width = plan[0, 2]
    heads = plan[4, 2] // size
    x, h = np.empty(width, np.float32), np.empty(width, np.float32)
    query, mixed = np.empty((heads, size), np.float32), np.empty((heads, size), np.float32)
    key, value = np.empty((kv_heads, size), np.float32), np.empty((kv_heads, size), np.float32)
    look_up(plan[0], token, x)
    for layer in range(layers):
        at, gain = 1 + MATRICES * layer, gains[layer]
        normalise(x, gain[:width], eps, h)
        multiply(plan[at], h, query.reshape(-1), False)
        multiply(plan[at + 1], h, key.reshape(-1), False)
        multiply(plan[at + 2], h, value.reshape(-1), False)
        for head in range(heads):
            if normed:
                normalise(query[head], gain[2 * width : 2 * width + size], eps, query[head])
            rotate(query[head], turn)
        for head in range(kv_heads):
            if normed:
                normalise(key[head], gain[2 * width + size :], eps, key[head])
            rotate(key[head], turn)
            for k in range(size):
                keys[layer, head, position, k], values[layer, head, position, k] = key[head, k], value[head, k]
        first = max(0, position + 1 - windows[layer]) if windows[layer] else 0
        look_back(query, keys[layer], values[layer], first, position, mixed)
        multiply(plan[at + 3], mixed.reshape(-1), x, True)
        normalise(x, gain[width : 2 * width], eps, h)
        gate, up = np.empty(plan[at + 6, 2], np.float32), np.empty(plan[at + 6, 2], np.float32)
        multiply(plan[at + 4], h, gate, False)
        multiply(plan[at + 5], h, up, False)
        open_gate(gate, up)
        multiply(plan[at + 6], gate, x, True)
    normalise(x, gains[layers, :width], eps, h)
    multiply(plan[len(plan) - 1], h, logits, False)
    if cap:
        for k in range(U(len(logits))):
            logits[k] = cap - F(2) * cap / (F(1) + power(F(2) * logits[k] / cap))  # cap · tanh(logit / cap)


REALS, STATE = types.float32[:, ::1], types.float32[:, :, :, ::1]
KERNELS = (
    (
        step,
        (
            *(types.int64[:, ::1], types.int64[::1], REALS, types.boolean, types.float64, types.float64),
            *(types.int64, types.int64, STATE, STATE, REALS, types.float32[::1]),
        ),
    ),
)
