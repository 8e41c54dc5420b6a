"""The definition of `recall` and `touched` in NumPy; see `operation.py` for what they mean."""

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels.recall.store import LARGEST, LIMIT, UNIT, Store

Integers = NDArray[np.int64]


def contributions(store: Store, context: Integers, layer_weights: Integers) -> tuple[Integers, Integers]:
    """The postings of a context: targets and what each adds, in Q16; nearest token first, layer by layer, row order."""
    found: list[tuple[Integers, Integers]] = []
    reach = 0
    for distance, token in enumerate(context[: -store.window - 1 : -1].tolist(), 1):
        for layer, weight in enumerate(layer_weights.tolist()):
            targets, weights, scale = store.row(token, distance, layer)
            factor = scale * weight // UNIT
            reach += abs(factor) * LARGEST // 256 + 1
            found.append((targets, weights * factor // 256))
    if reach >= LIMIT:
        raise OverflowError
    empty = np.empty(0, np.int64)
    return np.concatenate([empty, *(row[0] for row in found)]), np.concatenate([empty, *(row[1] for row in found)])


def sums(store: Store, context: Integers, layer_weights: Integers) -> tuple[Integers, Integers]:
    """The distinct targets of a context in order of their first posting, and their sums."""
    targets, added = contributions(store, context, layer_weights)
    tokens, first, which = np.unique(targets, return_index=True, return_inverse=True)
    totals = np.zeros(len(tokens), np.int64)
    np.add.at(totals, which, added)
    order = np.argsort(first)
    return tokens[order], totals[order]


def scores(store: Store, context: Integers, layer_weights: Integers) -> Integers:
    """bias + sum of every token, int64 (V,)."""
    tokens, totals = sums(store, context, layer_weights)
    dense = store.bias.astype(np.int64)
    dense[tokens] += totals
    return dense


def recall(store: Store, context: Integers, layer_weights: Integers, k: int) -> tuple[Integers, NDArray[np.int32]]:
    """The k best tokens and their scores."""
    dense = scores(store, context, layer_weights)
    order = np.argsort(-dense, kind="stable")[:k]
    return order, dense[order].astype(np.int32)
