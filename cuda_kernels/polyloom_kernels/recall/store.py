"""The rows that `recall` sums, laid out so that a context costs as few cache misses as it can.

Row r = token · window + (distance − 1) of a layer lists targets, each with a weight of 1 … 127, and has one scale:

    arena    whole lines of 64 bytes a row: all its targets (2 bytes each up to 65,536 tokens, else 4), then its weights
    table    one word for each (row, layer), the layers of a row side by side:
             bits 0–31 the row's first line in the arena, 32–39 its length, 40–63 its scale in Q24

So an empty row costs one look at the table, and a row of 64 postings three lines beside each other.  A store is a value
and its arrays are read-only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNIT = 1 << 16  # one nat, and a layer weight of one: Q16
SCALE = 1 << 24  # a weight step of one nat: Q24
LONGEST = 255  # postings of a row
LARGEST = 127  # a weight; int8
LIMIT = 1 << 30  # of a bias and of a sum, so that their sum fits int32
LINE = 64  # bytes of a cache line
NARROW = 1 << 16  # tokens that two bytes can name

Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Store:
    """Packed rows of `layers` layers and a bias; made by `pack`, combined by `stack`."""

    bias: NDArray[np.int32]  # (V,) Q16
    window: int
    layers: int
    table: NDArray[np.uint64]  # (V · window · layers,)
    arena: NDArray[np.uint8]  # (lines · 64,)
    longest: int  # postings of the longest row

    def __post_init__(self) -> None:
        for array in (self.bias, self.table, self.arena):
            array.flags.writeable = False

    @property
    def size(self) -> int:
        """The number of tokens, V."""
        return len(self.bias)

    @property
    def nbytes(self) -> int:
        """What the table and the arena take."""
        return self.table.nbytes + self.arena.nbytes

    @cached_property
    def targets(self) -> NDArray[Any]:
        """The arena read as targets."""
        return self.arena.view(_named_by(self.size))

    @cached_property
    def weights(self) -> NDArray[np.int8]:
        """The arena read as weights."""
        return self.arena.view(np.int8)

    @cached_property
    def by_bias(self) -> Integers:
        """All tokens, largest bias first, ties by smaller id."""
        order = np.argsort(-self.bias.astype(np.int64), kind="stable")
        order.flags.writeable = False
        return order

    @cached_property
    def mass(self) -> float:
        """Σ exp bias: one, but for the rounding of the biases."""
        return float(np.exp(self.bias / UNIT).sum())

    @cached_property
    def ones(self) -> Integers:
        """Every layer at a weight of one."""
        return np.full(self.layers, UNIT, np.int64)

    def row(self, token: int, distance: int, layer: int = 0) -> tuple[Integers, Integers, int]:
        """Targets, weights and scale of the row of a token `distance` back."""
        entry = int(self.table[(token * self.window + distance - 1) * self.layers + layer])
        line, length, scale = entry & 0xFFFFFFFF, entry >> 32 & 0xFF, entry >> 40
        place = self.arena[line * LINE : line * LINE + length * (1 + self.targets.itemsize)]
        targets, weights = np.split(place, [length * self.targets.itemsize])
        return targets.view(self.targets.dtype).astype(np.int64), weights.view(np.int8).astype(np.int64), scale

    def added(self, token: int, distance: int, target: int, layer: int = 0) -> int | None:
        """What the row of a token `distance` back adds to `target` at full weight, Q16; None if it does not list it."""
        targets, weights, scale = self.row(token, distance, layer)
        at = np.flatnonzero(targets == target)
        return scale * int(weights[at[0]]) // 256 if len(at) else None


def pack(starts: Integers, targets: NDArray[Any], weights: NDArray[Any], bias: NDArray[np.int32], window: int) -> Store:
    """A store of one layer from rows of floats.

    `starts` int64 (V·window + 1) says where each row lies in `targets` and in `weights`, which are positive nats; a row
    has each target once and at most 255 of them.  A weight w becomes max(1, round(w / step)), the step being the
    row's largest weight / 127 in Q24.  Raises ValueError for rows that are none of this.
    """
    lengths = np.diff(starts)
    _check(starts, lengths, targets, weights, bias, window)
    largest = np.zeros(len(lengths))
    full = np.flatnonzero(lengths)
    if len(full):
        largest[full] = np.maximum.reduceat(weights, starts[full])
    scale = np.where(lengths > 0, np.clip(np.rint(largest * (SCALE / LARGEST)), 1, SCALE - 1), 0).astype(np.int64)
    steps = np.rint(weights * (SCALE / np.repeat(scale, lengths)))
    name = _named_by(len(bias))
    first, arena = _room(lengths, 1 + name.itemsize)
    slot = np.arange(len(targets)) - np.repeat(starts[:-1], lengths)
    at = np.repeat(first * LINE, lengths)
    arena.view(name)[at // name.itemsize + slot] = targets
    arena[at + np.repeat(lengths * name.itemsize, lengths) + slot] = np.clip(steps, 1, LARGEST)
    table = np.where(lengths > 0, first | lengths << 32 | scale << 40, 0).astype(np.uint64)
    return Store(bias.copy(), window, 1, table, arena, int(lengths.max(initial=0)))


def stack(stores: Sequence[Store], bias: NDArray[np.int32] | None = None) -> Store:
    """One store of all their layers, in order; the bias is the first one's unless it is given."""
    if not stores:
        raise ValueError("Expected at least one store to stack.")
    shapes = {(store.size, store.window) for store in stores}
    if len(shapes) > 1:
        raise ValueError(f"Stacked stores must agree in tokens and window, got {sorted(shapes)}.")
    (size, window), layers = shapes.pop(), sum(store.layers for store in stores)
    table = np.empty((size * window, layers), np.uint64)
    arena = _aligned(sum(len(store.arena) for store in stores))
    layer = at = 0
    for store in stores:
        rows = store.table.reshape(-1, store.layers)
        table[:, layer : layer + store.layers] = np.where(rows, rows + np.uint64(at // LINE), 0)
        arena[at : at + len(store.arena)] = store.arena
        layer, at = layer + store.layers, at + len(store.arena)
    chosen = stores[0].bias if bias is None else bias
    _check_bias(chosen, size)
    return Store(chosen.copy(), window, layers, table.reshape(-1), arena, max(store.longest for store in stores))


def _named_by(size: int) -> np.dtype[Any]:
    return np.dtype(np.uint16 if size <= NARROW else np.uint32)


def _room(lengths: Integers, posting: int) -> tuple[Integers, NDArray[np.uint8]]:
    """The first line of each row, and the arena."""
    ends = np.cumsum(-(-lengths * posting // LINE))
    lines = int(ends[-1]) if len(ends) else 0
    if lines >= 1 << 32:
        raise ValueError(f"The rows take {lines:,} lines of 64 bytes; a table entry can name {1 << 32:,}.")
    return np.concatenate([np.zeros(1, np.int64), ends[:-1]]), _aligned(lines * LINE)


def _aligned(size: int) -> NDArray[np.uint8]:
    """Zeros that start at a cache line."""
    room = np.zeros(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size]


def _check(
    starts: Integers, lengths: Integers, targets: NDArray[Any], weights: NDArray[Any], bias: Any, window: int
) -> None:
    _check_bias(bias, len(bias))
    if window < 1 or len(starts) != len(bias) * window + 1:
        raise ValueError(f"Expected {len(bias) * window + 1} starts for {len(bias)} tokens, got {len(starts)}.")
    if starts[0] != 0 or starts[-1] != len(targets) or len(targets) != len(weights) or lengths.min(initial=0) < 0:
        raise ValueError("The starts must ascend from 0 to the number of targets, which is that of the weights.")
    if lengths.max(initial=0) > LONGEST:
        raise ValueError(f"A row may have {LONGEST} postings, one has {lengths.max()}. Cap the rows first.")
    if len(targets) and not (int(targets.min()) >= 0 and int(targets.max()) < len(bias)):
        raise ValueError(f"Targets must be from 0 to {len(bias) - 1}, got {targets.min()} … {targets.max()}.")
    if len(weights) and not (weights.min() > 0 and weights.max() < LARGEST):
        raise ValueError(f"Weights must be above 0 and below {LARGEST} nats, got {weights.min()} … {weights.max()}.")


def _check_bias(bias: NDArray[np.int32], size: int) -> None:
    if bias.shape != (size,) or bias.dtype != np.int32 or not size:
        raise ValueError(f"Expected a bias of int32 for each token, got {bias.dtype} of shape {bias.shape}.")
    if max(-int(bias.min()), int(bias.max())) >= LIMIT:
        raise ValueError(f"A bias must stay within ±{LIMIT // UNIT:,} nats.")
