"""Rounding to 8 and 4 bits: by hand, the nearest there is, and exactly the layout that is promised."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polyloom_kernels import decode
from polyloom_kernels.quantized import Int4, int4, int8

MATRICES = st.tuples(st.integers(1, 5), st.integers(1, 150)).flatmap(
    lambda shape: arrays(np.float32, shape, elements=st.floats(-100, 100, width=32))
)


def step_of(bits: np.ndarray) -> np.ndarray:
    return (bits.astype(np.uint32) << 16).view(np.float32)


def test_int8_by_hand() -> None:
    found = int8(np.array([[127.0, -63.4, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0], [-2.54, 1.27, 0.01, -0.02]]))
    assert found.scales.tolist() == pytest.approx([1.0, 0.0, 0.02])
    assert found.weight.tolist() == [[127, -63, 0, 0], [0, 0, 0, 0], [-127, 64, 0, -1]]  # halves to the even one
    assert found.weight.dtype == np.int8


def test_int4_by_hand() -> None:
    row = np.zeros(40, np.float32)
    row[0], row[1], row[16], row[31], row[32] = -8, 7, 3, -1, 4
    found = int4(row[None], group=32)
    assert found.columns == 40
    assert found.packed.shape == (1, 32)
    first, second = found.packed[0, :16].tolist(), found.packed[0, 16:].tolist()
    assert step_of(found.scales)[0, 0] == 1
    assert first == [0 | 11 << 4, 15 | 8 << 4, *[8 | 8 << 4] * 13, 8 | 7 << 4]
    assert second[1:] == [8 | 8 << 4] * 15
    np.testing.assert_array_equal(found.dense()[0, :32], row[:32])
    assert found.dense()[0, 32] == pytest.approx(4, rel=1e-2)


@settings(max_examples=80)
@given(MATRICES)
def test_int8_is_never_off_by_more_than_half_a_step(weight: np.ndarray) -> None:
    found = int8(weight)
    largest = np.abs(weight).max(1, keepdims=True)
    assert found.shape == weight.shape
    assert np.all(np.abs(found.dense() - weight) <= largest / 254 * (1 + 1e-5) + 1e-44)


@settings(max_examples=80)
@given(MATRICES, st.sampled_from([32, 64, 128]))
def test_int4_is_not_further_off_than_a_step_that_cuts_nothing_off_may_be(weight: np.ndarray, group: int) -> None:
    found = int4(weight, group)
    assert (found.shape, found.group) == (weight.shape, group)
    for at in range(0, weight.shape[1], group):
        part = weight[:, at : at + group].astype(np.float64)
        error = np.square(found.dense()[:, at : at + group] - part).sum(1)
        step = np.abs(part).max(1) / 8 * 1.16  # 1.15 is the largest factor, rounded to a bfloat16
        assert np.all(error <= group * np.square(step / 2) * (1 + 1e-4) + 1e-80)


@settings(max_examples=60)
@given(MATRICES)
def test_the_bytes_are_the_numbers_in_the_promised_places(weight: np.ndarray) -> None:
    found = int4(weight, 64)
    for row, column in np.ndindex(*weight.shape):
        block, within = divmod(column, 32)
        byte = int(found.packed[row, 16 * block + within % 16])
        stored = byte & 15 if within < 16 else byte >> 4
        step = step_of(found.scales[row : row + 1, column // 64])[0]
        assert found.dense()[row, column] == step * np.float32(stored - 8)
    behind = found.numbers()[:, weight.shape[1] :]
    assert not behind.any()


def test_the_steps_of_int4_are_chosen_over_the_plain_one() -> None:
    weight = np.random.default_rng(0).standard_normal((64, 512), dtype=np.float32)
    step = np.abs(weight.reshape(64, -1, 64)).max(2, keepdims=True) / 7
    plain = (step * np.rint(weight.reshape(64, -1, 64) / step)).reshape(64, 512)
    assert np.square(int4(weight).dense() - weight).mean() < 0.75 * np.square(plain - weight).mean()


@pytest.mark.parametrize("size", [1e-44, 1e-30, 1e38])
def test_the_smallest_and_the_largest_weights(size: float) -> None:
    weight = np.array([[1, -1, 0.5, 0] * 16], np.float32) * np.float32(size)
    for found in (int8(weight), int4(weight)):
        dense = found.dense()
        assert np.isfinite(dense).all()
        assert np.abs(dense - weight).max() <= max(0.1 * size, 2e-44)


def test_what_takes_how_much() -> None:
    weight = np.ones((10, 100), np.float32)
    assert int8(weight).nbytes == 1000 + 40
    assert int4(weight, 32).nbytes == 10 * (64 + 2 * 4)
    assert int4(weight).nbytes == 10 * (64 + 2 * 2)


def test_int8_is_what_decode_reads() -> None:
    found = int8(np.random.default_rng(0).standard_normal((6, 8)))
    matrix = decode.Matrix(found.weight, None, found.scales)
    assert matrix.weight is found.weight
    assert decode.Matrix(*found[:1], None, *found[1:]) == matrix


@pytest.mark.parametrize("make", [int8, int4])
@pytest.mark.parametrize(
    ("given", "say"),
    [
        (np.ones(3), r"matrix of real numbers .* got float64 \(3,\)"),
        (np.ones((2, 3), np.int64), "got int64"),
        (np.ones((2, 3), bool), "got bool"),
        (np.ones((0, 3)), r"\(0, 3\)"),
        (np.ones((3, 0)), r"\(3, 0\)"),
        ("words", "got <U5"),
        (None, "got object"),
        ([[1.0, np.nan]], "got nan in row 0, column 1"),
        ([[1.0], [-np.inf]], "got -inf in row 1, column 0"),
        ([[1e300]], r"got 1e\+300 in row 0"),
        (np.array([[2e38]], np.float32), r"from -1e\+38 to 1e\+38"),
    ],
)
def test_what_is_refused(make: Any, given: Any, say: str) -> None:
    with pytest.raises(ValueError, match=say):
        make(given)


@pytest.mark.parametrize("group", [0, -32, 16, 48, 96, 64.0, True, None, "64"])
def test_groups_are_whole_blocks(group: Any) -> None:
    with pytest.raises(ValueError, match="must be 32, 64, 128"):
        int4(np.ones((2, 64)), group)


def test_a_large_matrix_is_quantised_piece_by_piece_as_a_whole() -> None:
    weight = np.random.default_rng(1).standard_normal((700, 1000), dtype=np.float32)
    for make in (int8, int4):
        whole, part = make(weight), make(weight[500:503])
        np.testing.assert_array_equal(whole.dense()[500:503], part.dense())
    assert isinstance(int4(weight), Int4)
