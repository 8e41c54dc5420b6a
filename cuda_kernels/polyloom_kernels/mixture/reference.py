"""The definition of `mixture` in NumPy: every place at once, one level after the other."""

from typing import NamedTuple

import numpy as np

from polyloom_kernels.mixture.store import (
    PARENT,
    Array,
    Floats,
    Integers,
    Store,
    Sums,
    summed,
)


def walk(store: Store, seen: Integers) -> Integers:
    """The node of each place on each level, int64 (levels, T); −1 where the context was never seen."""
    nodes = np.full(seen.shape, -1, np.int64)
    for level, parent in enumerate(store.directory[:, PARENT].tolist()):
        if parent < 0:
            nodes[level] = 0
            continue
        known = np.flatnonzero((nodes[parent] >= 0) & (seen[level] >= 0))
        children, above = store.children(level), nodes[parent, known]
        nodes[level, known] = search(store.tokens(level), children[above], children[above + 1], seen[level, known])
    return nodes


def search(tokens: Array, starts: Array, ends: Array, wanted: Integers) -> Integers:
    """Where each wanted token stands among `tokens[start:end]`, which ascend; −1 if nowhere."""
    low = np.minimum(starts.astype(np.int64), len(tokens))
    high = end = np.minimum(ends.astype(np.int64), len(tokens))
    while (low < high).any():
        open_, middle = low < high, (low + high) // 2
        right = open_ & (tokens[np.minimum(middle, len(tokens) - 1)] < wanted)
        low, high = np.where(right, middle + 1, low), np.where(open_ & ~right, middle, high)
    found = (low < end) & (tokens[np.minimum(low, len(tokens) - 1)] == wanted) if len(tokens) else low < end
    return np.where(found, low, -1)


def entries(store: Store, level: int, nodes: Integers, tokens: Integers) -> Integers:
    """The entry of each (node, token) of a level, −1 where it was never seen or the node is −1."""
    rows, found = store.rows(level), np.full(len(nodes), -1, np.int64)
    known = np.flatnonzero(nodes >= 0)
    at = nodes[known]
    found[known] = search(store.next(level), rows[at], rows[at + 1], tokens[known])
    return found


def sums(store: Store, table: int, nodes: Integers) -> Sums:
    """What the rows of nodes add up to; zeros where the node is −1."""
    level = int(store.tables[table])
    totals, freed = np.zeros(len(nodes)), np.zeros(len(nodes))
    known = np.flatnonzero(nodes >= 0)
    different, which = np.unique(nodes[known], return_inverse=True)
    each = summed(store.rows(level), store.taken(level), store.discounts[table], different)
    totals[known], freed[known] = each.totals[which], each.freed[which]
    return Sums(totals, freed)


class Found(NamedTuple):
    """Of places, all (tables, T): the node of each table's context int64, and of its row, float64, what it adds up to.

    `kinds` is how many different tokens came next.  The first table has no context, and nothing is found for it.
    """

    nodes: Integers
    totals: Floats
    freed: Floats
    kinds: Floats


def found_at(store: Store, seen: Integers) -> Found:
    """What the contexts of places lead to."""
    nodes = walk(store, seen)[store.tables]
    totals, freed, kinds = (np.zeros(nodes.shape) for _ in range(3))
    for table in range(1, len(store.tables)):
        totals[table], freed[table] = sums(store, table, nodes[table])
        rows, known = store.rows(int(store.tables[table])), nodes[table] >= 0
        starts, ends = rows[nodes[table, known]], rows[nodes[table, known] + 1]
        kinds[table, known] = ends.astype(np.int64) - starts
    return Found(nodes, totals, freed, kinds)


def left(totals: Floats, freed: Floats) -> Floats:
    """The share of the mass that a row leaves to what lies below: all of it where there is no row."""
    return np.where(totals > 0, freed / np.maximum(totals, 1.0), 1.0)


def chances(store: Store, seen: Integers, targets: Integers) -> tuple[Floats, Floats]:
    """p of each target under each component, float64 (K, T); what is known there, float64 (2 · tables, T).

    Known is how much the row of each table holds, then of how many kinds; of the first table, which has no context,
    nothing is.
    """
    found = found_at(store, seen)
    parts = np.tile(store.unigram[targets], (1 + len(store.tables) - store.order, 1))
    for table in range(1, len(store.tables)):
        level, component = int(store.tables[table]), max(0, table - store.order + 1)
        at = entries(store, level, found.nodes[table], targets)
        count = np.where(at >= 0, store.taken(level)[at], 0) if store.entries(level) else np.zeros(len(at), np.int64)
        kept = count - store.discounts[table][np.minimum(count, 3)]
        share = np.where(count > 0, kept / np.maximum(found.totals[table], 1.0), 0.0)
        parts[component] = share + left(found.totals[table], found.freed[table]) * parts[component]
    return parts, np.concatenate([found.totals, found.kinds])


def spread(store: Store, found: Found, shares: Floats) -> Floats:
    """Σ_k shares[k, t] · p_k(y) for every token y at each place, float64 (T, V)."""
    dense = np.zeros((shares.shape[1], store.vocabulary_size))
    below, rest = np.zeros(shares.shape[1]), shares[0].copy()
    for table in reversed(range(1, len(store.tables))):
        component, totals = max(0, table - store.order + 1), found.totals[table]
        mass = shares[component] if component else rest
        scale = np.where(totals > 0, mass / np.maximum(totals, 1.0), 0.0)
        _scatter(store, table, found.nodes[table], scale, dense)
        if component:
            below += mass * left(totals, found.freed[table])
        else:
            rest = mass * left(totals, found.freed[table])
    return dense + (below + rest)[:, None] * store.unigram


def _scatter(store: Store, table: int, nodes: Integers, scale: Floats, dense: Floats) -> None:
    """Add scale · (count − discount) for each entry of each place's row."""
    level = int(store.tables[table])
    rows, tokens, counts, discounts = store.rows(level), store.next(level), store.taken(level), store.discounts[table]
    for place in np.flatnonzero(nodes >= 0).tolist():
        entry = slice(int(rows[nodes[place]]), int(rows[nodes[place] + 1]))
        count = counts[entry]
        dense[place, tokens[entry]] += scale[place] * (count - discounts[np.minimum(count, 3)])
