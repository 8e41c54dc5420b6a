# pyright: basic
# numba compiles these functions; its decorators have no types.
"""`route` compiled for the processor: one pass over the scores, then one counting sort of all choices.

The k best of a token are found one after another, each as the largest of integers, eight of which are compared at a
time and none of which is a branch: who is best is a surprise every time.  The counting sort takes each choice twice,
and no expert more than once.
"""

import numpy as np
from numba import njit, types

from polyloom_kernels.activation import FREE, power

U = np.uint64
F = np.float32
I = np.int64
LEAST, GONE, LOW = F(-3e38), I(-(2**63)), I(2**32 - 1)
NOTHING = np.int32(-0x7F800001)  # of -∞, and of what is no number


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def open_softmax(scores, chances):
    """chances = softmax(scores), for scores that are numbers."""
    most, total = LEAST, F(0)
    for e in range(U(len(scores))):
        most = max(most, scores[e])
    for e in range(U(len(scores))):
        chances[e] = power(scores[e] - most)
        total += chances[e]
    for e in range(U(len(scores))):
        chances[e] /= total


@njit(nogil=True, fastmath=FREE, error_model="numpy")
def open_sigmoid(scores, chances):
    """chances = sigmoid(scores), for scores that are numbers."""
    for e in range(U(len(scores))):
        small = power(-abs(scores[e]))  # of −|s|, so that it is as exact far below zero as above
        chances[e] = (small if scores[e] < F(0) else F(1)) / (F(1) + small)


@njit(nogil=True, error_model="numpy")
def key(wanted, expert):
    """An integer that is larger the more an expert is wanted, then the lower its number; no two are equal.

    The upper half has the bits of the float, which are ordered as it is once those of a negative one are turned round.
    """
    bits = F(wanted).view(np.int32)
    turned = bits ^ ((bits >> np.int32(31)) & np.int32(0x7FFFFFFF))
    ordered = turned if wanted == wanted else NOTHING
    return (np.int64(ordered) << I(32)) | (LOW - I(expert))


@njit(nogil=True, error_model="numpy")
def choose(chances, bias, keys, chosen):
    """The experts of the largest chance + bias into `chosen`, most wanted first; `keys` is as long as `chances`."""
    for e in range(U(len(keys))):
        keys[e] = key(chances[e] + bias[e], e)
    for j in range(U(len(chosen))):
        most = GONE
        for e in range(U(len(keys))):
            most = max(most, keys[e])
        chosen[j] = LOW - (most & LOW)
        keys[U(chosen[j])] = GONE


@njit(nogil=True, error_model="numpy")
def arrange(chosen, count, order, offsets):
    """Where each expert's choices start, (count + 1,), and the choices in the order of experts, then of tokens."""
    offsets[:] = 0
    for n in range(U(len(chosen))):
        offsets[U(chosen[n]) + U(1)] += 1
    for e in range(U(count)):
        offsets[e + U(1)] += offsets[e]
    free = offsets.copy()
    for n in range(U(len(chosen))):
        to = free[U(chosen[n])]
        free[U(chosen[n])] = to + 1
        order[U(to)] = np.int64(n)


@njit(nogil=True, cache=True, error_model="numpy")
def route(scores, bias, sigmoid, normalise, chosen, weights, order, inverse, offsets):
    """Fill the last five."""
    active, chances = U(chosen.shape[1]), np.empty(scores.shape[1], np.float32)
    keys = np.empty(scores.shape[1], np.int64)
    for token in range(U(len(scores))):
        if sigmoid:
            open_sigmoid(scores[token], chances)
        else:
            open_softmax(scores[token], chances)
        choose(chances, bias, keys, chosen[token])
        total = F(0)
        for j in range(active):
            weights[token, j] = chances[U(chosen[token, j])]
            total += weights[token, j]
        if normalise:
            for j in range(active):
                weights[token, j] /= total
    arrange(chosen.reshape(-1), scores.shape[1], order, offsets)
    for n in range(U(len(order))):
        inverse[U(order[n])] = np.int64(n)


GIVEN = types.Array(types.float32, 2, "C", readonly=True)
WHOLE = types.int64[::1]
KERNELS = (
    (
        route,
        (
            *(GIVEN, types.Array(types.float32, 1, "C", readonly=True), types.boolean, types.boolean),
            *(types.int64[:, ::1], types.float32[:, ::1], WHOLE, WHOLE, WHOLE),
        ),
    ),
)
