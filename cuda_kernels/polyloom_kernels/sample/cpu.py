# pyright: basic
# numba compiles these functions; its decorators have no types.
"""`sample` compiled for the processor: rows as they are asked for, and the draw; what is left of one is in `levels`."""

import numpy as np
from numba import njit, types

from polyloom_kernels.sample.levels import (
    ALL,
    HALF,
    LOW,
    OPEN,
    WHOLE,
    U,
    before,
    distance,
    fraction,
    largest,
    ordered,
    start,
)
from polyloom_kernels.sample.weights import IDS, MIX, MULTIPLY, ROUNDS, WEYL

TOKEN, NAMED = U(IDS), U((1 << IDS) - 1)
RED, BLUE, RED_STEP, BLUE_STEP = U(MULTIPLY[0]), U(MULTIPLY[1]), U(WEYL[0]), U(WEYL[1])
FIRST, SECOND = U(MIX[0]), U(MIX[1])


@njit(nogil=True)
def philox(seed, low, high):
    """The first two words of 32 bits, as one of 64; the counter is two numbers of 64 bits."""
    a, b, c, d = low & LOW, low >> HALF, high & LOW, high >> HALF
    red, blue = seed & LOW, seed >> HALF
    for _ in range(ROUNDS):
        left, right = RED * a, BLUE * c
        a, b, c, d = (right >> HALF) ^ b ^ red, right & LOW, (left >> HALF) ^ d ^ blue, left & LOW
        red, blue = (red + RED_STEP) & LOW, (blue + BLUE_STEP) & LOW
    return a | (b << HALF)


@njit(nogil=True, error_model="numpy")
def penalise(row, said, repetition, presence, frequency):
    """Numbers of tokens in the text so far, which are rising and begin with those below 0 that are none."""
    n = 0
    while n < len(said):
        token, first = said[n], n
        while n < len(said) and said[n] == token:
            n += 1
        if token >= 0:
            x = row[token]
            x = x / repetition if x > 0 else x * repetition
            row[token] = x - (presence + frequency * np.float32(n - first))


@njit(nogil=True)
def favour(row, seed, share, boost):
    """Add to the numbers of green tokens."""
    for n in range(U(len(row))):
        h = n ^ seed
        h = ((h ^ (h >> U(16))) * FIRST) & LOW
        h = ((h ^ (h >> U(13))) * SECOND) & LOW
        row[n] += boost if (h ^ (h >> U(16))) < share else np.float32(0)


@njit(nogil=True)
def close(row, allowed):
    """Shut what has no bit."""
    for n in range(U(len(row))):
        if not (allowed[n >> U(5)] >> (n & U(31))) & U(1):
            row[n] = -np.inf


@njit(nogil=True)
def draw(row, settings, dice):
    """The token at `dice` of the way through what is left, in order, and how likely it was; −1 for an odd row."""
    top = largest(row)
    if np.isnan(top):
        return -1, 0.0
    counts, sums = np.empty(OPEN + 1, np.int64), np.empty(OPEN + 1, np.uint64)
    keys, w, stop, _ = ordered(row, top, settings, dice, np.empty(0, np.int64), counts, sums)
    left = before(keys, w, sums, stop)
    place = fraction(left, dice)
    level = np.searchsorted(sums, place, "right") - 1
    at, total = start(keys, level), sums[level]
    while total + w[at] <= place:
        total += w[at]
        at += 1
    return np.int64(keys[at] & NAMED), np.float64(w[at]) / np.float64(left)


@njit(nogil=True, cache=True)
def sample(
    rows, scale, most, part, reach, seeds, places, said, penalties, allowed, last, secret, share, boost, out, chances
):
    """Fill `out` and `chances` (B,); see `operation.sample`.  What is not asked for has no columns."""
    work = np.empty(rows.shape[1], np.float32)
    for b in range(len(rows)):
        row = rows[b]
        green = share > U(0) and last[b] >= 0
        if said.shape[1] or allowed.shape[1] or green:
            work[:] = row
            row = work
            penalise(work, said[b], penalties[b, 0], penalties[b, 1], penalties[b, 2])
            if green:
                favour(work, philox(secret, U(last[b]), U(0)) & LOW, share, boost)
            if allowed.shape[1]:
                close(work, allowed[b])
        dice = min(philox(seeds[b], places[b], U(0)), ALL - U(1))  # which says that none are thrown
        settings = (scale[b], most[b], part[b], reach[b])
        out[b], chances[b] = draw(row, settings, dice)


@njit(nogil=True, cache=True)
def kept(row, scale, most, part, reach, ids):
    """Fill ids with the tokens that are left, rising; how many, or −1 if the row is no distribution."""
    top = largest(row)
    if np.isnan(top):
        return -1
    if most < len(row) or part < WHOLE:
        counts, sums = np.empty(OPEN + 1, np.int64), np.empty(OPEN + 1, np.uint64)
        _, _, stop, count = ordered(row, top, (scale, most, part, reach), ALL, ids, counts, sums)
    else:  # min_p alone needs no sums
        ids[:], stop, count = np.arange(len(row)), (reach + U(1)) << TOKEN, len(row)
    left = 0
    for n in range(count):
        token = ids[n]
        if ((distance(row[token], top, scale) << TOKEN) | U(token)) < stop:
            ids[left] = token
            left += 1
    return left


def read_only(kind, dimensions):
    """An array that is read and not written."""
    return types.Array(kind, dimensions, "C", readonly=True)


REAL, LONG, WORD = types.float64, types.int64, types.uint64
KERNELS = (
    (
        sample,
        (
            *(read_only(types.float32, 2), *(read_only(kind, 1) for kind in (REAL, LONG, WORD, WORD, WORD, WORD))),
            *(read_only(LONG, 2), read_only(types.float32, 2), read_only(types.uint32, 2)),
            *(read_only(LONG, 1), WORD, WORD, types.float32, LONG[::1], REAL[::1]),
        ),
    ),
    (kept, (read_only(REAL, 1), REAL, LONG, WORD, WORD, LONG[::1])),
)
