"""Dot products of whole numbers are exact in every way, whatever the columns and wherever they end."""

from typing import Any

import numpy as np
import pytest
from numba import njit
from numba.core.registry import cpu_target

from polyloom_kernels.integers import GENERIC, MADD, NEEDS, ORDER, VNNI, WAYS, eight, four, known
from polyloom_kernels.quantized import int4

COLUMNS = (1, 7, 63, 64, 65, 96, 127, 128, 200, 512, 1376)


def padded(rng: np.random.Generator, columns: int, to: int, extreme: bool = False) -> np.ndarray:
    """Inputs of 8 bits, zero behind the last."""
    x = np.zeros(-(-columns // to) * to, np.int8)
    x[:columns] = rng.choice([-127, 127], columns) if extreme else rng.integers(-127, 128, columns)
    return x


@pytest.mark.parametrize("way", WAYS)
def test_sums_of_eight_bits_are_exact(way: int) -> None:
    dot: Any = eight(way, 256)

    @njit
    def run(weights: Any, x: Any, columns: Any, total: Any) -> Any:
        return dot(weights, x, columns, total)

    rng = np.random.default_rng(way)
    for columns in COLUMNS:
        for extreme in (False, True):
            held = np.full(columns + 2, 99, np.int8)  # what stands before and behind is not summed
            held[1:-1] = padded(rng, columns, 1, extreme)
            x = padded(rng, columns, 64, extreme)
            found = run(held.ctypes.data + 1, x.ctypes.data, columns, x.sum(dtype=np.int32))
            assert found == int(held[1:-1].astype(np.int64) @ x[:columns].astype(np.int64))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("group", [32, 64, 128])
def test_sums_of_four_bits_are_those_of_every_way(way: int, group: int) -> None:
    mine, plain = caller(four(way, 256)), caller(four(GENERIC, 256))
    rng = np.random.default_rng(group)
    for columns in COLUMNS:
        held = int4(rng.standard_normal((3, columns)).astype(np.float32), group)
        x = padded(rng, columns, 64, extreme=columns % 2 == 0)
        paired = np.zeros(-(-len(x) // group) * group if group > 64 else len(x), np.int8)
        paired[: len(x)] = x.reshape(-1, 64)[:, ORDER].reshape(-1)
        starts = -8 * paired.reshape(-1, 2, 8, 4).sum((1, 3), dtype=np.int32)
        for row, dense in enumerate(held.dense().astype(np.float64)):
            given = (held.packed[row].ctypes.data, held.scales[row].ctypes.data, paired.ctypes.data, starts.ctypes.data)
            found = mine(*given, held.scales.shape[1], group // 32)
            assert found == plain(*given, held.scales.shape[1], group // 32)
            products = dense * x[:columns]
            assert found == pytest.approx(products.sum(), abs=1e-6 * np.abs(products).sum())


def caller(dot: Any) -> Any:
    @njit
    def run(weights: Any, scales: Any, x: Any, sums: Any, groups: Any, blocks: Any) -> Any:
        return dot(weights, scales, x, sums, groups, blocks)

    return run


class Processor:
    """What numba asks of the processor it compiles for, with these features."""

    def __init__(self, *features: str) -> None:
        self.features = ",".join(f"+{name}" for name in features)

    def codegen(self) -> "Processor":
        return self

    def magic_tuple(self) -> tuple[str, str, str]:
        return "", "", self.features


def test_a_processor_knows_the_ways_whose_instructions_it_has() -> None:
    assert known(Processor()) == [GENERIC]
    assert known(Processor("avx2")) == [GENERIC, MADD]
    assert known(Processor("avx2", "avx512vnni")) == [GENERIC, MADD]  # without the registers of 256 bits
    assert known(Processor(*NEEDS[VNNI])) == [GENERIC, MADD, VNNI]
    assert known(cpu_target.target_context)[0] == GENERIC
