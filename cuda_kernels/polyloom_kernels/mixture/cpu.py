"""`mixture` compiled, for a text place by place.

Whatever a file holds, no index leaves its array: starts and ends are cut at the size of their level.  Sums run in the
order of the reference, so both give the same bits.
"""
# pyright: basic
# numba has no types

import numpy as np
from numba import njit, types

from polyloom_kernels.mixture.store import (
    CHILDREN,
    ENTRIES,
    LONG,
    LONG_ROW,
    LONGS,
    NEXT,
    NODES,
    PARENT,
    ROWS,
    SUMS,
    TAKEN,
    TOKENS,
)

U = np.uint64


@njit(nogil=True, cache=True)
def find(tape, base, low, high, wanted):
    """Where `wanted` stands in the ascending tape[base + low : base + high]; −1 if nowhere."""
    end = high
    while low < high:
        middle = (low + high) >> 1
        if np.int64(tape[U(base + middle)]) < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < end and np.int64(tape[U(base + low)]) == wanted else -1


@njit(nogil=True, cache=True)
def span(numbers, base, node, most):
    """Where the part of `node` starts and ends, cut at `most`."""
    start, end = np.int64(numbers[U(base + node)]), np.int64(numbers[U(base + node + 1)])
    return min(start, most), min(end, most)


@njit(nogil=True, cache=True)
def walk(directory, pieces, numbers, seen, nodes):
    """The node of one place on each level."""
    for level in range(len(directory)):
        row = directory[level]
        if row[PARENT] < 0:
            nodes[level] = 0
            continue
        above, token = nodes[row[PARENT]], seen[level]
        nodes[level] = -1
        if above >= 0 and token >= 0:
            low, high = span(numbers, row[CHILDREN], above, row[NODES])
            nodes[level] = find(pieces, row[TOKENS], low, high, token)


@njit(nogil=True, cache=True)
def sums(row, numbers, reals, discounts, node, low, high):
    """What a row adds up to: its total, and what discounts free of it."""
    if high - low > LONG_ROW:
        at = find(numbers, row[LONG], 0, row[LONGS], node)
        if at >= 0:
            return reals[row[SUMS] + at], reals[row[SUMS] + row[LONGS] + at]
    total, freed = 0.0, 0.0
    for entry in range(low, high):
        count = np.int64(numbers[U(row[TAKEN] + entry)])
        total += count
        freed += discounts[min(count, 3)]
    return total, freed


@njit(nogil=True, cache=True)
def measure(directory, tables, numbers, reals, nodes, lows, highs, totals, freed):
    """Of one place: for each table the run of its row, and what it adds up to."""
    for table in range(1, len(tables)):
        level = tables[table]
        lows[table] = highs[table] = 0
        totals[table] = freed[table] = 0.0
        if nodes[level] >= 0:
            row = directory[level]
            low, high = span(numbers, row[ROWS], nodes[level], row[ENTRIES])
            lows[table], highs[table] = low, high
            totals[table], freed[table] = sums(
                row, numbers, reals, reals[4 * table : 4 * table + 4], nodes[level], low, high
            )


@njit(nogil=True, cache=True)
def chances(directory, tables, pieces, numbers, reals, order, seen, targets, parts, known):
    """p of each target under each component, into parts (K, T), and what is known, into (2 · tables, T)."""
    nodes, lows = np.empty(len(directory), np.int64), np.empty(len(tables), np.int64)
    highs, total, freed = np.empty_like(lows), np.empty(len(tables)), np.empty(len(tables))
    look = np.empty(len(directory), np.int64)
    for place in range(len(targets)):
        for level in range(len(directory)):
            look[level] = seen[level, place]
        target = targets[place]
        walk(directory, pieces, numbers, look, nodes)
        measure(directory, tables, numbers, reals, nodes, lows, highs, total, freed)
        unigram = reals[4 * len(tables) + target]
        for component in range(len(parts)):
            parts[component, place] = unigram
        for table in range(1, len(tables)):
            known[table, place] = total[table]
            known[len(tables) + table, place] = highs[table] - lows[table]
            if total[table] <= 0:
                continue
            component = max(0, table - order + 1)
            row, share = directory[tables[table]], 0.0
            at = find(pieces, row[NEXT], lows[table], highs[table], target)
            if at >= 0:
                count = np.int64(numbers[U(row[TAKEN] + at)])
                share = (count - reals[4 * table + min(count, 3)]) / total[table]
            parts[component, place] = share + freed[table] / total[table] * parts[component, place]


@njit(nogil=True, cache=True)
def scatter(row, pieces, numbers, discounts, low, high, scale, sums, touched, used):
    """Add scale · (count − discount) of each entry to its token's sum; how many sums are in use then."""
    at, end, counts = U(row[NEXT] + low), U(row[NEXT] + high), U(row[TAKEN] + low)
    while at < end:
        token, count = U(pieces[at]), np.int64(numbers[counts])
        if token < U(len(sums)):
            before = sums[token]
            touched[U(used)] = token
            used = min(used + (before == 0.0), len(sums))
            sums[token] = before + scale * (np.float64(count) - discounts[U(min(count, 3))])
        at += U(1)
        counts += U(1)
    return used


def tapes(piece):
    """The types of a store: its tapes, which may be mapped from a file, and the order of its chain."""
    kinds = (types.int64, types.int64, piece, types.uint32, types.float64)
    return *(types.Array(kind, 2 if n == 0 else 1, "C", readonly=True) for n, kind in enumerate(kinds)), types.int64


READ = types.Array(types.int64, 1, "C", readonly=True)
KERNELS = tuple(
    (chances, (*tapes(piece), types.int64[:, ::1], READ, types.float64[:, ::1], types.float64[:, ::1]))
    for piece in (types.uint16, types.uint32)
)
