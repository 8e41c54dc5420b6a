"""The likelihood of the tokens of a text under the softmax of `recall`'s scores.

    ln p(b) = score(b) / 2¹⁶ − ln Z         Z = Σ over all tokens of exp (score / 2¹⁶)

The reference adds up all of Z.  On the processor it is read from what a context touches, since Σ exp bias is the same
everywhere and made once:

    Z = Σ exp bias  +  Σ over touched b of (exp (bias + sum) − exp bias)

On a GPU a block has all scores side by side and adds up their exponentials in float32, in an order of its own that is
always the same.  The three agree within 1e-6.
"""

import numpy as np
from numpy.typing import NDArray

from polyloom_kernels._cuda import Device, on_gpu
from polyloom_kernels.jit import Backend
from polyloom_kernels.recall import cuda, reference
from polyloom_kernels.recall.operation import Touched, checked_tokens, checked_weights, refuse, touched
from polyloom_kernels.recall.store import UNIT, Integers, Store

Floats = NDArray[np.float64]

BLOCK = 1024  # places that are judged at a time on the processor


def log_likelihood(
    store: Store,
    text: Integers,
    first: int = 0,
    last: int | None = None,
    layer_weights: Integers | None = None,
    backend: Backend = "auto",
) -> Floats:
    """ln p of the tokens first … last − 1 of a text, each given those before it, float64 (last − first,).

    `text` is int64 (T,) and 0 ≤ first ≤ last ≤ T; without `last` up to its end.  Raises ValueError as `recall` does.
    """
    end = len(text) if last is None else last
    if not 0 <= first <= end <= len(text):
        raise ValueError(f"Expected places from 0 to {len(text)} of a text, got {first} … {end}.")
    checked_tokens(store, text[max(0, first - store.window) : end])
    if on_gpu(backend):
        return _on_gpu(store, text, first, end, checked_weights(store, layer_weights))
    if backend == "reference":
        return _referred(store, text, first, end, checked_weights(store, layer_weights))
    found = [np.empty(0)]
    for start in range(first, end, BLOCK):
        stop = min(end, start + BLOCK)
        found.append(_judged(store, text[start:stop], touched(store, text, start, stop, layer_weights, backend)))
    return np.concatenate(found)


def log_normalisers(store: Store, seen: Touched) -> Floats:
    """ln Z of each place, float64 (n,); numbers are kept in range by the largest logit above zero."""
    place, n = seen.places, len(seen.starts) - 1
    bias = store.bias[seen.tokens] / UNIT
    logits = bias + seen.sums / UNIT
    top = np.zeros(n)
    np.maximum.at(top, place, logits)
    added = np.bincount(place, np.exp(logits - top[place]), n)
    taken = np.bincount(place, np.exp(bias - top[place]), n)
    return np.log(np.maximum(0.0, np.exp(-top) * store.mass - taken) + added) + top


def _judged(store: Store, targets: Integers, seen: Touched) -> Floats:
    logits, place = store.bias[targets], seen.places
    mine = seen.tokens == targets[place]
    logits[place[mine]] += seen.sums[mine]
    return logits / UNIT - log_normalisers(store, seen)


def _referred(store: Store, text: Integers, first: int, last: int, weights: Integers) -> Floats:
    found = np.empty(last - first)
    try:
        for at in range(first, last):
            logits = reference.scores(store, text[:at], weights) / UNIT
            top = logits.max()
            found[at - first] = logits[text[at]] - top - np.log(np.exp(logits - top).sum())
    except OverflowError:
        refuse()
    return found


def _on_gpu(store: Store, text: Integers, first: int, last: int, weights: Integers) -> Floats:
    machine, begin = Device(), max(0, first - store.window)
    ends: Integers = np.arange(first, last) - begin
    sides = (machine.array(side, "long long") for side in (np.maximum(0, ends - store.window), ends))
    words, wanted = machine.array(text[begin:last], "int"), machine.array(text[first:last], "int")
    placed, given = cuda.placed(machine, store), machine.array(weights, "long long")
    found, refused = cuda.judge(machine, placed, words, *sides, wanted=wanted, weights=given)
    return refuse() if machine.numpy(refused).any() else machine.numpy(found)
