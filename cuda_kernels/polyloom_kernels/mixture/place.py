"""`mixture` compiled, for one place: every token's probability, or the likeliest tokens, in microseconds.

A place is asked of one or of several voices at once.  `remember` looks back over the text; `gather` adds what a voice
says to sums that are zero for every token that no row names; `likeliest` reads them and leaves them zero again.
"""
# pyright: basic
# numba has no types

import numpy as np
from numba import carray, njit, types  # pyright: ignore[reportPrivateImportUsage]

from polyloom_kernels.intrinsics import pointer, prefetch
from polyloom_kernels.mixture.cpu import U, measure, scatter, walk
from polyloom_kernels.mixture.likeliest import clear, collect, entropy, lead, under, whole
from polyloom_kernels.mixture.store import COLUMNS, NEXT, TAKEN


@njit(nogil=True, cache=True)
def opened(gate, floor, order, totals, lows, highs, told, features, shares):
    """The share of each component at one place: a softmax of a linear map of what is known of its contexts."""
    features[:] = 0.0
    features[0] = 1.0
    tables, heard = len(totals), len(told) // 2
    contexts, depth = tables - 1 + heard, 0
    for n in range(contexts):
        if n < tables - 1:
            often, kinds = totals[1 + n], np.float64(highs[1 + n] - lows[1 + n])
            depth += 1 + n < order and often > 0
        else:
            often, kinds = told[n - tables + 1], told[heard + n - tables + 1]
        if often > 0:
            features[1 + n] = np.log1p(often)
            features[1 + contexts + n] = 1.0
            features[1 + 2 * contexts + n] = kinds / max(often, 1.0)
            features[1 + 3 * contexts + n] = kinds == 1
    features[1 + 4 * contexts + depth] = 1.0
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
    `lengths`.  Into `totals`: the weight of the recent tokens, and for each order the number of matches; then 0, and
    for each order of how many kinds they are.
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
                        totals[2 + len(orders) + n] += 1
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
def recent_share(orders, memory, remembered, shares):
    """What the recent tokens speak for: their own share, and what the orders leave to them."""
    found = shares[0]
    for n in range(len(orders)):
        total, kinds = remembered[1 + n], remembered[2 + len(orders) + n]
        found += shares[1 + n] if total == 0 else shares[1 + n] / total * memory[4] * kinds
    return found


@njit(nogil=True, cache=True)
def echo(tokens, orders, memory, mark, matches, lengths, found, remembered, shares, sums, touched, used):
    """Add what the text so far says, its orders and its recent tokens; how many sums are in use then.

    `memory` is (tokens in a bucket, buckets, fade from one to the next, prior, discount); `shares` begin with the
    recent tokens'.
    """
    bucket, buckets, fade, prior, cut = np.int64(memory[0]), np.int64(memory[1]), memory[2], memory[3], memory[4]
    size = len(tokens)
    for n in range(len(orders)):
        if remembered[1 + n] == 0:
            continue
        scale = shares[1 + n] / remembered[1 + n]
        for m in range(found):
            if lengths[m] >= orders[n]:
                token = U(matches[m])
                before = sums[token]
                touched[U(used)] = token
                used = min(used + (before == 0.0), len(sums))
                if not mark[token] >> n & 1:
                    mark[token] |= 1 << n
                    before -= scale * cut
                sums[token] = before + scale
    for m in range(found):
        mark[matches[m]] = 0
    weight = recent_share(orders, memory, remembered, shares) / (remembered[0] + prior)
    for b in range(size // bucket, max(-1, size // bucket - buckets), -1):
        for place in range(b * bucket, min(size, (b + 1) * bucket)):
            token = U(tokens[U(place)])
            before = sums[token]
            touched[U(used)] = token
            used = min(used + (before == 0.0), len(sums))
            sums[token] = before + weight
        weight *= fade
        if weight == 0.0:  # older ones still would fill the list for nothing
            break
    return used


@njit(nogil=True, cache=True)
def gather(
    directory, tables, pieces, numbers, reals, order, gate, floor, seen, weight,
    told, shares, sums, touched, used,
):  # fmt: skip
    """Add weight · p(y) of one place, history aside, to the sums of the tokens y that any row names.

    Every other token has below · unigram(y).  Returns `below`, and how many sums are in use; fills the shares.
    """
    nodes, lows = np.empty(len(directory), np.int64), np.empty(len(tables), np.int64)
    highs, total, freed = np.empty_like(lows), np.empty(len(tables)), np.empty(len(tables))
    walk(directory, pieces, numbers, seen, nodes)
    measure(directory, tables, numbers, reals, nodes, lows, highs, total, freed)
    for table in range(1, len(tables)):  # rows far apart in memory are fetched side by side
        row = directory[tables[table]]
        for line in range(2):
            prefetch(pieces, min(row[NEXT] + lows[table] + 32 * line, len(pieces) - 1))  # pyright: ignore[reportCallIssue]
            prefetch(numbers, min(row[TAKEN] + lows[table] + 16 * line, len(numbers) - 1))
    opened(gate, floor, order, total, lows, highs, told, np.empty(len(gate)), shares)
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
    return below + rest, used


@njit(nogil=True, cache=True)
def ask(voices, floors, seen, weights, tokens, mark, matches, lengths, sums, touched, below):
    """Gather what every voice says at one place; how many sums are in use.

    A voice is a row of whole numbers, addresses and sizes in the order of `operation.RECORD`: so all of them are asked
    in one call, whatever their sizes.  Voices that remember alike look back over the text once.
    """
    used, found, known = 0, 0, 0
    told, orders, memory = np.zeros(1), np.zeros(1, np.int64), np.zeros(5)
    said = np.zeros(1)
    for n in range(len(voices)):
        below[n] = 0.0
        if weights[n] == 0:
            continue
        voice = voices[n]
        directory = carray(pointer(voice[0]), (voice[1], COLUMNS), np.int64)  # pyright: ignore[reportCallIssue]
        tables = carray(pointer(voice[2]), (voice[3],), np.int64)
        numbers = carray(pointer(voice[7]), (voice[8],), np.uint32)
        reals = carray(pointer(voice[9]), (voice[10],), np.float64)
        gate = carray(pointer(voice[12]), (voice[13], voice[14]), np.float64)
        if voice[18] and voice[17] != known:
            if known:
                used = echo(tokens, orders, memory, mark, matches, lengths, found, told, said, sums, touched, used)
            known, orders = voice[17], carray(pointer(voice[15]), (voice[16],), np.int64)
            memory = carray(pointer(voice[17]), (5,), np.float64)
            told, said = np.empty(2 + 2 * len(orders)), np.zeros(1 + len(orders))
            found = remember(tokens, orders, memory, mark, matches, lengths, told)
        shares = np.empty(voice[14])
        heard = told if voice[18] else told[:0]
        if voice[6] == 2:
            below[n], used = gather(
                directory, tables, carray(pointer(voice[4]), (voice[5],), np.uint16), numbers, reals, voice[11],
                gate, floors[n], seen[n], weights[n], heard, shares, sums, touched, used,
            )  # fmt: skip
        else:
            below[n], used = gather(
                directory, tables, carray(pointer(voice[4]), (voice[5],), np.uint32), numbers, reals, voice[11],
                gate, floors[n], seen[n], weights[n], heard, shares, sums, touched, used,
            )  # fmt: skip
        if voice[18]:
            spoken = weights[n] * shares[len(shares) - len(said) :]
            said += spoken
            recent = recent_share(orders, memory, told, spoken)
            below[n] += recent / (told[0] + memory[3]) * memory[3]
    if known:
        used = echo(tokens, orders, memory, mark, matches, lengths, found, told, said, sums, touched, used)
    return used


@njit(nogil=True, cache=True)
def top(
    voices, floors, seen, weights, tokens, mark, matches, lengths, sums, touched, below,
    unigrams, ceiling, ranked, best, values,
):  # fmt: skip
    """The likeliest tokens under all voices; how many could be put in order."""
    used = ask(voices, floors, seen, weights, tokens, mark, matches, lengths, sums, touched, below)
    count = lead(sums, touched, used, below, unigrams, ceiling, ranked, best, values)
    clear(sums, touched, used)
    return count


@njit(nogil=True, cache=True)
def above(
    voices, floors, seen, weights, tokens, mark, matches, lengths, sums, touched, below,
    unigrams, ceiling, ranked, best, values, least, part, wanted, heard, found, chances,
):  # fmt: skip
    """What all voices give `wanted`, into `heard`, and every token that they themselves find likely, into `found`.

    That is one to which they give at least this part of `least`, or of the last of the likeliest tokens' chances if
    that is more.  How many are found, or −1 if they are more than fit.
    """
    used = ask(voices, floors, seen, weights, tokens, mark, matches, lengths, sums, touched, below)
    for n in range(len(wanted)):
        heard[n] = sums[wanted[n]] + under(below, unigrams, wanted[n])
    count = lead(sums, touched, used, below, unigrams, ceiling, ranked, best, values)
    if count == len(best):
        least = max(least, values[count - 1])
    count = collect(sums, touched, used, below, unigrams, ceiling, ranked, part * least, found, chances)
    clear(sums, touched, used)
    return count


@njit(nogil=True, cache=True)
def confidence(
    voices, floors, seen, weights, tokens, mark, matches, lengths, sums, touched, below,
    unigrams, ceiling, ranked, best, values, plain, found,
):  # fmt: skip
    """Entropy and largest log-probability of one voice, into found (2,)."""
    used = ask(voices, floors, seen, weights, tokens, mark, matches, lengths, sums, touched, below)
    lead(sums, touched, used, below, unigrams, ceiling, ranked, best, values)
    found[0], found[1] = entropy(sums, touched, used, below, unigrams, plain), np.log(values[0])
    clear(sums, touched, used)


@njit(nogil=True, cache=True)
def spread(
    voices, floors, seen, weights, tokens, mark, matches, lengths, sums, touched, below,
    unigrams, dense,
):  # fmt: skip
    """p of every token under all voices, into dense (V,)."""
    used = ask(voices, floors, seen, weights, tokens, mark, matches, lengths, sums, touched, below)
    whole(sums, touched, used, below, unigrams, dense)


INTS, REALS, GRID = types.int64[::1], types.float64[::1], types.float64[:, ::1]
READ = types.Array(types.int64, 1, "C", readonly=True)
PLACE = (types.int64[:, ::1], REALS, types.int64[:, ::1], REALS, READ)  # voices … tokens
SCRATCH = (types.uint8[::1], INTS, INTS, REALS, types.uint32[::1], REALS)  # mark … below
LEADING = (GRID, REALS, types.int64[:, ::1], INTS, REALS)  # unigrams … values
KERNELS = (
    (top, (*PLACE, *SCRATCH, *LEADING)),
    (above, (*PLACE, *SCRATCH, *LEADING, types.float64, types.float64, READ, REALS, INTS, REALS)),
    (confidence, (*PLACE, *SCRATCH, *LEADING, types.float64, REALS)),
    (spread, (*PLACE, *SCRATCH, GRID, REALS)),
)
