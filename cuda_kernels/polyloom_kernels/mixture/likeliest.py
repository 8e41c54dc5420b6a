"""What the sums of one place say, compiled: the likeliest tokens, all above a bound, every one, or how widely spread.

    p(y) = sums[y] + Σ_k below[k] · unigrams[y, k]

Sums are zero for every token that no row names; `touched` lists the others.  So most of a vocabulary is never looked
at: a token without a sum is bounded by the unigrams, and these are ranked.  `clear` leaves every sum zero again.
"""
# pyright: basic
# numba has no types

import numpy as np
from numba import njit

from polyloom_kernels.mixture.cpu import U


@njit(nogil=True, cache=True)
def insert(best, values, count, token, value):
    """Put a token into the descending list, ties by smaller id; how many it holds then."""
    size = len(best)
    for n in range(count):
        if best[n] == token:
            return count
    at = min(count, size - 1)
    if count == size and (values[at] > value or (values[at] == value and best[at] < token)):
        return count
    while at > 0 and (values[at - 1] < value or (values[at - 1] == value and best[at - 1] > token)):
        best[at], values[at] = best[at - 1], values[at - 1]
        at -= 1
    best[at], values[at] = token, value
    return min(count + 1, size)


@njit(nogil=True, cache=True)
def lead(sums, touched, used, below, unigrams, ceiling, ranked, best, values):
    """The likeliest tokens; how many could be put in order.

    `ceiling` is a token's largest unigram chance: most tokens fail on it alone.  Those without a sum are met in the
    order of each unigram, until none that is left could be good enough.
    """
    size, count, worst = len(unigrams), 0, -1.0
    most = below.sum() * (1 + 1e-12)  # more than rounding can take away
    for n in range(used):
        token = U(touched[U(n)])
        if sums[token] + most * ceiling[token] >= worst:
            count = insert(best, values, count, np.int64(token), sums[token] + under(below, unigrams, token))
            worst = values[len(best) - 1] if count == len(best) else -1.0
    for depth in range(size):
        if count == len(best) and reach(below, unigrams, ranked, depth) < worst:
            break
        for k in range(len(below)):
            token = ranked[k, depth]
            if sums[token] == 0.0:
                count = insert(best, values, count, token, under(below, unigrams, token))
        worst = values[len(best) - 1] if count == len(best) else -1.0
    return count


@njit(nogil=True, cache=True)
def collect(sums, touched, used, below, unigrams, ceiling, ranked, least, found, values):
    """Every token of at least `least`, perhaps twice, in no order; how many, or −1 if they are more than fit."""
    count, most = 0, below.sum() * (1 + 1e-12)
    for n in range(used):
        token = U(touched[U(n)])
        if sums[token] + most * ceiling[token] >= least:
            count = noted(np.int64(token), sums[token] + under(below, unigrams, token), least, found, values, count)
    for depth in range(len(unigrams)):
        if reach(below, unigrams, ranked, depth) < least:
            break
        for k in range(len(below)):
            token = ranked[k, depth]
            if sums[token] == 0.0:
                count = noted(token, under(below, unigrams, token), least, found, values, count)
        if count < 0:
            break
    return count


@njit(nogil=True, cache=True)
def noted(token, value, least, found, values, count):
    """Put a token into the list if its value is large enough; how many it holds then, or −1 if it was full."""
    if value < least or count < 0:
        return count
    if count == len(found):
        return -1
    found[count], values[count] = token, value
    return count + 1


@njit(nogil=True, cache=True)
def reach(below, unigrams, ranked, depth):
    """The most that a token without a sum can have from this depth of the unigrams on."""
    total = 0.0
    for k in range(len(below)):
        total += below[k] * unigrams[ranked[k, depth], k]
    return total


@njit(nogil=True, cache=True)
def clear(sums, touched, used):
    """Make every sum in use zero again: one by one if they are few.

    A full list may lack one and name another twice, but then they are not few.
    """
    if 4 * used > len(sums):
        sums[:] = 0.0
    else:
        for n in range(used):
            sums[U(touched[U(n)])] = 0.0


@njit(nogil=True, cache=True)
def under(below, unigrams, token):
    """What a token has without any row."""
    total = 0.0
    for k in range(len(below)):
        total += below[k] * unigrams[token, k]
    return total


@njit(nogil=True, cache=True)
def whole(sums, touched, used, below, unigrams, dense):
    """p of every token, into dense (V,); every sum in use is zero again."""
    for token in range(len(dense)):
        dense[token] = sums[token] + under(below, unigrams, token)
    clear(sums, touched, used)


@njit(nogil=True, cache=True)
def entropy(sums, touched, used, below, unigrams, plain):
    """−Σ p ln p over every token, under one voice; `plain` is Σ u ln u over its unigrams, which sum to 1.

    As if no token had a sum, −Σ (below · u) ln (below · u), and what those that have one change.  A sum is zero once it
    is counted: the list may name a token twice.
    """
    total = spoken(below[0]) + below[0] * plain
    for n in range(used):
        token = U(touched[U(n)])
        faint = below[0] * unigrams[token, 0]
        total += spoken(sums[token] + faint) - spoken(faint)
        sums[token] = 0.0
    return -total


@njit(nogil=True, cache=True)
def spoken(chance):
    """p ln p."""
    return chance * np.log(chance) if chance > 0 else 0.0
