"""Several ways to go on from one place, judged together: what an association model gives each token of each way.

    ways int64 (n, L)     →     ln p(ways[i, j] | text, ways[i, :j]),  float64 (n, L)

The counts look back a few tokens, so a way needs no more of the text than its end.  The history looks back over all of
it, but what the ways share is tallied once: every context gets a number, the same for the same last tokens, over the
text and all ways.  How often it came in the text is then a look into a table, and what a way adds by itself is a
comparison of its few places with each other.
"""

from typing import TYPE_CHECKING

import numpy as np

from polyloom.association.text import Text
from polyloom.documents import Ids
from polyloom.model import Floats
from polyloom_kernels.history import Memory, Remembered
from polyloom_kernels.mixture import chances

if TYPE_CHECKING:
    from polyloom.association.model import AssociationModel

AT_ONCE = 2**16  # places that are judged together


def judged_ways(model: "AssociationModel", text: Ids, ways: Ids) -> Floats:
    """ln p of each token of ways (n, L) after a text (T,), float64 (n, L)."""
    found, size = np.empty(ways.shape), max(1, AT_ONCE // max(1, ways.shape[1]))
    for start in range(0, len(ways), size):
        some = ways[start : start + size]
        counted = chances(model.store, _seen(model, text, some), some.ravel())
        heard = None if model.memory is None else branched(text, some, model.memory)
        found[start : start + size] = model.weighed(*model.heard(some.ravel(), counted, heard)).reshape(some.shape)
    return found


def branched(text: Ids, ways: Ids, memory: Memory) -> Remembered:
    """What `judged` counts in a text and one way together, at the places of the way; all ways end to end, (n · L)."""
    tallies: list[tuple[Ids, Ids, Ids]] = []
    agree, length = np.zeros(len(text) + ways.size, np.int64), 0
    for order in memory.orders:
        while length < order:  # the number of the last `length` tokens of each place
            length += 1
            agree = _numbered(agree, _older(text, ways, length))
        tallies.append(_tallied(agree, order, text, ways))
    counts, totals, kinds = (np.stack(part).reshape(len(tallies), -1) for part in zip(*tallies, strict=True))
    return Remembered(counts, totals, kinds, *_recent(text, ways, memory))


def _seen(model: "AssociationModel", text: Ids, ways: Ids) -> Ids:
    """What each level looks at from each place of the ways, int64 (levels, n · L)."""
    tail = text[max(0, len(text) - model.reach) :]
    rows = np.concatenate([np.broadcast_to(tail, (len(ways), len(tail))), ways], axis=1)
    seen = model.looked(Text(rows.ravel(), np.arange(len(ways)) * rows.shape[1]))[:, :-1]
    return seen.reshape(len(seen), *rows.shape)[:, :, len(tail) :].reshape(len(seen), -1)


def _older(text: Ids, ways: Ids, back: int) -> Ids:
    """The token so far back from each place of the text, then from each place of each way; −1 before the start."""
    padded = np.concatenate([np.full(back, -1), text])
    tails = np.broadcast_to(padded[len(text) :], (len(ways), back))
    behind = np.concatenate([tails, ways], axis=1)[:, : ways.shape[1]]
    return np.concatenate([padded[: len(text)], behind.ravel()])


def _numbered(major: Ids, minor: Ids) -> Ids:
    """Equal numbers, from 0, for equal pairs."""
    return np.unique(major * (int(minor.max(initial=0)) + 2) + minor + 1, return_inverse=True)[1].astype(np.int64)


def _tallied(agree: Ids, order: int, text: Ids, ways: Ids) -> tuple[Ids, Ids, Ids]:
    """At each place of the ways, (n, L): how often its context came with its token, at all, with how many tokens."""
    size, pairs = len(text), _numbered(agree, np.concatenate([text, ways.ravel()]))
    held, with_token = agree[min(order, size) : size], pairs[min(order, size) : size]  # before, there is no context
    new = held[np.unique(with_token, return_index=True)[1]]  # the context of each different pair
    here, pair = agree[size:].reshape(ways.shape), pairs[size:].reshape(ways.shape)
    counts = np.bincount(with_token, minlength=int(pairs.max()) + 1)[pair]
    totals, kinds = (np.bincount(contexts, minlength=int(agree.max()) + 1)[here] for contexts in (held, new))
    first = max(0, order - size)
    counts[:, :first] = totals[:, :first] = kinds[:, :first] = 0
    for at in range(first, ways.shape[1]):
        for earlier in range(first, at):  # of the same way
            same = here[:, earlier] == here[:, at]
            totals[:, at] += same
            kinds[:, at] += same & (counts[:, earlier] == 0)  # it was new there
            counts[:, at] += same & (pair[:, earlier] == pair[:, at])
    return counts, totals, kinds


def _recent(text: Ids, ways: Ids, memory: Memory) -> tuple[Floats, Floats]:
    """The weight of each token of the ways among the recent ones, and of them all, float64 (n · L) each."""
    weight, mass = np.zeros(ways.shape), np.zeros(ways.shape)
    fades = memory.weights()
    size, kinds = len(text), int(max(text.max(initial=0), ways.max(initial=0))) + 1
    for at in range(ways.shape[1]):
        now = (size + at) // memory.bucket
        ages = now - np.arange(size + at) // memory.bucket
        worth = np.where(ages < memory.buckets, fades[np.minimum(ages, memory.buckets - 1)], 0.0)
        weight[:, at] = np.bincount(text, worth[:size], kinds)[ways[:, at]]
        for earlier in range(at):
            weight[:, at] += worth[size + earlier] * (ways[:, earlier] == ways[:, at])
        mass[:, at] = worth.sum()
    return weight.ravel(), mass.ravel()
