# pyright: basic, reportCallIssue=false
# numba compiles these functions; its decorators have no types, and an intrinsic is called without its typing context.
"""`recall` and `touched` compiled for the processor: a few hundred cache misses, and one addition for each posting.

- The table entries of the whole context are asked for first, then the lines of every row, then the sums are made: the
  misses overlap.
- Indices are unsigned: a signed one makes numba emit code for negative indices in the innermost loop.
- An accumulator holds twice the sum, plus one: the low bit says "touched", so a sum that returns to zero is not taken
  for an untouched token.  Accumulators are zero between calls.
"""

import numpy as np
from numba import njit

from polyloom_kernels.intrinsics import prefetch

U = np.uint64
I32 = np.int32
NEVER = np.iinfo(np.int64).min
LOW = np.int64(0xFFFFFFFF)
LINE = np.int64(64)
HALF = np.int64(1 << 30)  # LIMIT of `store`, a constant of its own so that it is compiled in


@njit(boundscheck=False, nogil=True)
def gather(context, first, last, window, layer_weights, table, weights, width, row_at, row_length, row_factor):
    """Collect the rows of context[first:last]; how many there are, or -1 if their sum might not fit."""
    layers = len(layer_weights)
    for at in range(first, last):
        prefetch(table, (context[U(at)] * window + last - 1 - at) * layers)
    rows, reach = U(0), np.int64(0)
    for at in range(last - 1, first - 1, -1):
        entries = (context[U(at)] * window + last - 1 - at) * layers
        for layer in range(layers):
            entry = table[U(entries + layer)]
            length = np.int64((entry >> U(32)) & U(255))
            factor = (np.int64(entry >> U(40)) * layer_weights[U(layer)]) >> 16
            reach += ((abs(factor) * 127) >> 8) + 1
            if length > 0:
                start = np.int64(entry & U(LOW)) * LINE
                for line in range(start, start + length * (width + 1), LINE):
                    prefetch(weights, line)
                row_at[rows], row_length[rows], row_factor[rows] = start, length, factor
                rows += U(1)
    return -1 if reach >= HALF else np.int64(rows)


@njit(boundscheck=False, nogil=True)
def accumulate(rows, targets, weights, width, row_at, row_length, row_factor, total, touched, used):
    """Add up the rows; list in `touched`, from `used` on, each token that was not there before."""
    for row in range(U(rows)):
        length, factor = U(row_length[U(row)]), row_factor[U(row)]
        t = U(row_at[U(row)] // width)
        w = U(row_at[U(row)] + row_length[U(row)] * width)
        end = t + length
        while t < end:
            token = U(targets[t])
            before = total[token]
            touched[used] = token
            used += U((before & I32(1)) ^ I32(1))
            total[token] = I32(before + (((factor * weights[w]) >> 7) & np.int64(-2))) | I32(1)
            t += U(1)
            w += U(1)
    return used


@njit(boundscheck=False, nogil=True)
def insert(best, key):
    """Put `key` into the descending list, dropping the last."""
    at = len(best) - 1
    while at > 0 and best[U(at - 1)] < key:
        best[U(at)] = best[U(at - 1)]
        at -= 1
    best[U(at)] = key


@njit(boundscheck=False, nogil=True, cache=True)
def recall(
    context, length, window, layer_weights, table, targets, weights, bias, by_bias,
    row_at, row_length, row_factor, total, touched, best, tokens, scores,
):  # fmt: skip
    """Fill `tokens` and `scores`, best first; -1 if the sums might not fit, else how many tokens were touched.

    A key is score · 2³² + (2³² − 1 − token), so one comparison decides and there are no ties.
    """
    width = np.int64(targets.itemsize)
    rows = gather(
        context, 0, length, window, layer_weights, table, weights, width, row_at, row_length, row_factor
    )  # fmt: skip
    if rows < 0:
        return rows
    used = accumulate(rows, targets, weights, width, row_at, row_length, row_factor, total, touched, U(0))
    best[:] = NEVER
    last = U(len(best) - 1)
    for token in by_bias:  # untouched tokens compete by their bias: the best of them fill the list
        if total[U(token)] == 0:
            insert(best, (np.int64(bias[U(token)]) << 32) | (LOW - token))
            if best[last] != NEVER:
                break
    floor = best[last] >> 32
    at = U(0)
    while at < used:
        token = U(touched[at])
        value = np.int64(total[token] >> I32(1)) + np.int64(bias[token])
        total[token] = 0
        at += U(1)
        if value >= floor:
            key = (value << 32) | (LOW - np.int64(token))
            if key > best[last]:
                insert(best, key)
                floor = best[last] >> 32
    for n in range(len(best)):
        tokens[U(n)] = LOW - (best[U(n)] & LOW)
        scores[U(n)] = best[U(n)] >> 32
    return np.int64(used)


@njit(boundscheck=False, nogil=True, cache=True)
def touched(
    text, first, last, window, layer_weights, table, targets, weights,
    row_at, row_length, row_factor, total, starts, tokens, sums,
):  # fmt: skip
    """Fill `starts`, `tokens` and `sums` for the places first … last of a text; -1 if the sums might not fit."""
    width = np.int64(targets.itemsize)
    used = U(0)
    starts[0] = 0
    for place in range(first, last):
        rows = gather(
            text, max(0, place - window), place, window, layer_weights, table, weights, width,
            row_at, row_length, row_factor,
        )  # fmt: skip
        if rows < 0:
            return rows
        begun = used
        used = accumulate(rows, targets, weights, width, row_at, row_length, row_factor, total, tokens, used)
        for at in range(begun, used):
            token = U(tokens[U(at)])
            sums[U(at)] = total[token] >> I32(1)
            total[token] = 0
        starts[U(place - first + 1)] = used
    return np.int64(used)


def _read(kind: str) -> str:
    return f"Array({kind}, 1, 'C', readonly=True)"


def _signatures(named: str) -> tuple[str, str]:
    store = f"int64[::1], {_read('uint64')}, {_read(named)}, {_read('int8')}"
    rows = "int64[::1], int64[::1], int64[::1], int32[::1]"
    one = f"int64(int64[::1], int64, int64, {store}, {_read('int32')}, {_read('int64')}, {rows}"
    many = f"int64(int64[::1], int64, int64, int64, {store}, {rows}"
    return f"{one}, uint32[::1], int64[::1], int64[::1], int32[::1])", f"{many}, int64[::1], int64[::1], int32[::1])"


KERNELS = tuple(
    (function, signature)
    for named in ("uint16", "uint32")
    for function, signature in zip((recall, touched), _signatures(named), strict=True)
)
