"""The sum of sparse rows over a context and over layers: its k best tokens, or all that it touches.

    row(token, distance, layer)     targets b with weights q_b of 1 … 127, and one scale s in Q24
    factor   = ⌊s · λ(layer) / 2¹⁶⌋                                 λ in Q16: 65,536 is a layer at full weight
    sum(b)   = Σ_distance Σ_layer ⌊factor · q_b / 2⁸⌋               over the context, Q16
    score(b) = bias(b) + sum(b)                                     Q16: 65,536 is one nat

`distance` is 1 for the newest token of a context; tokens further back than the window do not count.  Divisions round
down.  The sums are integers, so their order never matters and every back end gives the same bits.  A token is *touched*
if a row of the context lists it, whatever its sum; the others have their bias and still compete.

On a GPU (`recall.cu`) a store is placed once, and contexts are asked many at a time: 25 KB from memory for each, with
32 tokens, 4 layers and full rows.  There "auto" never goes by itself, because a store is made of NumPy's arrays.
"""

import threading
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom_kernels import threads
from polyloom_kernels._cuda import Device, on_gpu
from polyloom_kernels.jit import Backend, Compiled
from polyloom_kernels.recall import cuda, reference
from polyloom_kernels.recall.store import LIMIT, UNIT, Integers, Store

FEW = 256  # up to so many best tokens are kept in a short sorted list; more are sorted out of all scores
HEAVIEST = 1 << 15  # a layer weight

COMPILED = Compiled("polyloom_kernels.recall.cpu", cuda=True)


class Recalled(NamedTuple):
    """The best tokens, int64 (k,), best first, ties by smaller id; their scores in Q16, int32 (k,).

    Of many contexts both are (n, k).
    """

    tokens: Integers
    scores: NDArray[np.int32]


class Touched(NamedTuple):
    """What each place touches: tokens[starts[i] : starts[i + 1]] at place i, with their sums in Q16.

    `starts` int64 (n + 1,), `tokens` int64, in the order in which a place first meets them (nearest row first), `sums`
    int32.
    """

    starts: Integers
    tokens: Integers
    sums: NDArray[np.int32]

    @property
    def places(self) -> Integers:
        """The place of each, counted from zero."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def fixed(layer_weights: ArrayLike) -> Integers:
    """Layer weights in Q16, int64 (layers,), from floats; ValueError if one is not finite or not within ±32,768."""
    given = np.asarray(layer_weights, np.float64)
    if given.ndim != 1 or not (np.abs(given) < HEAVIEST).all():
        raise ValueError(f"Expected a row of layer weights within ±{HEAVIEST:,}, got {layer_weights!r}.")
    return np.rint(given * UNIT).astype(np.int64)


def recall(
    store: Store, context: Integers, k: int = 10, layer_weights: Integers | None = None, backend: Backend = "auto"
) -> Recalled:
    """The k best tokens after `context`, int64 (n,), newest last; fewer if there are fewer tokens.

    `layer_weights` come from `fixed`; without them every layer has weight one.  Raises ValueError for a token that the
    store does not have, for weights that are not one for each layer, and for sums that might not fit.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}.")
    k, recent, given = min(k, store.size), context[-store.window :], checked_weights(store, layer_weights)
    if on_gpu(backend):
        return Recalled(*(each[0] for each in _on_gpu(store, recent[None], k, given)))
    compiled = COMPILED.chosen(backend)
    if compiled is None:
        return _referred(store, recent, given, k)
    if k > FEW:
        return _sorted(store, touched(store, context, len(context), len(context) + 1, given, backend), k)
    checked_tokens(store, recent)
    room = _ROOM.enough(store)
    length = len(recent)
    room.context[:length] = recent
    found = Recalled(np.empty(k, np.int64), np.empty(k, np.int32))
    used = compiled.recall(
        room.context, length, store.window, room.take(given), store.table, store.targets, store.weights, store.bias,
        store.by_bias, *room.rows, room.total, room.touched, np.empty(k, np.int64), *found,
    )  # fmt: skip
    return found if used >= 0 else refuse()


def recall_many(
    store: Store, contexts: Integers, k: int = 10, layer_weights: Integers | None = None, backend: Backend = "auto"
) -> Recalled:
    """The k best tokens after each of n contexts of the same length, int64 (n, length), newest last; n may be zero.

    Raises as `recall` does.
    """
    if contexts.ndim != 2:
        raise ValueError(f"Expected contexts of shape (n, length), got {contexts.shape}.")
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}.")
    if on_gpu(backend):
        return _on_gpu(store, contexts[:, -store.window :], min(k, store.size), checked_weights(store, layer_weights))
    shape = len(contexts), min(k, store.size)
    found = Recalled(np.empty(shape, np.int64), np.empty(shape, np.int32))

    def some(part: slice) -> None:
        for at in range(part.start, part.stop):
            found.tokens[at], found.scores[at] = recall(store, contexts[at], k, layer_weights, backend)

    threads.each(some, ((part,) for part in threads.cut(len(contexts), threads.cores())))
    return found


def touched(
    store: Store,
    text: Integers,
    first: int,
    last: int,
    layer_weights: Integers | None = None,
    backend: Backend = "auto",
) -> Touched:
    """What the places first … last − 1 of a text touch; the context of a place are the tokens before it.

    `text` is int64 (T,) and 0 ≤ first ≤ last ≤ T + 1.  Raises ValueError as `recall` does.
    """
    if backend == "cuda":
        raise ValueError("The sums of whole texts have no CUDA kernel; take backend='cpu'.")
    if not 0 <= first <= last <= len(text) + 1:
        raise ValueError(f"Expected places from 0 to {len(text) + 1} of a text, got {first} … {last}.")
    given = checked_weights(store, layer_weights)
    begin = max(0, first - store.window)
    seen = np.array(text[begin : max(begin, last - 1)], np.int64)
    checked_tokens(store, seen)
    compiled = COMPILED.chosen(backend)
    if compiled is None:
        return _touched(store, seen, first - begin, last - begin, given)
    room = _ROOM.enough(store)
    most = (last - first) * min(store.size, store.window * store.layers * store.longest) + 1  # one spare, as below
    found = Touched(np.empty(last - first + 1, np.int64), np.empty(most, np.int64), np.empty(most, np.int32))
    used = compiled.touched(
        seen, first - begin, last - begin, store.window, room.take(given), store.table, store.targets, store.weights,
        *room.rows, room.total, *found,
    )  # fmt: skip
    return Touched(found.starts, found.tokens[:used], found.sums[:used]) if used >= 0 else refuse()


class _Room(threading.local):
    """Working memory of a thread, kept between calls: accumulators (zero), a context, its rows, what was touched."""

    def __init__(self) -> None:
        self.total = np.zeros(0, np.int32)
        self.touched = np.empty(1, np.uint32)  # one spare: a write that turns out not to be needed
        self.context = np.empty(0, np.int64)
        self.weights = np.empty(0, np.int64)
        self.rows: tuple[Integers, Integers, Integers] = (self.context, self.context, self.context)

    def enough(self, store: Store) -> "_Room":
        if len(self.total) < store.size:
            self.total, self.touched = np.zeros(store.size, np.int32), np.empty(store.size + 1, np.uint32)
        if len(self.context) < store.window:
            self.context = np.empty(store.window, np.int64)
        if len(self.rows[0]) < store.window * store.layers:
            at, length, factor = np.empty((3, store.window * store.layers), np.int64)
            self.rows = (at, length, factor)
        return self

    def take(self, layer_weights: Integers) -> Integers:
        """The weights as an array of the one kind that the compiled code reads: its own and writable."""
        if len(self.weights) != len(layer_weights):
            self.weights = np.empty(len(layer_weights), np.int64)
        self.weights[:] = layer_weights
        return self.weights


_ROOM = _Room()


def checked_weights(store: Store, layer_weights: Integers | None) -> Integers:
    """The weights, or ones; ValueError if there is not one for each layer."""
    if layer_weights is None:
        return store.ones
    if layer_weights.dtype != np.int64 or layer_weights.shape != (store.layers,):
        raise ValueError(
            f"Expected {store.layers} layer weights from `fixed`, got {layer_weights.dtype} {layer_weights.shape}."
        )
    return layer_weights


def checked_tokens(store: Store, tokens: NDArray[Any]) -> None:
    """Raise ValueError for a token that the store does not have."""
    if tokens.size and not (tokens.min() >= 0 and tokens.max() < store.size):
        raise ValueError(f"Tokens must be from 0 to {store.size - 1}, got {tokens.min()} … {tokens.max()}.")


def _on_gpu(store: Store, contexts: Integers, k: int, given: Integers) -> Recalled:
    if k > cuda.MOST_BEST:
        raise ValueError(f"On a GPU k may be at most {cuda.MOST_BEST}, got {k}.")
    checked_tokens(store, contexts)
    machine, ends = Device(), np.arange(len(contexts) + 1) * contexts.shape[1]
    first, last = (machine.array(side, "long long") for side in (ends[:-1], ends[1:]))
    text = machine.array(contexts.reshape(-1).astype(np.int32), "int")
    weights = machine.array(given, "long long")
    ours = cuda.run(machine, cuda.placed(machine, store), text, first, last, weights, k)
    tokens, scores, refused = (machine.numpy(each) for each in ours)
    return refuse() if refused.any() else Recalled(tokens.astype(np.int64), scores)


def _referred(store: Store, recent: Integers, given: Integers, k: int) -> Recalled:
    checked_tokens(store, recent)
    try:
        return Recalled(*reference.recall(store, recent, given, k))
    except OverflowError:
        return refuse()


def _touched(store: Store, seen: Integers, first: int, last: int, given: Integers) -> Touched:
    try:
        found = [reference.sums(store, seen[:place], given) for place in range(first, last)]
    except OverflowError:
        return refuse()
    starts = np.concatenate([[0], np.cumsum([len(tokens) for tokens, _ in found], dtype=np.int64)])
    empty = np.empty(0, np.int64)
    tokens, sums = (np.concatenate([empty, *(row[part] for row in found)]) for part in (0, 1))
    return Touched(starts, tokens, sums.astype(np.int32))


def _sorted(store: Store, found: Touched, k: int) -> Recalled:
    dense = store.bias.copy()
    dense[found.tokens] += found.sums
    order = np.argsort(-dense.astype(np.int64), kind="stable")[:k]
    return Recalled(order, dense[order])


def refuse() -> Any:
    """Raise ValueError for sums that might not fit."""
    raise ValueError(
        f"The sums might leave ±{LIMIT // UNIT:,} nats, where they no longer fit. Lower the layer weights."
    )
