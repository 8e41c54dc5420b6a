# pyright: basic, reportCallIssue=false
# numba compiles these functions; its decorators have no types, and an intrinsic is called without its typing context.
"""`attend` compiled for the processor: keys and values come from memory once for all the heads that share them.

A text is gone through in parts of 256 tokens, whose scores stay in the nearest cache.  Each part is summed up under the
largest score so far; when a larger one comes, what was summed is made smaller.  Keys of one page lie one after another,
so four meet a head at a time, or two meet four heads: eight sums in the registers.
"""

import numpy as np
from numba import carray, njit, types  # pyright: ignore[reportPrivateImportUsage]

from polyloom_kernels.activation import FREE, clear, power
from polyloom_kernels.dots import FLOAT32, INT8, tile
from polyloom_kernels.intrinsics import pointer

U = np.uint64
F = np.float32
PART = 256
AHEAD = 1024  # bytes
REAL_HEADS, REAL_KEYS, REAL_KEY = (
    tile(FLOAT32, 2, 4, 1, AHEAD),
    tile(FLOAT32, 4, 1, 1, AHEAD),
    tile(FLOAT32, 1, 1, 1, 0),
)
BYTE_HEADS, BYTE_KEYS, BYTE_KEY = tile(INT8, 2, 4, 1, AHEAD), tile(INT8, 4, 1, 1, AHEAD), tile(INT8, 1, 1, 1, 0)


def scored(heads_dots, keys_dots, key_dots, width):
    """The products of the queries of a group with some keys, into scores (heads, PART)."""

    @njit(nogil=True)
    def run(query, key, count, scores):
        size = query.shape[1]
        line, row, head = width * size, 4 * size, 0
        source = np.int64(query.ctypes.data)
        while head < len(query):
            if head + 4 <= len(query):
                at = key
                for p in range(0, count - 1, 2):
                    found = heads_dots((at, at + line), size, source, row)
                    for n in range(4):
                        scores[head + n, p], scores[head + n, p + 1] = found[n], found[4 + n]
                    at += 2 * line
                if count & 1:
                    for n in range(4):
                        scores[head + n, count - 1] = key_dots((at,), size, source + n * row, 0)[0]
                head += 4
                source += 4 * row
            else:
                at, fours = key, count // 4 * 4
                for p in range(0, fours, 4):
                    found = keys_dots((at, at + line, at + 2 * line, at + 3 * line), size, source, 0)
                    for n in range(4):
                        scores[head, p + n] = found[n]
                    at += 4 * line
                for p in range(fours, count):
                    scores[head, p] = key_dots((at,), size, source, 0)[0]
                    at += line
                head += 1
                source += row

    return run


SCORED_REAL = scored(REAL_HEADS, REAL_KEYS, REAL_KEY, 4)
SCORED_BYTE = scored(BYTE_HEADS, BYTE_KEYS, BYTE_KEY, 1)


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def shared(scores, scale, cap, most, total):
    """Scores of one head become parts of what is summed; by how much that shrinks, the largest, and the sum."""
    largest = most
    for p in range(U(len(scores))):
        x = scores[p] * scale
        if cap:
            x = cap - F(2) * cap / (F(1) + power(F(2) * x / cap))  # cap · tanh(x / cap)
        scores[p] = x
        largest = max(largest, x)
    added = F(0)
    for p in range(U(len(scores))):
        scores[p] = power(scores[p] - largest)
        added += scores[p]
    less = power(most - largest)
    return less, largest, total * less + added


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def gathered(share, values, out):
    """out += Σ_p share_p · value_p, four at a time."""
    size, fours = U(len(out)), len(share) // 4 * 4
    for p in range(0, fours, 4):
        a, b, c, d = values[p], values[p + 1], values[p + 2], values[p + 3]
        one, two, three, four = share[p], share[p + 1], share[p + 2], share[p + 3]
        for k in range(size):
            out[k] += (one * F(a[k]) + two * F(b[k])) + (three * F(c[k]) + four * F(d[k]))
    for p in range(fours, len(share)):
        row = values[p]
        for k in range(size):
            out[k] += share[p] * F(row[k])


@njit(nogil=True, error_model="numpy")
def part(query, kind, key, value, key_scale, value_scale, count, scale, cap, scores, state, out):
    """Some tokens that lie in a row, for all heads of a group; `state` (heads, 2) holds the largest and the sum."""
    size = query.shape[1]
    if kind == FLOAT32:
        SCORED_REAL(query, key, count, scores)
    else:
        SCORED_BYTE(query, key, count, scores)
        steps = carray(pointer(key_scale), (PART,), np.float32)
        for head in range(len(query)):
            for p in range(U(count)):
                scores[head, p] *= steps[p]
    for head in range(len(query)):
        share = scores[head, :count]
        less, state[head, 0], state[head, 1] = shared(share, scale, cap, state[head, 0], state[head, 1])
        for k in range(U(size)):
            out[head, k] *= less
        if kind == FLOAT32:
            gathered(share, carray(pointer(value), (PART, size), np.float32)[:count], out[head])
        else:
            steps = carray(pointer(value_scale), (PART,), np.float32)
            for p in range(U(count)):
                share[p] *= steps[p]
            gathered(share, carray(pointer(value), (PART, size), np.int8)[:count], out[head])


@njit(nogil=True, error_model="numpy", cache=True)
def attend(query, kind, heads, places, strides, page, starts, lengths, scale, cap, out, first, last):
    """The groups first … last − 1 of texts and key heads.

    `places` (4, texts, pages) are addresses of the pages of keys, values and their scales, `strides` (4, texts) bytes
    from one key head to the next of each.
    """
    group = query.shape[1] // heads
    size, width = query.shape[2], 4 if kind == FLOAT32 else 1
    scores, state = np.empty((group, PART), np.float32), np.empty((group, 2), np.float32)
    for job in range(first, last):
        text, head = job // heads, job % heads
        asked, found = query[text, head * group : head * group + group], out[text, head * group : head * group + group]
        for g in range(group):
            clear(found[g])
            state[g, 0], state[g, 1] = F(-3e38), F(0)
        at = starts[text]
        while at < lengths[text]:
            here, inside = at // page, at % page
            count = min(PART, page - inside, lengths[text] - at)
            base = places[:, text, here] + head * strides[:, text]
            key, value = base[0] + width * size * inside, base[1] + width * size * inside
            key_scale, value_scale = base[2] + 4 * inside, base[3] + 4 * inside
            part(asked, kind, key, value, key_scale, value_scale, count, scale, cap, scores, state, found)
            at += count
        for g in range(group):
            for k in range(U(size)):
                found[g, k] /= max(state[g, 1], F(1e-38))


def read_only(kind, dimensions):
    """An array that is read and not written."""
    return types.Array(kind, dimensions, "C", readonly=True)


LONG, REAL = types.int64, types.float32
KERNELS = (
    (
        attend,
        (
            *(read_only(REAL, 3), LONG, LONG, read_only(LONG, 3), read_only(LONG, 2), LONG),
            *(read_only(LONG, 1), read_only(LONG, 1), REAL, REAL, REAL[:, :, ::1], LONG, LONG),
        ),
    ),
)
