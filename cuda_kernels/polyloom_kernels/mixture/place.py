"""`mixture` compiled, for one place: every token's probability, or the likeliest tokens, in microseconds.

A place is asked of one or of several models at once.  `remember` looks back over the text; `gather` adds what a model
says to sums that are zero for every token that no row names; `pick` or `whole` read them, and leave them zero again.
"""
# pyright: basic
# numba has no types

import numpy as np
from numba import njit, types

from polyloom_kernels.mixture.cpu import READ, U, measure, scatter, tapes, walk


@njit(nogil=True, cache=True)
def opened(gate, floor, order, totals, remembered, features, shares):
    """The share of each component at one place: a softmax of a linear map of log counts, with a floor."""
    features[:] = 0.0
    features[0] = 1.0
    tables = len(totals)
    contexts, depth = tables - 1 + len(remembered), 0
    for table in range(1, tables):
        features[table] = np.log1p(totals[table])
        features[contexts + table] = totals[table] > 0
        depth += table < order and totals[table] > 0
    for n in range(len(remembered)):
        features[tables + n] = np.log1p(remembered[n])
        features[contexts + tables + n] = remembered[n] > 0
    features[1 + 2 * contexts + depth] = 1.0
    shares[:] = 0.0
    for f in range(len(features)):
        if features[f] != 0:
            for k in range(len(shares)):
                shares[k] += features[f] * gate[f, k]
    most = shares.max()
    total = 0.0
    for k in range(len(shares)):
        shares[k] = np.exp(shares[k] - most)
        total += shares[k]
    for k in range(len(shares)):
        shares[k] = (1 - floor) * shares[k] / total + floor / len(shares)


@njit(nogil=True, cache=True)
def remember(tokens, orders, memory, mark, matches, lengths, totals):
    """What the text so far holds of its own last tokens: how many matches there are.

    For each place whose token is the last one: what came next, into `matches`, and how far back the two agree, into
    `lengths`.  Into `totals`: the weight of the recent tokens; for each order the number of matches; then of how many
    kinds they are.
    """
    size, found, longest = len(tokens), 0, orders[-1]
    totals[:] = 0
    totals[0] = faded(size, memory)
    if size == 0:
        return 0
    last = tokens[size - 1]
    for place in range(size - 1):
        if tokens[U(place)] == last:
            length = 1
            while length < longest and length <= place and tokens[place - length] == tokens[size - 1 - length]:
                length += 1
            following = tokens[place + 1]
            matches[found], lengths[found] = following, length
            found += 1
            for n in range(len(orders)):
                if length >= orders[n]:
                    totals[1 + n] += 1
                    if not mark[following] >> n & 1:
                        mark[following] |= 1 << n
                        totals[1 + len(orders) + n] += 1
    for n in range(found):
        mark[matches[n]] = 0
    return found


@njit(nogil=True, cache=True)
def faded(size, memory):
    """How much the recent tokens of a text weigh together."""
    bucket, buckets, fade = np.int64(memory[0]), np.int64(memory[1]), memory[2]
    now, mass, weight = size // bucket, 0.0, 1.0
    for b in range(now, max(-1, now - buckets), -1):
        mass += weight * (min(size, (b + 1) * bucket) - b * bucket)
        weight *= fade
    return mass


@njit(nogil=True, cache=True)
def echo(tokens, orders, memory, mark, matches, lengths, found, remembered, shares, sums, touched, used):
    """Add what the text so far says, its orders and its recent tokens; what is left to the unigram, and `used`.

    `memory` is (tokens in a bucket, buckets, fade from one to the next, prior, discount); `shares` begin with the
    recent tokens'.
    """
    bucket, buckets, fade, prior, cut = np.int64(memory[0]), np.int64(memory[1]), memory[2], memory[3], memory[4]
    size, recent = len(tokens), shares[0]
    for n in range(len(orders)):
        total = remembered[1 + n]
        if total == 0:
            recent += shares[1 + n]
            continue
        scale = shares[1 + n] / total
        recent += scale * cut * remembered[1 + len(orders) + n]
        for m in range(found):
            if lengths[m] >= orders[n]:
                token = U(matches[m])
                before = sums[token]
                touched[U(used)] = token
                used += before == 0.0
                if not mark[token] >> n & 1:
                    mark[token] |= 1 << n
                    before -= scale * cut
                sums[token] = before + scale
    for m in range(found):
        mark[matches[m]] = 0
    weight = scale = recent / (remembered[0] + prior)
    for b in range(size // bucket, max(-1, size // bucket - buckets), -1):
        for place in range(b * bucket, min(size, (b + 1) * bucket)):
            token = U(tokens[U(place)])
            before = sums[token]
            touched[U(used)] = token
            used += before == 0.0
            sums[token] = before + weight
        weight *= fade
    return scale * prior, used


@njit(nogil=True, cache=True)
def gather(
    directory, tables, pieces, numbers, reals, order, gate, floor, seen, weight,
    tokens, orders, memory, mark, matches, lengths, found, remembered, shares, sums, touched, used,
):  # fmt: skip
    """Add weight · p(y) of one place to the sums of the tokens y that any row names.

    Every other token has weight · below · unigram(y).  Returns `below` times weight, and how many sums are in use.
    """
    nodes, lows = np.empty(len(directory), np.int64), np.empty(len(tables), np.int64)
    highs, total, freed = np.empty_like(lows), np.empty(len(tables)), np.empty(len(tables))
    walk(directory, pieces, numbers, seen, nodes)
    measure(directory, tables, numbers, reals, nodes, lows, highs, total, freed)
    skips = len(tables) - order
    told = remembered[: len(shares) - 1 - skips]  # nothing if this model has no history
    opened(gate, floor, order, total, told, np.empty(len(gate)), shares)
    below, rest = 0.0, weight * shares[0]
    for table in range(len(tables) - 1, 0, -1):
        component = max(0, table - order + 1)
        mass = weight * shares[component] if component else rest
        free = mass
        if total[table] > 0:
            free = mass * (freed[table] / total[table])
            used = scatter(
                directory[tables[table]], pieces, numbers, reals[4 * table : 4 * table + 4],
                lows[table], highs[table], mass / total[table], sums, touched, used,
            )  # fmt: skip
        if component:
            below += free
        else:
            rest = free
    below += rest
    if len(told):
        spoken = weight * shares[1 + skips :]
        free, used = echo(
            tokens, orders, memory, mark, matches, lengths, found, remembered, spoken, sums, touched, used
        )
        below += free
    return below, used


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
def pick(sums, touched, used, below, unigrams, ranked, best, values):
    """The likeliest tokens, of sums[y] + Σ_k below[k] · unigrams[y, k]; every sum in use is zero again.

    Tokens without a sum are met in the order of each unigram, until none that is left could be good enough.
    """
    size, most = len(unigrams), 0.0
    for k in range(len(below)):
        most += below[k] * unigrams[ranked[k, 0], k]
    count, worst = 0, -1.0
    for n in range(used):
        token = np.int64(touched[U(n)])
        if sums[U(token)] + most >= worst:
            count = insert(best, values, count, token, sums[token] + under(below, unigrams, token))
            worst = values[len(best) - 1] if count == len(best) else -1.0
    for depth in range(size):
        reach = 0.0
        for k in range(len(below)):
            reach += below[k] * unigrams[ranked[k, depth], k]
        if count == len(best) and reach < worst:
            break
        for k in range(len(below)):
            token = ranked[k, depth]
            if sums[token] == 0.0:
                count = insert(best, values, count, token, under(below, unigrams, token))
        worst = values[len(best) - 1] if count == len(best) else -1.0
    for n in range(used):
        sums[U(touched[U(n)])] = 0.0
    return count


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
    for n in range(used):
        sums[U(touched[U(n)])] = 0.0


INTS, REALS, TOUCHED, MARK = types.int64[::1], types.float64[::1], types.uint32[::1], types.uint8[::1]
GRID = types.Array(types.float64, 2, "C", readonly=True)
RANKED = types.Array(types.int64, 2, "C", readonly=True)
TEXT = (READ, READ, types.Array(types.float64, 1, "C", readonly=True), MARK, INTS, INTS)  # tokens … lengths
KERNELS = (
    (remember, (*TEXT, REALS)),
    *(
        (gather, (*tapes(piece), GRID, types.float64, READ, types.float64, *TEXT,
                  types.int64, REALS, REALS, REALS, TOUCHED, types.int64))
        for piece in (types.uint16, types.uint32)
    ),
    (pick, (REALS, TOUCHED, types.int64, REALS, GRID, RANKED, INTS, REALS)),
    (whole, (REALS, TOUCHED, types.int64, REALS, GRID, REALS)),
)  # fmt: skip
