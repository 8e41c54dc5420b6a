# pyright: basic
# The kernels are compiled by numba, which has no types for them.
"""`pairs` on the CPU: no key is made and nothing is sorted.

The places of each token are listed once.  Row (a, d) is then a gather and an add: for each place p of a, one more for
the token at p + d, in a table of V counters that stays in the cache.  Documents lie apart with a gap as wide as the
window, so that no pair needs to be asked where its document ends.

The tokens are cut into runs of about equal work.  Each run writes rows of its own, and the rows of all runs stand one
after another, wherever the cuts were.
"""

from itertools import pairwise

import numpy as np

from polyloom_kernels.count import pairs_kernels
from polyloom_kernels.count.pairs_reference import Pairs, target_type
from polyloom_kernels.jit import frozen
from polyloom_kernels.threads import each

KERNELS = pairs_kernels.KERNELS
SHARES = 4  # runs for each thread: whoever is done early takes another

unsigned = np.uint64


def pairs(tokens, starts, vocabulary_size, window, threads):
    """As the reference."""
    longest = int(np.diff(starts, append=len(tokens)).max(initial=0))
    span = max(0, min(window, longest - 1))
    stream = _laid_out(tokens, starts, span, vocabulary_size)
    begin, places = _inverted(stream, len(tokens), vocabulary_size)
    lengths = np.zeros((vocabulary_size, span), np.uint32)
    jobs = [
        (stream, begin[start : stop + 1], places, vocabulary_size, lengths[start:stop])
        for start, stop in pairwise(_edges(begin, SHARES * threads))
    ]
    targets, counts = zip(*each(_rows, jobs, threads), strict=True)
    widths = np.zeros((vocabulary_size, window), np.int64)
    widths[:, :span] = lengths
    return Pairs(np.append(0, np.cumsum(widths)), np.concatenate(targets), np.concatenate(counts))


def _laid_out(tokens, starts, gap, size):
    """The documents with `gap` places that hold `size` after each."""
    kind = target_type(size)
    stream = np.full(len(tokens) + gap * len(starts), size, kind)
    if len(stream) >= 2**32:
        raise ValueError(f"Expected fewer than 2^32 tokens and gaps between documents at once, got {len(stream)}.")
    given = frozen(np.ascontiguousarray(tokens, kind))
    pairs_kernels.lay_out(given, frozen(starts), unsigned(gap), stream)
    return stream


def _inverted(stream, length, size):
    """Where each token's places begin, uint64 (V + 1,), and all places, token by token."""
    begin = np.zeros(size + 1, unsigned)
    np.cumsum(np.bincount(stream, minlength=size)[:size], out=begin[1:])
    places = np.empty(length, np.uint32)
    pairs_kernels.invert(stream, begin[:-1].copy(), places)
    return begin, places


def _edges(begin, parts):
    """Where to cut the tokens, so that each run of them has about as many places."""
    cuts = np.searchsorted(begin, begin[-1] * np.arange(1, parts, dtype=unsigned) // unsigned(parts))
    return np.unique([0, *cuts.tolist(), len(begin) - 1]).tolist()


def _rows(stream, begin, places, size, lengths):
    """The targets and counts of some tokens' rows; what memory no row needed was never touched."""
    frequency = np.diff(begin).astype(np.int64)
    room = int(np.minimum(frequency, size).sum()) * lengths.shape[1] + 1  # a row has no more; one spare for the gap
    targets, counts = np.empty(room, stream.dtype), np.empty(room, np.uint32)
    used = pairs_kernels.sweep(stream, begin, places, unsigned(size), lengths, targets, counts)
    return targets[:used], counts[:used]
