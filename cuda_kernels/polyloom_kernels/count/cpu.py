# pyright: basic
# The kernels are compiled by numba, which has no types for them.
"""`count` and `merge` on the CPU: a radix sort whose digits move a key and its place together, as one integer.

    packed[i] = (keys[i] − lowest) · 2^b + i            b bits hold a place

Sorting the upper bits of this by digits, lowest first, keeps equal keys in order of place, and moves 8 bytes a pass.
If key and place need more than 64 bits, the lower bits of the key are sorted so, then, packed again, the rest.

Each pass cuts the array into one chunk a thread.  A chunk counts its digits; digit d of chunk c goes after all smaller
digits and after the d of earlier chunks, so that the result does not depend on how many chunks there are.
"""

from itertools import pairwise

import numpy as np

from polyloom_kernels.count import kernels
from polyloom_kernels.count.reference import Counted, Merged
from polyloom_kernels.jit import frozen
from polyloom_kernels.threads import cut, each

KERNELS = kernels.KERNELS
DIGIT = 10  # bits: 1024 places to write to at once stay in the caches of addresses and of data
ALONE = 1 << 17  # fewer keys than this are counted sooner than a second thread starts

unsigned = np.uint64


def count(keys, ranks, threads):
    """As the reference, for at least one key."""
    keys, low = frozen(keys), int(keys.min())
    bits, place_bits = (int(keys.max()) - low).bit_length(), (len(keys) - 1).bit_length() if ranks else 0
    low, mask = unsigned(low % 2**64), unsigned(2**place_bits - 1)
    chunks = cut(len(keys), 1 if len(keys) < ALONE else threads)
    packed, spare = np.empty(len(keys), unsigned), np.empty(len(keys), unsigned)
    room = 64 - place_bits
    for done in range(0, max(bits, 1), room):
        given = (low, unsigned(done), unsigned(place_bits), mask)
        if done:
            each(kernels.repack, [(keys, *given, packed[c]) for c in chunks])
        else:
            each(kernels.pack_places, [(keys[c], low, *given[2:], unsigned(c.start), packed[c]) for c in chunks])
        packed, spare = _sorted(packed, spare, place_bits, min(bits - done, room), chunks)
    found = spare.view(np.int64)  # its memory is known to the process already, which is half of what a pass costs
    if bits > room:  # the upper bits alone are no key
        found = np.empty(len(keys), np.int64)
        each(kernels.gather, [(keys, low, mask, packed[c], spare[c]) for c in chunks])
    ordered, shift = (spare, 0) if bits > room else (packed, place_bits)
    return _runs(ordered, shift, packed, mask, low, found if ranks else found[:0].copy(), chunks)


def merge(keys_a, counts_a, keys_b, counts_b, threads):
    """As the reference."""
    runs = [frozen(part) for part in (keys_a, counts_a, keys_b, counts_b)]
    pairs = _between(runs[0], runs[2], 1 if len(keys_a) + len(keys_b) < ALONE else threads)
    sizes = each(kernels.union, [(runs[0][a], runs[2][b]) for a, b in pairs])
    firsts = _offsets(sizes)
    keys, counts = (np.empty(int(firsts[-1]), np.int64) for _ in range(2))
    ranks_a, ranks_b = np.empty(len(keys_a), np.int64), np.empty(len(keys_b), np.int64)
    jobs = [
        (runs[0][a], runs[1][a], runs[2][b], runs[3][b], first, keys, counts, ranks_a[a], ranks_b[b])
        for (a, b), first in zip(pairs, firsts[:-1], strict=True)
    ]
    each(kernels.add_runs, jobs)
    return Merged(keys, counts, ranks_a, ranks_b)


def _sorted(packed, spare, shift, bits, chunks):
    """`packed` in the order of `bits` bits from `shift` on; equal ones stay in order.  Gives both arrays again."""
    passes = max(1, -(-bits // DIGIT))
    width = -(-bits // passes)
    mask = unsigned(2**width - 1)
    for at in range(shift, shift + bits, max(width, 1)):
        tables = np.zeros((len(chunks), 2**width), unsigned)
        each(kernels.histogram, [(packed[c], unsigned(at), mask, t) for c, t in zip(chunks, tables, strict=True)])
        if tables.sum(0).max() == len(packed):
            continue  # all have the same digit
        ends = np.cumsum(tables.T, dtype=unsigned).reshape(2**width, len(chunks))
        starts = np.ascontiguousarray(ends.T - tables)
        each(kernels.scatter, [(packed[c], unsigned(at), mask, s, spare) for c, s in zip(chunks, starts, strict=True)])
        packed, spare = spare, packed
    return packed, spare


def _runs(ordered, bits, packed, mask, low, ranks, chunks):
    """Fill `ranks`, and find the runs of equal keys; a chunk knows the key before it, and how many runs came before."""
    before = [ordered[c.start - 1] >> unsigned(bits) if c.start else ~(ordered[0] >> unsigned(bits)) for c in chunks]
    heads = each(kernels.heads, [(ordered[c], unsigned(bits), b) for c, b in zip(chunks, before, strict=True)])
    firsts = _offsets(heads)
    keys, starts = np.empty(int(firsts[-1]), np.int64), np.empty(int(firsts[-1]) + 1, np.int64)
    starts[-1] = len(ordered)
    jobs = [
        (ordered[c], unsigned(bits), packed[c], mask, low, b, unsigned(c.start), first, keys, starts, ranks)
        for c, b, first in zip(chunks, before, firsts[:-1], strict=True)
    ]
    each(kernels.emit, jobs)
    kernels.widths(starts)
    return Counted(keys, starts[:-1], ranks)


def _between(keys_a, keys_b, parts):
    """Slices of both runs that can be merged on their own: cut at the same keys."""
    if len(keys_a) < len(keys_b):
        return [(a, b) for b, a in _between(keys_b, keys_a, parts)]
    slices = cut(len(keys_a), parts)
    edges = [0, *np.searchsorted(keys_b, keys_a[[a.start for a in slices[1:]]]).tolist(), len(keys_b)]
    return [(a, slice(*edge)) for a, edge in zip(slices, pairwise(edges), strict=True)]


def _offsets(sizes):
    """Where each part starts, and where the last one ends."""
    return np.cumsum(np.array([0, *sizes], unsigned))
