"""`product`: the reference is a product with the dense matrix, compiled code is the reference to the last few bits."""

import shutil
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom_kernels.quantized as face
from polyloom_kernels import _device
from polyloom_kernels.quantized import Int4, Int8, Quantised, cpu, int4, int8, operation, product, reference
from polyloom_kernels.shim import Shim

BACKENDS = ("reference", "cpu")
KINDS = (8, 32, 64, 128)  # int8, or int4 with so many columns in a group


def drawn(rows: int, columns: int, inputs: int, kind: int, seed: int = 0) -> tuple[np.ndarray, Quantised]:
    """Inputs and a weight by chance."""
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((rows, columns), dtype=np.float32)
    weight[rng.random(rows) < 0.1] = 0
    x = rng.standard_normal((inputs, columns), dtype=np.float32)
    return x, int8(weight) if kind == 8 else int4(weight, kind)


def near(found: np.ndarray, x: np.ndarray, weight: Quantised) -> None:
    """Within a few roundings of the definition in float64."""
    dense = weight.dense().astype(np.float64)
    most = weight._replace(packed=np.zeros_like(weight.packed)) if isinstance(weight, Int4) else weight  # all -8
    scale = np.abs(x).astype(np.float64) @ np.abs(most.dense()).astype(np.float64).T
    assert found.dtype == np.float32
    assert np.all(np.abs(found - x.astype(np.float64) @ dense.T) <= 2e-6 * scale + 1e-30)


@pytest.mark.parametrize("backend", BACKENDS)
def test_by_hand(backend: Any) -> None:
    x = np.array([[1, 2, 3], [0, 0, -1]], np.float32)
    eight = Int8(np.array([[1, -2, 3], [127, 0, 0]], np.int8), np.array([0.5, 2], np.float32))
    np.testing.assert_array_equal(product(x, eight, backend), [[3, 254], [-1.5, 0]])
    packed = np.full((1, 16), 8 | 8 << 4, np.uint8)
    packed[0, :3] = 9 | 8 << 4, 0 | 8 << 4, 15 | 8 << 4  # 1, -8, 7
    four = Int4(packed, np.array([[0xBF80]], np.uint16), 3)  # a step of -1
    np.testing.assert_array_equal(product(x, four, backend), [[-6], [7]])


@settings(max_examples=100)
@given(
    rows=st.integers(1, 20),
    columns=st.integers(1, 300),
    inputs=st.integers(0, 9),
    kind=st.sampled_from(KINDS),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
def test_back_ends_agree_with_the_dense_matrix(
    rows: int, columns: int, inputs: int, kind: int, threads: int, seed: int
) -> None:
    x, weight = drawn(rows, columns, inputs, kind, seed)
    for backend in BACKENDS:
        found = product(x, weight, backend, threads)
        assert found.shape == (inputs, rows)
        near(found, x, weight)


@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_do_not_depend_on_threads_nor_on_who_else_is_there(kind: int) -> None:
    x, weight = drawn(37, 150, 11, kind)
    together = product(x, weight, "cpu")
    np.testing.assert_array_equal(product(x, weight, "cpu", 3), together)
    for n in range(len(x)):
        np.testing.assert_array_equal(product(x[n : n + 1], weight, "cpu"), together[n : n + 1])


@pytest.mark.parametrize("kind", KINDS)
def test_inputs_that_cancel_and_large_ones(kind: int) -> None:
    x, weight = drawn(9, 256, 3, kind)
    x[0] = 1e6
    x[1, ::2], x[1, 1::2] = 1e3, -1e3
    x[2] *= np.float32(1e-30)
    near(product(x, weight, "cpu"), x, weight)


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_that_is_none_stays_in_its_row(kind: int) -> None:
    x, weight = drawn(5, 64, 3, kind)
    x[1, 3] = np.nan
    for backend in BACKENDS:
        found = product(x, weight, backend)
        assert np.isnan(found[1]).all()
        assert np.isfinite(found[[0, 2]]).all()


@pytest.mark.parametrize("kind", KINDS)
def test_arrays_may_be_read_only_and_inputs_may_lie_anywhere(kind: int) -> None:
    x, weight = drawn(6, 70, 4, kind)
    expected = product(x, weight, "cpu")
    for array in weight[:2]:
        array.flags.writeable = False
    wide = np.zeros((8, 140), np.float32)
    wide[::2, ::2] = x
    wide.flags.writeable = False
    np.testing.assert_array_equal(product(wide[::2, ::2], weight, "cpu"), expected)
    compiled: Any = cpu
    assert (len(compiled.int8.signatures), len(compiled.int4.signatures)) == (1, 1)


def test_numpy_serves_until_the_compiled_code_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def chosen(self, backend: str, seconds: float) -> None:
            assert backend == "auto"
            assert seconds == pytest.approx(6 * 70 / 2e9)

    monkeypatch.setattr(operation, "COMPILED", Never())
    x, weight = drawn(6, 70, 4, 64)
    np.testing.assert_array_equal(product(x, weight), reference.product(x, weight))


EIGHT, FOUR = drawn(5, 70, 2, 8)[1], drawn(5, 70, 2, 32)[1]
WRONG: list[tuple[Any, str]] = [
    (None, "Expected an Int8 or an Int4, got NoneType"),
    (np.ones((5, 70), np.int8), r"got ndarray: int8\(matrix\) makes one"),
    (EIGHT._replace(weight=EIGHT.dense()), "weight: expected int8"),
    (EIGHT._replace(weight=np.asfortranarray(EIGHT[0])), "not contiguous"),
    (EIGHT._replace(scales=EIGHT.scales[:4]), r"scales: expected float32 of shape \(5,\)"),
    (FOUR._replace(packed=FOUR[0].view(np.int8)), "packed: expected uint8"),
    (FOUR._replace(packed=FOUR[0][:, :40]), "not contiguous"),
    (FOUR._replace(packed=FOUR[0][:, :40].copy()), "80 numbers in a row do not make 3 groups of 32, 64, 128"),
    (FOUR._replace(scales=FOUR.scales[0]), r"scales: expected uint16 of shape \(5, 0\)"),
    (FOUR._replace(scales=FOUR.scales[:, :0].copy()), "do not make 0 groups"),
    (FOUR._replace(columns=64), "3 groups of 32 do not fit 64 columns"),
    (FOUR._replace(columns=97), "3 groups of 32 do not fit 97 columns"),
]


@pytest.mark.parametrize(("weight", "say"), WRONG)
def test_weights_that_do_not_fit_are_refused(weight: Any, say: str) -> None:
    with pytest.raises(ValueError, match=say):
        product(np.ones((2, 70), np.float32), weight)


@pytest.mark.parametrize("x", [np.ones((2, 70)), np.ones((2, 69), np.float32), np.ones(70, np.float32)])
def test_inputs_that_do_not_fit_are_refused(x: Any) -> None:
    for weight in (EIGHT, FOUR):
        with pytest.raises(ValueError, match=r"Expected float32 inputs \(m, 70\)"):
            product(x, weight)


def test_a_gpu_is_not_taken_for_another_back_end() -> None:
    if _device.usable():
        pytest.skip("there is a GPU here")
    with pytest.raises(RuntimeError, match='The back end "cuda" cannot be used'):
        product(np.ones((2, 70), np.float32), EIGHT, "cuda")


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_gpu_is_asked_is_what_the_definition_answers(kind: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The shim in the place of a GPU: everything but the launch is the same."""
    if shutil.which("g++") is None:
        pytest.skip("g++, which compiles for the shim, is not installed")
    monkeypatch.setattr(operation, "on_gpu", lambda backend: backend == "cuda")
    monkeypatch.setattr(operation, "Device", Shim)
    x, weight = drawn(6, 70, 3, kind)
    near(product(x, weight, "cuda"), x, weight)


def test_an_unknown_back_end_is_named() -> None:
    backend: Any = "gpu"
    with pytest.raises(ValueError, match="Unknown back end 'gpu'; there are 'auto', 'cuda', 'cpu' and 'reference'"):
        product(np.ones((2, 70), np.float32), EIGHT, backend)


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)
