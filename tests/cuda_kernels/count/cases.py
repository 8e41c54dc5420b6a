"""The cases of `count` and `merge` on a GPU: few kinds of keys and many, of all widths, in one block and in several."""

import numpy as np
from numpy.typing import NDArray

from cuda_kernels.case import Budget, Case, between
from polyloom_kernels._launch import Machine
from polyloom_kernels.count import cuda, reference
from polyloom_kernels.count.cuda import Cut
from polyloom_kernels.count.pairs_reference import pairs

BUDGET = {
    "span": Budget(registers=32),
    "pack": Budget(registers=16),
    "histogram": Budget(registers=20, shared=1_024),
    "offsets": Budget(registers=32, shared=128),
    "scatter": Budget(registers=80, shared=43_136),
    "heads": Budget(registers=26),
    "emit": Budget(registers=32, shared=128),
    "widths": Budget(registers=16),
    "meet": Budget(registers=32, shared=16),
    "settle": Budget(registers=32, shared=128),
    "join": Budget(registers=24, shared=16),
    "pair_keys": Budget(registers=32),
    "pair_rows": Budget(registers=20),
    "pair_targets": Budget(registers=20),
}
EQUIVALENT = {
    "count.cu: bound tile < size": "once more without any values",
    "count.cu: bound tile < last": "once more without any words",
    "count.cu: bound tile < last #2": "the same",
    "count.cu: bound tile < last #3": "the same",
    "count.cu: barrier __syncwarp(); #2": "the next match is a meeting too; but it is no promise about memory",
    "merge.cu: bound tile < end": "once more without any keys",
    "merge.cu: bound tile < last": "the same",
}

ONE, TWO = Cut(threads=32, blocks=1, digit=3), Cut(threads=64, blocks=1, digit=5)
ENDS = np.iinfo(np.int64)


def drawn(low: int, high: int, size: int) -> NDArray[np.int64]:
    return np.random.default_rng(size).integers(low, high, size, endpoint=True)


def case(name: str, keys: NDArray[np.int64], ranks: bool = True, cut: Cut = TWO, large: bool = False) -> Case:
    """Keys that begin in between."""

    def run(machine: Machine) -> tuple[object, ...]:
        return cuda.count(machine, machine.array(between(np.append(keys, 0)), "long long")[1:-1], ranks, cut)

    return Case(name, run, lambda: reference.count(keys, ranks), large=large)


def merged(name: str, a: NDArray[np.int64], b: NDArray[np.int64], cut: Cut = TWO, large: bool = False) -> Case:
    """Two runs with counts that may be negative."""
    counts = [np.random.default_rng(len(run)).integers(-9, 9, len(run)) for run in (a, b)]
    given = (a, counts[0], b, counts[1])

    def run(machine: Machine) -> tuple[object, ...]:
        return cuda.merge(machine, *(machine.array(part, "long long") for part in given), cut)

    return Case(name, run, lambda: reference.merge(*given), large=large)


def paired(name: str, lengths: list[int], size: int, window: int, large: bool = False) -> Case:
    """Documents of these lengths, of tokens by chance."""
    tokens, starts = drawn(0, size - 1, sum(lengths)), np.cumsum([0, *lengths])[:-1]
    expected = pairs(tokens, starts, size, window)

    def run(machine: Machine) -> tuple[object, ...]:
        given = machine.array(tokens, "int"), machine.array(starts, "long long")
        return cuda.pairs(machine, *given, size, window, int(expected.counts.sum()), TWO)

    return Case(name, run, lambda: expected, large=large)


def some(below: int, size: int, seed: int = 0) -> NDArray[np.int64]:
    """Distinct keys in order, negative ones too."""
    return np.sort(np.random.default_rng(seed).choice(below, size, replace=False)) - below // 2


CASES = (
    case("few kinds", drawn(0, 9, 77)),
    case("one key", np.array([-5])),
    case("no keys", np.empty(0, np.int64)),
    case("all equal", np.full(50, 7)),
    case("negative ones, without ranks", drawn(-40, 40, 90), ranks=False),
    case("several passes", drawn(-1_000, 1_000, 130), cut=ONE),
    case("in order already", np.arange(100)),
    case("backwards, but for the end", np.roll(np.arange(100)[::-1] ** 2, 3)),
    case("more bits than a word has beside places", drawn(ENDS.min, ENDS.max, 40), cut=Cut(32, 1, 8)),
    case("the ends of int64", np.array([ENDS.max, ENDS.min, 0, ENDS.max, -1])),
    case("the ends of int64, without ranks", np.array([ENDS.max, ENDS.min, 0, ENDS.max, -1]), ranks=False),
    case("several blocks", drawn(0, 7, 1_200), cut=ONE),
    case("several tiles, several warps", drawn(0, 50, 4_400)),
    case("several blocks of wide words", drawn(-(2**30), 2**30, 1_100), cut=Cut(64, 1, 6)),
    case("few keys as a GPU has them", drawn(-120, 120, 300), cut=cuda.USUAL),
    merged("ragged", some(90, 40), some(90, 37, 1)),
    merged("nothing in one", some(9, 0), some(90, 37)),
    merged("nothing in the other", some(90, 37), some(9, 0)),
    merged("nothing in either", some(9, 0), some(9, 0)),
    merged("the same keys", some(100, 70), some(100, 70)),
    merged("one after the other", np.arange(40), np.arange(40, 100)),
    merged("the ends of int64 in both", np.array([ENDS.min, 0, ENDS.max]), np.array([ENDS.min, ENDS.max])),
    merged("several tiles and blocks", some(1_400, 600), some(1_400, 333, 1)),
    paired("pairs", [7, 1, 0, 19, 3], 5, 3),
    paired("pairs of one document, as long as the window", [4], 3, 4),
    paired("pairs of nothing", [], 3, 2),
    paired("pairs of single tokens", [1, 1, 1], 9, 2),
    paired("pairs of many tokens", [9, 8], 2**16, 2, large=True),
    paired("pairs, one apart", [90], 11, 1),
    case("as a GPU has it", drawn(-(2**40), 2**40, 40_000), cut=cuda.USUAL, large=True),
    case("many of few kinds as a GPU has it", drawn(0, 600, 40_000), ranks=False, cut=cuda.USUAL, large=True),
    merged("as a GPU has it: merge", some(40_000, 9_000), some(40_000, 12_000, 1), cut=cuda.USUAL, large=True),
)
