"""Explicit vectors give the sums that NumPy gives, and the exponential is as exact as its docstring says."""

from typing import Any

import numpy as np
import pytest
from numba import njit

from polyloom_kernels.activation import open_gate, power
from polyloom_kernels.dots import BFLOAT16, FLOAT32, INT8, tile

COLUMNS = (1, 7, 8, 15, 16, 31, 33, 100)


def stored(kind: int, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights as they are stored, and what they are worth."""
    if kind == BFLOAT16:
        bits = (weights.view(np.uint32) >> 16).astype(np.uint16)
        return bits, (bits.astype(np.uint32) << 16).view(np.float32)
    if kind == INT8:
        whole = np.clip(weights * 40, -127, 127).astype(np.int8)
        return whole, whole.astype(np.float32)
    return weights, weights


@pytest.mark.parametrize("kind", [FLOAT32, BFLOAT16, INT8])
@pytest.mark.parametrize(
    ("rows", "inputs", "steps", "lanes"),
    [(1, 1, 1, 8), (1, 1, 2, 8), (2, 2, 1, 8), (2, 6, 1, 8), (3, 1, 2, 8), (1, 2, 4, 16)],
)
def test_every_row_meets_every_input(kind: int, rows: int, inputs: int, steps: int, lanes: int) -> None:
    dots: Any = tile(kind, rows, inputs, steps, 640, lanes)

    @njit
    def run(weights: Any, columns: Any, x: Any, stride: Any) -> Any:
        return dots(weights, columns, x, stride)

    rng = np.random.default_rng(rows)
    for columns in COLUMNS:
        given, worth = stored(kind, rng.standard_normal((rows, columns), dtype=np.float32))
        x = rng.standard_normal((inputs, columns + 3), dtype=np.float32)
        places = tuple(row.ctypes.data for row in given)
        found = run(places, columns, x.ctypes.data, x.strides[0])
        expected = worth.astype(np.float64) @ x[:, :columns].astype(np.float64).T
        scale = (np.abs(worth) @ np.abs(x[:, :columns]).T).max()
        np.testing.assert_allclose(np.array(found).reshape(rows, inputs), expected, rtol=0, atol=2e-7 * scale)


def test_a_sum_does_not_depend_on_how_many_rows_and_inputs_meet() -> None:
    rng = np.random.default_rng(0)
    weights, x = rng.standard_normal((2, 75), dtype=np.float32), rng.standard_normal((4, 75), dtype=np.float32)
    one: Any = tile(FLOAT32, 1, 1, 1, 640)
    all_: Any = tile(FLOAT32, 2, 4, 1, 640)

    @njit
    def both(first: Any, second: Any, at: Any) -> Any:
        return all_((first, second), 75, at, 300), one((second,), 75, at + 900, 300)

    many, single = both(weights[0].ctypes.data, weights[1].ctypes.data, x.ctypes.data)
    assert many[7] == single[0]


def test_the_exponential_is_within_two_units_in_the_last_place() -> None:
    @njit
    def run(x: Any, y: Any) -> None:
        for k in range(len(x)):
            y[k] = power(x[k])

    x = np.linspace(-87, 87, 1_000_001, dtype=np.float32)
    y = np.empty_like(x)
    run(x, y)
    expected = np.exp(x.astype(np.float64))
    assert np.abs(y / expected - 1).max() < 2 * np.finfo(np.float32).eps
    far = np.array([-np.inf, -200, -104, -103, -95, -88, 88, 90, 200, np.inf], np.float32)
    near = np.empty_like(far)
    run(far, near)
    with np.errstate(over="ignore", under="ignore"):
        expected = np.exp(far.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(near, expected, 3e-7, np.finfo(np.float32).smallest_subnormal)


def test_a_gate_that_is_far_open_or_shut_stays_finite() -> None:
    gate = np.array([-300, -1, 0, 1, 300], np.float32)
    open_gate(gate, np.full(5, 2, np.float32))
    np.testing.assert_allclose(gate, [0, -2 / (1 + np.e), 0, 2 / (1 + 1 / np.e), 600], rtol=1e-6, atol=1e-30)
