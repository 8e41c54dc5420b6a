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

RECALL = {
    target: Kernel(
        SOURCE,
        "recall",
        (
            *("const int*", "const long long*", "const long long*", "int", "int", "const long long*"),
            *("const unsigned long long*", "const unsigned char*", "const int*", "int", "int", "int"),
            *("long long*", "int*"),
        ),
        (("TARGET", target),),
    )
    for target in ("unsigned short", "unsigned")
}
FINISH = Kernel(SOURCE, "finish", ("const long long*", "int", "int", "int*", "int*"), (("TARGET", "unsigned short"),))
KERNELS = (*RECALL.values(), FINISH)


class Placed(NamedTuple):
    """A store on a machine."""

    table: Any
    arena: Any
    bias: Any
    window: int
    layers: int
    size: int


def place(machine: Machine, store: Store) -> Placed:
    """Copy a store to a machine."""
    table, arena = machine.array(store.table, "unsigned long long"), machine.array(store.arena, "unsigned char")
    return Placed(table, arena, machine.array(store.bias, "int"), store.window, store.layers, store.size)


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
    contexts = first.shape[0]
    threads = min(1024, max(64, store.size // 1024 * 32))  # a lane owns 32 to 64 scores
    lists = threads // 32 * k * 8
    tile = min(store.size, (machine.most_shared - STATIC - lists) // 4)
    tiles = -(-store.size // tile)
    if tiles > MOST_TILES:
        raise ValueError(f"A store on a GPU has at most {MOST_TILES * tile:,} tokens, got {store.size:,}.")
    best = machine.empty((contexts, tiles, k), "long long")
    refused = machine.empty((contexts,), "int")
    kernel = RECALL["unsigned short" if store.size <= NARROW else "unsigned"]
    machine.launch(
        kernel, (contexts, tiles), (threads,), text, first, last, store.window, store.layers,
        weights, store.table, store.arena, store.bias, store.size, tile, k, best, refused,
        shared=lists + tile * 4,
    )  # fmt: skip
    tokens, scores = machine.empty((contexts, k), "int"), machine.empty((contexts, k), "int")
    machine.launch(FINISH, (contexts,), (32,), best, tiles, k, tokens, scores, shared=k * 8)
    return tokens, scores, refused
