# pyright: basic
# numba compiles these functions; its decorators have no types.
"""Which tokens of a row are left, compiled: three times through the row, and nothing put in order but a few tokens.

    1  the largest number
    2  weights, summed by level         a level is 1/32 of an octave of distance
    3  the tokens of a few levels       those in which top_k, top_p or min_p ends, or the dice fall

Sums of whole levels say in which one each ends, and only the tokens there are put in order: a hundred or two of 32,000.
What top_k leaves decides of what top_p is a part, and so on, so each step has a least and a most that is left of the
weight, and every level between them is looked at.
"""

import numpy as np
from numba import njit

from polyloom_kernels.sample.weights import (
    CLOSED,
    FARTHEST,
    FINEST,
    HALVING,
    IDS,
    LEVELS,
    LIFT,
    MANTISSA,
    ONE,
    OPEN,
    SHIFT,
)

U = np.uint64
FAR, SHUT, LIFTED = np.float64(FARTHEST), np.float64(CLOSED), np.float64(SHIFT)
C1, C2, C3, C4, C5, C6, C7 = (U(c) for c in HALVING[1:])
LOW, HALF, WHOLE = U(ONE - 1), U(32), U(ONE)
BITS, FINE, TOKEN, DROP, DEEP = U(MANTISSA), U(FINEST), U(IDS), U(LIFT), U(63)
LEVEL = U(FINEST + IDS)  # where the level begins in a key, which is a distance and a token
BLOCK, LANES = 512, 64  # tokens that are worked on together: their distances and weights stay in the nearest cache
ALL, NONE, FAR_AWAY = U((1 << 64) - 1), U(0), U(FARTHEST) << U(32)


@njit(nogil=True)
def largest(row):
    """The largest number; NaN where there is a NaN or +∞, or nothing but −∞."""
    best, odd = np.full(LANES, -np.inf, row.dtype), np.zeros(LANES, np.uint8)
    for start in range(0, len(row), LANES):
        part = row[start : start + LANES]
        for n in range(U(len(part))):
            best[n] = part[n] if part[n] > best[n] else best[n]
            odd[n] |= part[n] != part[n]
    top = best.max()
    return np.nan if odd.any() or np.isinf(top) else np.float64(top)


@njit(nogil=True)
def distance(x, top, scale):
    """q of one number."""
    d = (top - np.float64(x)) * scale
    t = FAR if d > FAR else d
    return np.float64((t if d < np.inf else SHUT) + LIFTED).view(np.uint64) & BITS


@njit(nogil=True)
def distances(row, top, scale, q):
    """q of some numbers."""
    for n in range(U(len(row))):
        q[n] = distance(row[n], top, scale)


@njit(nogil=True)
def weigh(q, w):
    """w of some tokens.  What has 32 bits is cut to them, so that the compiler knows, and multiplies as such."""
    for n in range(U(len(q))):
        f = q[n] & LOW
        h = (C6 - ((f * C7) >> HALF)) & LOW
        h = (C5 - ((f * h) >> HALF)) & LOW
        h = (C4 - ((f * h) >> HALF)) & LOW
        h = (C3 - ((f * h) >> HALF)) & LOW
        h = (C2 - ((f * h) >> HALF)) & LOW
        h = (C1 - ((f * h) >> HALF)) & LOW
        w[n] = ((WHOLE - ((f * h) >> HALF)) << DROP) >> min(q[n] >> HALF, DEEP)


@njit(nogil=True)
def survey(row, top, scale, counts, sums):
    """How many tokens, and how much weight, come before each level, (OPEN + 1,)."""
    q, w = np.empty(BLOCK, np.uint64), np.empty(BLOCK, np.uint64)
    many, heavy = np.zeros(LEVELS, np.int64), np.zeros(LEVELS, np.uint64)
    for start in range(0, len(row), BLOCK):
        part = row[start : start + BLOCK]
        distances(part, top, scale, q[: len(part)])
        weigh(q[: len(part)], w[: len(part)])
        for n in range(U(len(part))):
            many[q[n] >> FINE] += 1
            heavy[q[n] >> FINE] += w[n]
    counts[0], sums[0] = 0, NONE
    for level in range(OPEN):
        counts[level + 1], sums[level + 1] = counts[level] + many[level], sums[level] + heavy[level]


@njit(nogil=True)
def portion(total, part):
    """⌊total · part / 2^32⌋, and 1 at least."""
    return max(U(1), (total >> HALF) * part + (((total & LOW) * part) >> HALF))


@njit(nogil=True)
def fraction(total, dice):
    """⌊total · dice / 2^64⌋."""
    high, low = total >> HALF, total & LOW
    first, second = dice >> HALF, dice & LOW
    middle = high * second + ((low * second) >> HALF)
    return high * first + (middle >> HALF) + ((low * first + (middle & LOW)) >> HALF)


@njit(nogil=True)
def uncertain(counts, sums, most, part, reach, dice, wanted):
    """Mark the levels whose tokens must be put in order; gives the last of which a token may be left."""
    least, greatest, last = sums[OPEN], sums[OPEN], OPEN - 1
    if most < counts[OPEN]:
        last = np.searchsorted(counts, most) - 1
        least, greatest, wanted[last] = sums[last], sums[last + 1], True
    if part < WHOLE:
        first = np.searchsorted(sums, portion(least, part)) - 1
        final = np.searchsorted(sums, portion(greatest, part)) - 1
        wanted[first : final + 1] = True
        least, greatest, last = min(least, sums[first]), min(greatest, sums[final + 1]), min(last, final)
    if reach < FAR_AWAY:
        level = np.int64(reach >> FINE)
        least, greatest, last = min(least, sums[level]), min(greatest, sums[level + 1]), min(last, level)
        wanted[level] = True
    if dice != ALL:
        first = np.searchsorted(sums, fraction(least, dice), "right") - 1
        wanted[first : np.searchsorted(sums, fraction(greatest, dice), "right")] = True
    return last


@njit(nogil=True)
def gather(row, top, scale, wanted, last, keys, ids):
    """The keys of tokens in wanted levels, in order; and the ids up to the last level, if there is room for any."""
    q, found, left, every = np.empty(BLOCK, np.uint64), 0, 0, len(ids) > 0
    for start in range(0, len(row), BLOCK):
        part = row[start : start + BLOCK]
        distances(part, top, scale, q[: len(part)])
        for n in range(U(len(part))):
            level = q[n] >> FINE
            if wanted[level]:
                keys[found] = (q[n] << TOKEN) | (U(start) + n)
                found += 1
            if every and level <= last:
                ids[left] = U(start) + n
                left += 1
    keys[:found].sort()
    return left


@njit(nogil=True)
def start(keys, level):
    """Where the keys of a level begin."""
    return np.searchsorted(keys, U(level) << LEVEL)


@njit(nogil=True)
def before(keys, w, sums, key):
    """The weight of all tokens before a key."""
    level = min(np.int64(key >> LEVEL), OPEN)
    total = sums[level]
    for n in range(start(keys, level), np.searchsorted(keys, key)):
        total += w[n]
    return total


@njit(nogil=True)
def end(keys, w, counts, sums, most, part, reach):
    """The first key that is not left."""
    stop = ALL
    if most < counts[OPEN]:
        level = np.searchsorted(counts, most) - 1
        stop = keys[start(keys, level) + most - counts[level] - 1] + U(1)
    if part < WHOLE:
        target = portion(before(keys, w, sums, stop), part)
        level = np.searchsorted(sums, target) - 1
        at, total = start(keys, level), sums[level]
        while total < target:
            total += w[at]
            at += 1
        stop = min(stop, keys[at - 1] + U(1))
    return min(stop, (reach + U(1)) << TOKEN) if reach < FAR_AWAY else stop


@njit(nogil=True)
def ordered(row, top, settings, dice, ids, counts, sums):
    """The keys that matter, their weights, the first key that is not left, and how many ids may be left."""
    scale, most, part, reach = settings
    wanted = np.zeros(LEVELS, np.bool_)
    survey(row, top, scale, counts, sums)
    last = uncertain(counts, sums, most, part, reach, dice, wanted)
    found = 0
    for level in range(OPEN):
        if wanted[level]:
            found += counts[level + 1] - counts[level]
    keys, w = np.empty(found, np.uint64), np.empty(found, np.uint64)
    left = gather(row, top, scale, wanted, last, keys, ids)
    weigh(keys >> TOKEN, w)
    return keys, w, end(keys, w, counts, sums, most, part, reach), left
