# pyright: basic
# numba has no types for what it compiles.
"""The loops of `count` and `merge` that numba compiles: each reads one chunk and writes what no other chunk writes.

Indices are unsigned, so that numba need not think of negative ones, and so is every constant beside them: uint64 and
int64 together would make a float.  Signatures name read-only input, which also takes memory-mapped files.
"""

import numpy as np
from numba import njit

compiled = njit(nogil=True, cache=True, boundscheck=False)
unsigned = np.uint64
ZERO, ONE = np.uint64(0), np.uint64(1)


@compiled
def pack_places(keys, low, bits, mask, place, out):
    """out[i] = (keys[i] − low) · 2^bits + place + i, the place within `mask`; bits over 64 are lost at the top."""
    for i in range(unsigned(len(keys))):
        out[i] = ((unsigned(keys[i]) - low) << bits) | ((place + i) & mask)


@compiled
def repack(keys, low, done, bits, mask, packed):
    """The same for keys in the order that `packed` holds, without their lower `done` bits; in place."""
    for i in range(unsigned(len(packed))):
        place = packed[i] & mask
        packed[i] = (((unsigned(keys[place]) - low) >> done) << bits) | place


@compiled
def gather(keys, low, mask, packed, out):
    """out[i] = keys[place of packed[i]] − low."""
    for i in range(unsigned(len(packed))):
        out[i] = unsigned(keys[packed[i] & mask]) - low


@compiled
def histogram(packed, shift, mask, table):
    """table[d] += how many have the digit d."""
    for i in range(unsigned(len(packed))):
        table[(packed[i] >> shift) & mask] += ONE


@compiled
def scatter(packed, shift, mask, at, out):
    """Move each to where its digit comes next, and at[digit] onwards; equal digits stay in order."""
    for i in range(unsigned(len(packed))):
        value = packed[i]
        digit = (value >> shift) & mask
        to = at[digit]
        out[to] = value
        at[digit] = to + ONE


@compiled
def heads(ordered, bits, previous):
    """How many keys differ from the one before them; `previous` is the one before the chunk."""
    found = ZERO
    for i in range(unsigned(len(ordered))):
        key = ordered[i] >> bits
        found += unsigned(key != previous)
        previous = key
    return found


@compiled
def emit(ordered, bits, places, mask, low, previous, first, rank, keys, starts, ranks):
    """Write each distinct key and where it starts from `rank` on, and to each place its rank if `ranks` is not empty.

    `first` is where the chunk starts in the whole.
    """
    for i in range(unsigned(len(ordered))):
        key = ordered[i] >> bits
        if key != previous:
            keys[rank] = np.int64(key + low)
            starts[rank] = np.int64(first + i)
            rank += ONE
            previous = key
        if unsigned(len(ranks)) > ZERO:
            ranks[places[i] & mask] = np.int64(rank - ONE)


@compiled
def widths(starts):
    """How far it is from each start to the next, in place; the last stays."""
    for i in range(unsigned(len(starts)) - ONE):
        starts[i] = starts[i + ONE] - starts[i]


@compiled
def union(keys_a, keys_b):
    """How many distinct keys two sorted runs have together."""
    i, j, common = ZERO, ZERO, ZERO
    many_a, many_b = unsigned(len(keys_a)), unsigned(len(keys_b))
    while i < many_a and j < many_b:
        a, b = keys_a[i], keys_b[j]
        common += unsigned(a == b)
        i += unsigned(a <= b)
        j += unsigned(b <= a)
    return many_a + many_b - common


@compiled
def add_runs(keys_a, counts_a, keys_b, counts_b, first, keys, counts, ranks_a, ranks_b):
    """Merge two runs into `keys` and `counts` from `first` on; without a branch but for the ends."""
    i, j, to = ZERO, ZERO, first
    many_a, many_b = unsigned(len(keys_a)), unsigned(len(keys_b))
    while i < many_a and j < many_b:
        a, b = keys_a[i], keys_b[j]
        keys[to] = min(a, b)
        counts[to] = np.int64(a <= b) * counts_a[i] + np.int64(b <= a) * counts_b[j]
        ranks_a[i] = ranks_b[j] = np.int64(to)  # that of the larger key is written again when its turn comes
        i += unsigned(a <= b)
        j += unsigned(b <= a)
        to += ONE
    while i < many_a:
        keys[to], counts[to], ranks_a[i] = keys_a[i], counts_a[i], np.int64(to)
        i += ONE
        to += ONE
    while j < many_b:
        keys[to], counts[to], ranks_b[j] = keys_b[j], counts_b[j], np.int64(to)
        j += ONE
        to += ONE


GIVEN, OUT, PACKED = "Array(int64, 1, 'C', readonly=True)", "int64[::1]", "uint64[::1]"
KERNELS = (
    (pack_places, f"void({GIVEN}, uint64, uint64, uint64, uint64, {PACKED})"),
    (repack, f"void({GIVEN}, uint64, uint64, uint64, uint64, {PACKED})"),
    (gather, f"void({GIVEN}, uint64, uint64, {PACKED}, {PACKED})"),
    (histogram, f"void({PACKED}, uint64, uint64, {PACKED})"),
    (scatter, f"void({PACKED}, uint64, uint64, {PACKED}, {PACKED})"),
    (heads, f"uint64({PACKED}, uint64, uint64)"),
    (emit, f"void({PACKED}, uint64, {PACKED}, uint64, uint64, uint64, uint64, uint64, {OUT}, {OUT}, {OUT})"),
    (widths, f"void({OUT})"),
    (union, f"uint64({GIVEN}, {GIVEN})"),
    (add_runs, f"void({GIVEN}, {GIVEN}, {GIVEN}, {GIVEN}, uint64, {OUT}, {OUT}, {OUT}, {OUT})"),
)
