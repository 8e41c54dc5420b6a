"""`recall` on a GPU: a store placed there once, and the best tokens of many contexts in one launch.

Contexts are pieces of one text: text[first[i] : last[i]], of which the window counts.  So many prompts are one array
after another, and every place of a text is a context too.
"""

import threading
from pathlib import Path
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from polyloom_kernels._cuda import Device
from polyloom_kernels._launch import Kernel, Machine
from polyloom_kernels.recall.store import NARROW, Store

SOURCE = Path(__file__).parent / "recall.cu"
MOST_BEST = 256  # the lists of the warps share the memory of a block with the scores
MOST_TILES = 32  # that a warp merges, one a lane
STATIC = 8 << 10  # bytes that a block keeps for the rest

CONTEXTS = ("const int*", "const long long*", "const long long*")  # text, first, last
STORE = ("const unsigned long long*", "const unsigned char*", "const int*", "int", "int", "int")  # as in `Placed`
RECALLS = (*CONTEXTS, "const long long*", *STORE, "int", "int", "long long*", "int*")
JUDGES = (*CONTEXTS, "const int*", "const long long*", *STORE, "int", "int*", "float*", "int*", "int*")
SETTLES = ("const int*", "const float*", "const int*", "const int*", "int", "int", "int", "double*")
NAMED = ("unsigned short", "unsigned")  # what names a target, by the size of the store
RECALL = {named: Kernel(SOURCE, "recall", RECALLS, (("TARGET", named),)) for named in NAMED}
SOFTMAX = {named: Kernel(SOURCE, "softmax", JUDGES, (("TARGET", named),)) for named in NAMED}
FINISH = Kernel(SOURCE, "finish", ("const long long*", "int", "int", "int*", "int*"), (("TARGET", NAMED[0]),))
SETTLE = Kernel(SOURCE, "settle", SETTLES, (("TARGET", NAMED[0]),))
KERNELS = (*RECALL.values(), *SOFTMAX.values(), FINISH, SETTLE)


class Placed(NamedTuple):
    """A store on a machine."""

    table: Any
    arena: Any
    bias: Any
    size: int
    window: int
    layers: int


def place(machine: Machine, store: Store) -> Placed:
    """Copy a store to a machine."""
    table, arena = machine.array(store.table, "unsigned long long"), machine.array(store.arena, "unsigned char")
    return Placed(table, arena, machine.array(store.bias, "int"), store.size, store.window, store.layers)


_PLACED: "WeakKeyDictionary[Store, dict[int, Placed]]" = WeakKeyDictionary()
_LOCK = threading.Lock()


def placed(machine: Device, store: Store) -> Placed:
    """A store on a GPU, copied there once for as long as it is used."""
    with _LOCK:
        on = _PLACED.setdefault(store, {})
        if machine.index not in on:
            on[machine.index] = place(machine, store)
        return on[machine.index]


def run(
    machine: Machine, store: Placed, text: Any, first: Any, last: Any, weights: Any, k: int
) -> tuple[Any, Any, Any]:
    """Tokens int32 (n, k), their scores in Q16 int32 (n, k), and why a context was refused, int32 (n,).

    `text` int32 (T,), `first` and `last` int64 (n,) and `weights` int64 (layers,) lie on the machine.  Refused is 0 for
    a context that was not, 1 if its sums might not fit, 2 if it has a token that the store does not have.
    1 ≤ k ≤ min(256, V).
    """
    contexts, threads = first.shape[0], _threads(store)
    lists = threads // 32 * k * 8
    tile, tiles = _tiles(machine, store, lists)
    best = machine.empty((contexts, tiles, k), "long long")
    refused = machine.empty((contexts,), "int")
    kernel = RECALL[_named(store)]
    machine.launch(
        kernel, (contexts, tiles), (threads,), text, first, last, weights, *store, tile, k, best, refused,
        shared=lists + tile * 4,
    )  # fmt: skip
    tokens, scores = machine.empty((contexts, k), "int"), machine.empty((contexts, k), "int")
    machine.launch(FINISH, (contexts,), (32,), best, tiles, k, tokens, scores, shared=k * 8)
    return tokens, scores, refused


def judge(
    machine: Machine, store: Placed, text: Any, first: Any, last: Any, wanted: Any, weights: Any
) -> tuple[Any, Any]:
    """The log-likelihood of a token after each context, float64 (n,), and why a context was refused, as in `run`.

    `wanted` int32 (n,) are the tokens; of one that the store does not have it is zero.
    """
    contexts, threads = first.shape[0], _threads(store)
    tile, tiles = _tiles(machine, store, 0)
    highest, total = machine.empty((contexts, tiles), "int"), machine.empty((contexts, tiles), "float")
    found, refused = machine.empty((contexts,), "int"), machine.empty((contexts,), "int")
    machine.launch(
        SOFTMAX[_named(store)], (contexts, tiles), (threads,), text, first, last, wanted, weights, *store, tile,
        highest, total, found, refused, shared=tile * 4,
    )  # fmt: skip
    likelihood = machine.empty((contexts,), "double")
    grid = (-(-contexts // 256),)
    machine.launch(SETTLE, grid, (256,), highest, total, found, wanted, store.size, contexts, tiles, likelihood)
    return likelihood, refused


def _named(store: Placed) -> str:
    return NAMED[store.size > NARROW]


def _threads(store: Placed) -> int:
    """Such that a thread has 32 to 64 of the scores, up to those of a full block."""
    return min(1024, max(64, store.size // 1024 * 32))


def _tiles(machine: Machine, store: Placed, taken: int) -> tuple[int, int]:
    """How many scores a block holds beside `taken` bytes, and how many such blocks a context has."""
    tile = min(store.size, (machine.most_shared - STATIC - taken) // 4)
    tiles = -(-store.size // tile)
    if tiles > MOST_TILES:
        raise ValueError(f"A store on a GPU has at most {MOST_TILES * tile:,} tokens, got {store.size:,}.")
    return tile, tiles
