"""`count`, `merge` and `pairs` on a GPU.

Bytes a key of `count`, of words of w bytes: 16 + w for its bounds and its word, 3 w for each pass of up to 8 bits, 2 w
for the runs, and 8 for its rank: 144 for keys of 30 bits with ranks, 76 without, where a sort of 64-bit keys with
64-bit places moves 256 before anything is counted.  Bytes a key of `merge`: 24 read for it and 24 written, and what the
search in the other run takes, which stays in the caches.  A pair is a key that is counted without ranks.  The host
waits once for the bounds and once for the number of runs.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from polyloom_kernels._launch import Kernel, Machine

ROUNDS = 16  # words of a thread in a tile of `scatter`, as in the source
MOST = 2**31 - 1  # keys

COUNT, MERGE, PAIRS = (Path(__file__).with_name(f"{name}.cu") for name in ("count", "merge", "pairs"))
KEYS = "const long long*"
WIDE = (("WORD", "unsigned long long"),)
SPAN = Kernel(COUNT, "span", (KEYS, "long long", "long long*"), WIDE)
OFFSETS = Kernel(COUNT, "offsets", ("int*", "int", "int*"), WIDE)
WIDTHS = Kernel(COUNT, "widths", ("const int*", "int", "long long", "long long*"), WIDE)


class Words(NamedTuple):
    """The kernels that read words of one kind."""

    kind: str
    bits: int
    pack: Kernel
    histogram: Kernel
    scatter: Kernel
    heads: Kernel
    emit: Kernel

    @classmethod
    def of(cls, kind: str, bits: int) -> "Words":
        """The kernels compiled for it."""
        read, share = (f"const {kind}*", "long long", "long long"), ("int", "int")
        signatures = {
            "pack": (KEYS, "long long", "long long", "int", "int", "int", f"{kind}*"),
            "histogram": (*read, *share, "int*"),
            "scatter": (*read, *share, "const int*", "const int*", f"{kind}*"),
            "heads": (KEYS, *read, *share, "int*"),
            "emit": (KEYS, *read, *share, "long long", "const int*", "long long*", "int*", "long long*"),
        }
        kernels = [Kernel(COUNT, name, signature, (("WORD", kind),)) for name, signature in signatures.items()]
        return cls(kind, bits, *kernels)


WORDS = Words.of("unsigned", 32), Words.of("unsigned long long", 64)
MEET = Kernel(MERGE, "meet", (KEYS, "int", KEYS, "int", "long long", "int*", "int*"))
SETTLE = Kernel(
    MERGE,
    "settle",
    (KEYS, KEYS, "int", KEYS, KEYS, "int", "long long", "const int*", "const int*", *["long long*"] * 3),
)
JOIN = Kernel(
    MERGE,
    "join",
    (KEYS, "int", KEYS, KEYS, "int", "const int*", KEYS, "int", *["long long*"] * 3),
)
TARGETS = {
    target: Kernel(
        PAIRS,
        "pair_targets",
        (KEYS, KEYS, "int", "int", f"{target}*", "unsigned*"),
        (("TARGET", target),),
    )
    for target in ("unsigned short", "unsigned")
}
NARROW = TARGETS["unsigned short"].macros
PAIR_KEYS = Kernel(PAIRS, "pair_keys", ("const int*", "int", KEYS, *["int"] * 3, "long long", "long long*"), NARROW)
PAIR_ROWS = Kernel(PAIRS, "pair_rows", (KEYS, *["int"] * 3, "long long*"), NARROW)
KERNELS = (
    *(SPAN, OFFSETS, WIDTHS),
    *(kernel for words in WORDS for kernel in (words.pack, words.histogram, words.scatter, words.heads, words.emit)),
    *(MEET, SETTLE, JOIN, *TARGETS.values(), PAIR_KEYS, PAIR_ROWS),
)


class Cut(NamedTuple):
    """How work is cut; the source allows no more threads and bits than these, and threads are whole warps."""

    threads: int = 256  # of a block
    blocks: int = 8  # at most, for each multiprocessor
    digit: int = 8  # bits of a pass, at most

    def shared(self, machine: Machine, size: int, rounds: int = 1) -> tuple[int, int]:
        """How many neighbours a block takes, whole tiles of them, and how many blocks there are."""
        tiles = -(-size // (self.threads * rounds))
        share = self.threads * rounds * max(1, -(-tiles // (self.blocks * machine.processors)))
        return share, -(-size // share)


USUAL = Cut()


def count(machine: Machine, keys: Any, ranks: bool, cut: Cut = USUAL) -> tuple[Any, ...]:
    """Distinct keys, counts and ranks of int64 keys (N,), as of the reference; N is at most 2³¹ − 1."""
    (size,) = keys.shape
    if not size:
        return tuple(machine.empty((0,), "long long") for _ in range(3))
    low, bits = _span(machine, keys, cut)
    places = (size - 1).bit_length() if ranks else 0
    words = WORDS[bits + places > WORDS[0].bits]
    room = words.bits - places
    packed, spare = (machine.empty((size,), words.kind) for _ in range(2))
    for done in range(0, max(bits, 1), room):
        given = (size, low, done, places, int(done > 0), packed)
        machine.launch(words.pack, (-(-size // cut.threads),), (cut.threads,), keys, *given)
        for shift, width in _digits(min(bits - done, room), cut.digit):
            _pass(machine, words, packed, spare, places + shift, 2**width, cut)
            packed, spare = spare, packed
    return _runs(machine, words, keys, packed, places, int(bits > room), low, ranks, cut)


def merge(
    machine: Machine, keys_a: Any, counts_a: Any, keys_b: Any, counts_b: Any, cut: Cut = USUAL
) -> tuple[Any, ...]:
    """Keys, counts, ranks_a and ranks_b of two runs of int64, as of the reference; at most 2³¹ − 1 keys in all."""
    (size_a,), (size_b,) = keys_a.shape, keys_b.shape
    (share, blocks), threads = cut.shared(machine, size_a), (cut.threads,)
    below, found, total = (machine.empty((size,), "int") for size in (size_a, blocks, 1))
    machine.launch(MEET, (blocks,), threads, keys_a, size_a, keys_b, size_b, share, below, found)
    machine.launch(OFFSETS, (1,), threads, found, blocks, total)
    common = _told(machine, total, min(size_a, size_b))
    out = [machine.empty((size_a + size_b - common,), "long long") for _ in range(2)]
    ranks_a, ranks_b = machine.empty((size_a,), "long long"), machine.empty((size_b,), "long long")
    runs = (keys_a, counts_a, size_a, keys_b, counts_b, size_b)
    machine.launch(SETTLE, (blocks,), threads, *runs, share, below, found, *out, ranks_a)
    given = (keys_a, size_a, keys_b, counts_b, size_b, below, ranks_a, common)
    machine.launch(JOIN, (-(-size_b // cut.threads),), threads, *given, *out, ranks_b)
    return *out, ranks_a, ranks_b


def pairs(
    machine: Machine, tokens: Any, starts: Any, size: int, window: int, number: int, cut: Cut = USUAL
) -> tuple[Any, ...]:
    """Starts, targets and counts of the rows of int tokens (N,) below `size`, as of the reference.

    `starts` int64 (D,) is where documents start; `number` how many pairs there are; N · window is at most 2³¹ − 1.
    """
    (length,), (documents,), threads = tokens.shape, starts.shape, (cut.threads,)
    rows, all_ = size * window, length * window
    keys = machine.empty((all_,), "long long")
    given = (tokens, length, starts, documents, size, window, rows * size, keys)
    machine.launch(PAIR_KEYS, (-(-all_ // cut.threads),), threads, *given)
    distinct, counts, _ = count(machine, keys, False, cut)
    runs = distinct.shape[0] - (number < all_)  # the last one is of those that are no pairs
    begins = machine.empty((rows + 1,), "long long")
    machine.launch(PAIR_ROWS, (rows // cut.threads + 1,), threads, distinct, runs, size, rows, begins)
    target = "unsigned short" if size < 2**16 else "unsigned"
    targets, often = machine.empty((runs,), target), machine.empty((runs,), "unsigned")
    machine.launch(TARGETS[target], (-(-runs // cut.threads),), threads, distinct, counts, runs, size, targets, often)
    return begins, targets, often


def _span(machine: Machine, keys: Any, cut: Cut) -> tuple[int, int]:
    """The least key, and how many bits the others are above it."""
    limits = np.iinfo(np.int64)
    bounds = machine.array(np.array([limits.max, limits.min]), "long long")
    (size,) = keys.shape
    _, blocks = cut.shared(machine, size)
    machine.launch(SPAN, (blocks,), (cut.threads,), keys, size, bounds)
    low, high = machine.numpy(bounds).tolist()
    return low, (high - low).bit_length()


def _told(machine: Machine, total: Any, most: int) -> int:
    """A number that was counted, before memory is asked for by it.  Raises RuntimeError if it cannot be."""
    counted = int(machine.numpy(total)[0])
    if not 0 <= counted <= most:
        raise RuntimeError(f"Expected a count of 0 … {most:,} keys, got {counted:,}: a kernel or the GPU is faulty.")
    return counted


def _digits(bits: int, digit: int) -> Sequence[tuple[int, int]]:
    """Where each digit begins and how wide it is, all about as wide."""
    passes = -(-bits // digit)
    edges = [bits * n // passes for n in range(passes + 1)] if passes else [0]
    return [(first, last - first) for first, last in pairwise(edges)]


def _pass(machine: Machine, words: Words, packed: Any, out: Any, shift: int, bins: int, cut: Cut) -> None:
    """One digit, from bit `shift` on."""
    (size,), threads = packed.shape, (cut.threads,)
    share, blocks = cut.shared(machine, size, ROUNDS)
    table, totals = machine.empty((bins, blocks), "int"), machine.empty((bins,), "int")
    machine.launch(words.histogram, (blocks,), threads, packed, size, share, shift, bins, table)
    machine.launch(OFFSETS, (bins,), threads, table, blocks, totals)
    machine.launch(words.scatter, (blocks,), threads, packed, size, share, shift, bins, table, totals, out)


def _runs(
    machine: Machine, words: Words, keys: Any, packed: Any, places: int, whole: int, low: int, ranks: bool, cut: Cut
) -> tuple[Any, ...]:
    """What sorted words say."""
    (size,), threads = keys.shape, (cut.threads,)
    share, blocks = cut.shared(machine, size)
    found, total = machine.empty((blocks,), "int"), machine.empty((1,), "int")
    machine.launch(words.heads, (blocks,), threads, keys, packed, size, share, places, whole, found)
    machine.launch(OFFSETS, (1,), threads, found, blocks, total)
    runs = _told(machine, total, size)
    distinct, counts = (machine.empty((runs,), "long long") for _ in range(2))
    starts, numbers = machine.empty((runs,), "int"), machine.empty((size if ranks else 0,), "long long")
    given = (keys, packed, size, share, places, whole, low, found, distinct, starts, numbers if ranks else None)
    machine.launch(words.emit, (blocks,), threads, *given)
    machine.launch(WIDTHS, (-(-runs // cut.threads),), threads, starts, runs, size, counts)
    return distinct, counts, numbers
