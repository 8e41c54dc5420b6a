# pyright: basic, reportCallIssue=false
# numba compiles these functions; its decorators have no types, and an intrinsic is called without its typing context.
"""`decode` compiled for the processor: one call for some tokens, at the speed at which the weights can be read.

For one token every matrix is read once, from its first byte to its last; everything else stays in the cache and is a
few parts in a hundred.  Of several tokens each is read as if it were alone, to the last bit, but a row of weights meets
all of them while it is at hand.  All kinds of models are one compiled function: matrices are a table of addresses, and
how they are stored is asked once a matrix.
"""

from functools import cache

import numpy as np
from numba import carray, njit, types  # pyright: ignore[reportPrivateImportUsage]
from numba.core.registry import cpu_target

from polyloom_kernels import integers
from polyloom_kernels.activation import FREE, open_gate, power
from polyloom_kernels.decode.crew import assist, look_back, multiply, room
from polyloom_kernels.decode.job import SIZE, THREADS
from polyloom_kernels.decode.plan import (
    ACTIVE,
    ADDRESS,
    BEND,
    BFLOAT16,
    CHOICE,
    COLUMNS,
    DENSE,
    EXPERTS,
    FIRST,
    FLOAT32,
    KIND,
    NORMALISE,
    SCALES,
    SIGMOID,
    STRIDE,
    WINDOW,
)
from polyloom_kernels.intrinsics import pointer

U = np.uint64
F = np.float32
GATED, GELU, GELU_TANH = 0, 1, 2  # feed-forwards, in the order of `weights.BENDS`; the last is a squared ReLU


@cache
def ways():
    """The ways of `integers` that this processor knows; asking LLVM takes as long as reading a token."""
    return integers.known(cpu_target.target_context)


def gang(threads):
    """The words by which so many threads read together."""
    found = np.zeros(SIZE, np.int64)
    found[THREADS] = threads
    return found


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def look_up(record, row, x):
    """Row of a matrix as float32, into x."""
    address, kind, columns = record[ADDRESS] + row * record[STRIDE], record[KIND], record[COLUMNS]
    if kind == FLOAT32:
        real = carray(pointer(address), (columns,), np.float32)
        for k in range(columns):
            x[k] = real[k]
    elif kind == BFLOAT16:
        stored = carray(pointer(address), (columns,), np.uint16)
        for k in range(columns):
            x[k] = np.uint32(np.uint32(stored[k]) << np.uint32(16)).view(np.float32)
    else:
        small = carray(pointer(address), (columns,), np.int8)
        step = carray(pointer(record[SCALES]), (row + 1,), np.float32)[row]
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
def standardise(x, gain, eps, out):
    """(x − mean x) / √(var x + ε) · g + b; `gain` is g, then b."""
    size, total, square = U(len(x)), F(0), F(0)
    for k in range(size):
        total += x[k]
    mean = total / F(len(x))
    for k in range(size):
        square += (x[k] - mean) * (x[k] - mean)
    scale = F(1) / np.sqrt(square / F(len(x)) + eps)
    for k in range(size):
        out[k] = (x[k] - mean) * scale * gain[k] + gain[size + k]


@njit(nogil=True, error_model="numpy")
def normalised(x, gain, eps, centred, out):
    """Each row of x by the norm of the model."""
    for n in range(len(x)):
        if centred:
            standardise(x[n], gain, eps, out[n])
        else:
            normalise(x[n], gain, eps, out[n])


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def rotate(x, turn):
    """Turn each pair (x_i, x_{i + half}) of one head by its angle."""
    half = U(turn.shape[1])
    for k in range(half):
        first, second = x[k], x[half + k]
        x[k] = first * turn[0, k] - second * turn[1, k]
        x[half + k] = second * turn[0, k] + first * turn[1, k]


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def bend(x, kind):
    """The feed-forwards without a gate: gelu, its approximation by tanh, or the square of what is above 0."""
    for k in range(U(len(x))):
        if kind == GELU:
            x[k] = x[k] * F(0.5) * (F(1) + error_function(x[k] * F(0.70710678)))
        elif kind == GELU_TANH:
            inner = F(0.79788456) * (x[k] + F(0.044715) * x[k] * x[k] * x[k])
            x[k] = x[k] * (F(1) - F(1) / (F(1) + power(F(2) * inner)))
        else:
            x[k] = max(x[k], F(0)) * max(x[k], F(0))


@njit(nogil=True, error_model="numpy")
def error_function(x):
    """erf x within 3e-7: Abramowitz and Stegun 7.1.26."""
    size = abs(x)
    t = F(1) / (F(1) + F(0.3275911) * size)
    y = ((F(1.061405429) * t - F(1.453152027)) * t + F(1.421413741)) * t - F(0.284496736)
    found = F(1) - (y * t + F(0.254829592)) * t * power(-size * size)
    return found if x > F(0) else -found


@njit(nogil=True, error_model="numpy")
def feed(gang, rounded, matrices, kind, h, out):
    """What one feed-forward, two or three matrices in a row, makes of h; `out` may be h."""
    count, last = len(h), len(matrices) - 1
    hidden = matrices[last, COLUMNS]
    up, inner = np.empty((count, last * hidden), np.float32), np.empty((count, hidden), np.float32)
    multiply(gang, rounded, matrices[:last], h, up)
    for n in range(count):
        inner[n] = up[n, :hidden]
        if kind == GATED:
            open_gate(inner[n], up[n, hidden:])
        else:
            bend(inner[n], kind)
    multiply(gang, rounded, matrices[last:], inner, out)


@njit(nogil=True, error_model="numpy")
def choose(scores, layer, chosen):
    """Mark the experts that read a token; of all, the scores become the weights they would have."""
    count, most, total = len(scores), scores.max(), F(0)
    for e in range(count):
        scores[e] = F(1) / (F(1) + power(-scores[e])) if layer[SIGMOID] else power(scores[e] - most)
        total += scores[e]
    if not layer[SIGMOID]:
        for e in range(count):
            scores[e] /= total
    wanted = scores.copy()
    if layer[CHOICE]:
        wanted += carray(pointer(layer[CHOICE]), (count,), np.float32)
    chosen[:] = False
    total = F(0)
    for _ in range(layer[ACTIVE]):
        best = -1
        for e in range(count):
            if not chosen[e] and (best < 0 or wanted[e] > wanted[best]):
                best = e
        chosen[best] = True
        total += scores[best]
    if layer[NORMALISE]:
        for e in range(count):
            scores[e] /= total


@njit(nogil=True, error_model="numpy")
def mix(gang, rounded, router, matrices, layer, h, out):
    """Add to `out` what the chosen experts make of h; `router` is one matrix, `matrices` are three for each expert."""
    count, width = h.shape
    experts = layer[EXPERTS]
    scores, chosen = np.empty((count, experts), np.float32), np.empty(experts, np.bool_)
    found = np.empty((1, width), np.float32)
    multiply(gang, rounded, router, h, scores)
    for n in range(count):
        choose(scores[n], layer, chosen)
        for e in range(experts):
            if chosen[e]:
                feed(gang, rounded, matrices[3 * e : 3 * e + 3], GATED, h[n : n + 1], found)
                for k in range(U(width)):
                    out[n, k] += scores[n, e] * found[0, k]


@njit(nogil=True, error_model="numpy")
def write(x, found, parts, at):
    """Add to the stream, and note what was added to its last place."""
    for n in range(len(x)):
        for k in range(U(x.shape[1])):
            x[n, k] += found[n, k]
    if len(parts):
        parts[at] = found[len(x) - 1]


@njit(nogil=True, error_model="numpy")
def embed(matrix, tokens, added, x, parts):
    """The rows of the tokens, and what positions add."""
    for n in range(len(tokens)):
        look_up(matrix, tokens[n], x[n])
    if len(parts):
        parts[0], parts[1] = x[len(x) - 1], F(0)
    if len(added):
        write(x, added, parts, 1)


@njit(nogil=True, error_model="numpy")
def look(gang, layer, gain, normed, eps, position, joint, keys, values, turns, mixed):
    """Attention of one layer, from what is queries, keys and values of n tokens to what its heads bring."""
    kv_heads, _, size = keys.shape
    heads, width = mixed.shape[1] // size, (len(gain) - 2 * size) // 4
    for n in range(len(joint)):
        parts, place = joint[n].reshape(heads + 2 * kv_heads, size), position + n
        for head in range(heads + kv_heads):
            if normed:
                start = 4 * width + (size if head >= heads else 0)
                normalise(parts[head], gain[start : start + size], eps, parts[head])
            rotate(parts[head], turns[n])
        for head in range(kv_heads):
            for k in range(size):
                keys[head, place, k] = parts[heads + head, k]
                values[head, place, k] = parts[heads + kv_heads + head, k]
    look_back(gang, joint, keys, values, position, layer[WINDOW], mixed)


@njit(nogil=True, error_model="numpy", cache=True)
def read(
    matrices, layers, gains, eps, cap, centred, normed,
    tokens, position, added, keys, values, turns, logits, parts, gang,
):  # fmt: skip
    """Fill `logits` (m, V), those after the last m of the n tokens, which stand at `position` and behind it.

    `added` (n or 0, width) is what positions add to the embeddings, `turns` (n, 2, half) their cosines and sines; a
    `cap` of 0 is none.  `parts` (2 · layers + 3 or 0, width) takes what was added to the stream of the last token:
    embedding, positions, attention and feed-forward of each layer; and what the output matrix is given.
    """
    eps, cap = F(eps), F(cap)
    count, kv_heads, size, width = len(tokens), keys.shape[1], keys.shape[3], matrices[0, COLUMNS]
    queries = matrices[4, COLUMNS]
    x, h = np.empty((count, width), np.float32), np.empty((count, width), np.float32)
    joint = np.empty((count, queries + 2 * kv_heads * size), np.float32)
    mixed, thought = np.empty((count, queries), np.float32), np.empty((count, width), np.float32)
    rounded = np.empty((2, count, room(matrices)), np.int8)
    embed(matrices[0], tokens, added, x, parts)
    for number in range(len(layers)):
        layer, gain = layers[number], gains[number]
        at, end = layer[FIRST], layers[number + 1, FIRST] if number + 1 < len(layers) else len(matrices) - 1
        normalised(x, gain[: 2 * width], eps, centred, h)
        multiply(gang, rounded, matrices[at : at + 3], h, joint)
        look(gang, layer, gain, normed, eps, position, joint, keys[number], values[number], turns, mixed)
        multiply(gang, rounded, matrices[at + 3 : at + 4], mixed, thought)
        write(x, thought, parts, 2 * number + 2)
        normalised(x, gain[2 * width : 4 * width], eps, centred, h)
        behind = end - 3 * layer[EXPERTS]
        if layer[DENSE]:
            feed(gang, rounded, matrices[at + 4 + (layer[EXPERTS] > 0) : behind], layer[BEND], h, thought)
        else:
            thought[:] = F(0)
        if layer[EXPERTS]:
            mix(gang, rounded, matrices[at + 4 : at + 5], matrices[behind:end], layer, h, thought)
        write(x, thought, parts, 2 * number + 3)
    left = len(logits)
    normalised(x[count - left :], gains[len(layers), : 2 * width], eps, centred, h)
    if len(parts):
        parts[len(parts) - 1] = h[left - 1]
    multiply(gang, rounded, matrices[len(matrices) - 1 :], h[:left], logits)
    if cap:
        for n in range(left):
            limit(logits[n], cap)


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def limit(x, cap):
    """cap · tanh(x / cap)."""
    for k in range(U(len(x))):
        x[k] = cap - F(2) * cap / (F(1) + power(F(2) * x[k] / cap))


@njit(nogil=True, error_model="numpy", cache=True)
def aid(gang, patience):
    """Take parts of the jobs of whoever reads with this gang, until there has been none for so many pauses."""
    assist(gang, patience)


TABLE, MATRIX, STATE = types.int64[:, ::1], types.float32[:, ::1], types.float32[:, :, :, ::1]
KERNELS = (
    (
        read,
        (
            *(TABLE, TABLE, MATRIX, types.float64, types.float64, types.boolean, types.boolean),
            *(
                types.int64[::1],
                types.int64,
                MATRIX,
                STATE,
                STATE,
                types.float32[:, :, ::1],
                MATRIX,
                MATRIX,
                types.int64[::1],
            ),
        ),
    ),
    (aid, (types.int64[::1], types.int64)),
)
