# pyright: basic
# numba has no types for what it compiles.
"""The loops of `pairs` that numba compiles.  Indices and the constants beside them are unsigned, as in `kernels`."""

import numpy as np
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

compiled = njit(nogil=True, cache=True, boundscheck=False)
unsigned = np.uint64
ZERO, ONE, SIX, LOW = np.uint64(0), np.uint64(1), np.uint64(6), np.uint64(63)
NONE, ONCE = np.uint32(0), np.uint32(1)


@intrinsic
def lowest(_context, _word):
    """The number of the lowest bit that is set; the word is not zero."""

    def code(_context, builder, _signature, arguments):
        return builder.cttz(arguments[0], cgutils.true_bit)

    return types.uint64(types.uint64), code


@compiled
def lay_out(tokens, starts, gap, stream):
    """Copy the documents with `gap` places left as they are after each."""
    many, stop = unsigned(len(starts)), ZERO
    for document in range(many):
        start = unsigned(starts[document])
        stop = unsigned(starts[document + ONE]) if document + ONE < many else unsigned(len(tokens))
        for i in range(start, stop):
            stream[i + document * gap] = tokens[i]


@compiled
def invert(stream, cursor, places):
    """Put each token's places together, ascending: `cursor` says where a token's next place goes."""
    size = unsigned(len(cursor))
    for i in range(unsigned(len(stream))):
        token = unsigned(stream[i])
        if token < size:
            places[cursor[token]] = np.uint32(i)
            cursor[token] += ONE


@compiled
def tally(stream, places, first, stop, offset, seen, touched):
    """Count in `seen` what stands `offset` after some places, and list it once each; how many are listed."""
    used = ZERO
    for i in range(first, stop):
        target = unsigned(stream[unsigned(places[i]) + offset])
        before = seen[target]
        touched[used] = target  # without a branch: the next one takes the same place unless this one is new
        used += unsigned(before == NONE)
        seen[target] = before + ONCE
    return used


@compiled
def mark(touched, used, words, summary):
    """Set the bit of each listed target, and the bit of each word that has one."""
    for i in range(used):
        target = unsigned(touched[i])
        word = target >> SIX
        words[word] |= ONE << (target & LOW)
        summary[word >> SIX] |= ONE << (word & LOW)


@compiled
def drain(words, summary, seen, targets, counts, out):
    """Write the marked targets in order with their counts from `out` on, and clear all three; where it ended."""
    for i in range(unsigned(len(summary))):
        upper = summary[i]
        summary[i] = ZERO
        while upper != ZERO:
            word = (i << SIX) | lowest(upper)  # pyright: ignore[reportCallIssue] - the context is not given
            upper &= upper - ONE
            lower = words[word]
            words[word] = ZERO
            while lower != ZERO:
                target = (word << SIX) | lowest(lower)  # pyright: ignore[reportCallIssue] - as above
                lower &= lower - ONE
                targets[out] = target
                counts[out] = seen[target]
                seen[target] = NONE
                out += ONE
    return out


@compiled
def sweep(stream, begin, places, size, lengths, targets, counts):
    """Write the rows of some tokens one after another; how many entries they have.

    Token a has the places begin[a] : begin[a + 1]; lengths (tokens, offsets).  The gaps hold `size`, the largest
    target, which comes last in a row and is taken back.
    """
    seen, touched = np.zeros(size + ONE, np.uint32), np.empty(size + ONE + ONE, stream.dtype)
    words, summary = np.zeros((size >> SIX) + ONE, np.uint64), np.zeros((size >> (SIX + SIX)) + ONE, np.uint64)
    out = ZERO
    for a in range(unsigned(lengths.shape[0])):
        for column in range(unsigned(lengths.shape[1])):
            used = tally(stream, places, begin[a], begin[a + ONE], column + ONE, seen, touched)
            mark(touched, used, words, summary)
            start = out
            out = drain(words, summary, seen, targets, counts, out)
            out -= unsigned(out > start and unsigned(targets[out - ONE]) == size)
            lengths[a, column] = out - start
    return out


def _signatures(token):
    given, starts = f"Array({token}, 1, 'C', readonly=True)", "Array(int64, 1, 'C', readonly=True)"
    return (
        (lay_out, f"void({given}, {starts}, uint64, {token}[::1])"),
        (invert, f"void({token}[::1], uint64[::1], uint32[::1])"),
        (sweep, f"uint64({token}[::1], uint64[::1], uint32[::1], uint64, uint32[:, ::1], {token}[::1], uint32[::1])"),
    )


KERNELS = (*_signatures("uint16"), *_signatures("uint32"))
