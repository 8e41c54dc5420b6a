"""The definition of `history` in NumPy: a whole text at once by sorting, or one place by looking back."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.history.memory import Memory

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Remembered(NamedTuple):
    """At each of T places, before its token: int64 (orders, T) and, of the recent tokens, float64 (T,)."""

    counts: Integers  # how often it was this token
    totals: Integers  # how many earlier places agree
    kinds: Integers  # how many different tokens came next there
    recent: Floats  # the weight of this token among the recent ones
    mass: Floats  # the weight of all recent ones


class Spoken(NamedTuple):
    """At one place: for each order the tokens that came next and how often; the recent tokens with their weights."""

    rows: tuple[tuple[Integers, Integers], ...]
    recent: tuple[Integers, Floats]
    mass: float


def judged(tokens: Integers, memory: Memory) -> Remembered:
    """The counts of every token of a text, int64 (T,), at its own place."""
    size = len(tokens)
    counts, totals, kinds = (np.zeros((len(memory.orders), size), np.int64) for _ in range(3))
    agree, length = np.zeros(size, np.int64), 0
    for n, order in enumerate(memory.orders):
        if order >= size:  # and so are those that follow
            break
        while length < order:  # the rank of the last `length` tokens of each place
            length += 1
            older = np.concatenate([np.full(min(length, size), -1), tokens[: max(0, size - length)]])
            agree = _ranks(agree, older)
        here = slice(order, size)  # earlier places have no such context
        counts[n, here], totals[n, here], kinds[n, here] = _tally(agree[here], tokens[here])
    return Remembered(counts, totals, kinds, *_recent(tokens, memory))


def likely(heard: Remembered, memory: Memory, unigram: Floats) -> Floats:
    """p of each token by the recent ones, then by each order, float64 (1 + orders, T), given `unigram` (T,) of each.

    The recent ones give cache(y) = (recent(y) + prior · unigram(y)) / (mass + prior), an order gives
    max(c(y) − d, 0) / Σ c + d · kinds / Σ c · cache(y).
    """
    cache = (heard.recent + memory.prior * unigram) / (heard.mass + memory.prior)
    safe = np.maximum(heard.totals, 1)
    seen = np.maximum(heard.counts - memory.discount, 0.0) + memory.discount * heard.kinds * cache
    return np.concatenate([cache[None], np.where(heard.totals > 0, seen / safe, cache)])


def spoken(tokens: Integers, memory: Memory) -> Spoken:
    """What the text so far says about the token after its last one."""
    rows = [np.unique(tokens[_matches(tokens, order) + 1], return_counts=True) for order in memory.orders]
    size = len(tokens)
    first = max(0, size // memory.bucket - memory.buckets + 1) * memory.bucket
    age = size // memory.bucket - np.arange(first, size) // memory.bucket
    recent, which = np.unique(tokens[first:], return_inverse=True)
    weights = np.bincount(which, memory.weights()[age], len(recent)).astype(np.float64)
    return Spoken(tuple(rows), (recent, weights), float(memory.weights()[age].sum()))


def _matches(tokens: Integers, order: int) -> Integers:
    """Earlier places whose last `order` tokens are those of the text."""
    size = len(tokens)
    if size < order:
        return np.empty(0, np.int64)
    at = np.flatnonzero(tokens[:-1] == tokens[-1])
    at = at[at >= order - 1]
    for back in range(1, order):
        at = at[tokens[at - back] == tokens[size - 1 - back]]
    return at


def _ranks(major: Integers, minor: Integers) -> Integers:
    """Equal ranks for equal pairs."""
    return np.unique(major * (minor.max(initial=0) + 2) + minor + 1, return_inverse=True)[1].astype(np.int64)


def _tally(context: Integers, tokens: Integers) -> tuple[Integers, Integers, Integers]:
    """Before each place: how often its context came with its token, at all, and with how many different tokens."""
    pair = _ranks(context, tokens)
    counts, totals = _before(pair), _before(context)
    order = np.argsort(context, kind="stable")
    new = (counts == 0)[order].astype(np.int64)
    running = np.cumsum(new) - new
    first = totals[order] == 0
    base = np.maximum.accumulate(np.where(first, running, 0))
    kinds = np.empty(len(tokens), np.int64)
    kinds[order] = running - base
    return counts, totals, kinds


def _before(keys: Integers) -> Integers:
    """How many earlier places have the same key."""
    order = np.argsort(keys, kind="stable")
    ordered, at = keys[order], np.arange(len(keys))
    first = np.ones(len(keys), np.bool_)
    first[1:] = ordered[1:] != ordered[:-1]
    found = np.empty(len(keys), np.int64)
    found[order] = at - np.maximum.accumulate(np.where(first, at, 0))
    return found


def _recent(tokens: Integers, memory: Memory) -> tuple[Floats, Floats]:
    """The weight of each token among the recent ones, and of them all, bucket after bucket."""
    size, kinds = len(tokens), int(tokens.max(initial=0)) + 1
    weight, mass = np.zeros(size), np.zeros(size)
    older = np.zeros((min(memory.buckets - 1, size // memory.bucket), kinds))  # the newest first
    fades = memory.weights()[1 : 1 + len(older)]
    for start in range(0, size, memory.bucket):
        here = tokens[start : start + memory.bucket]
        faded = fades @ older
        weight[start : start + len(here)] = faded[here] + _before(here)
        mass[start : start + len(here)] = faded.sum() + np.arange(len(here))
        older[1:] = older[:-1]
        older[:1] = np.bincount(here, minlength=kinds)
    return weight, mass
