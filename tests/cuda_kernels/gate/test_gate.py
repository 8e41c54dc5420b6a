"""`gate`: shares are a softmax with a floor, features are what was counted, and the slope is that of the likelihood."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyloom_kernels.gate as face
from polyloom_kernels.gate import features, opened, operation, slope

seeds = st.integers(0, 2**32)
FLOOR = 0.01


def drawn(seed: int, size: int, wide: int, components: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weights (F, K), chances (T, K), and features (T, F), many of them zero."""
    dice = np.random.default_rng(seed)
    known = dice.random((size, wide)) * (dice.random((size, wide)) < 0.6)
    return dice.normal(0, 1, (wide, components)), dice.uniform(1e-4, 1, (size, components)), known


def gain(gate: np.ndarray, parts: np.ndarray, known: np.ndarray, places: np.ndarray) -> float:
    """The mean log-likelihood of some places, with Python's own arithmetic."""
    found = 0.0
    for place in places.tolist():
        scores = [sum(float(x) * float(w) for x, w in zip(known[place], column, strict=True)) for column in gate.T]
        loud = [math.exp(score - max(scores)) for score in scores]
        shares = [(1 - FLOOR) * each / sum(loud) + FLOOR / len(loud) for each in loud]
        found += math.log(sum(share * float(p) for share, p in zip(shares, parts[place], strict=True)))
    return found / len(places)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@given(seeds, st.integers(1, 5), st.integers(1, 4))
def test_the_slope_is_what_a_small_step_gains(backend: Any, seed: int, wide: int, components: int) -> None:
    """Places may be asked for twice, as dice do."""
    gate, parts, known = drawn(seed, 6, wide, components)
    places, step = np.array([0, 3, 3, 5]), 1e-5
    found = slope(gate, FLOOR, parts, known, places, backend=backend)
    assert found.shape == gate.shape
    for f, k in np.ndindex(gate.shape):
        nudge = np.zeros_like(gate)
        nudge[f, k] = step
        rise = gain(gate + nudge, parts, known, places) - gain(gate - nudge, parts, known, places)
        assert found[f, k] == pytest.approx(rise / (2 * step), abs=1e-7)


@given(seeds, st.integers(1, 70), st.integers(1, 20))
def test_compiled_slopes_are_those_of_the_reference(seed: int, wide: int, components: int) -> None:
    gate, parts, known = drawn(seed, 50, wide, components)
    places = np.random.default_rng(seed).integers(0, 50, 64)
    ours, theirs = (slope(gate, FLOOR, parts, known, places, backend=backend) for backend in ("cpu", "reference"))
    np.testing.assert_allclose(ours, theirs, atol=1e-14, rtol=1e-10)


def test_a_fit_never_changes_its_back_end_on_the_way() -> None:
    """Left to choose, it waits for compiled code: sums in another order would make two fits differ."""
    gate, parts, known = drawn(1, 50, 20, 9)
    places = np.arange(50)
    chosen = slope(gate, FLOOR, parts, known, places)
    np.testing.assert_array_equal(chosen, slope(gate, FLOOR, parts, known, places, backend="cpu"))
    assert operation.COMPILED.chosen("auto", 0.0) is not None


@given(seeds, st.integers(1, 5), st.integers(1, 4))
def test_shares_are_a_softmax_with_a_floor(seed: int, wide: int, components: int) -> None:
    gate, _, known = drawn(seed, 6, wide, components)
    for floor in (0.0, FLOOR):
        found = opened(30 * gate, floor, known)
        loud = np.exp(np.longdouble(30 * known @ gate))
        expected = (1 - floor) * loud / loud.sum(1, keepdims=True) + floor / components
        np.testing.assert_allclose(found, expected.astype(np.float64), rtol=1e-9)
        assert found.min() >= floor / components * (1 - 1e-12)


def test_features_are_what_is_known_of_contexts() -> None:
    """Two orders of a chain, one further table, one thing remembered; of three places."""
    known = np.array([[0, 0, 0], [9, 4, 0], [3, 0, 0], [0, 0, 0], [2, 1, 0], [3, 0, 0]], np.float64)
    told = np.array([[0, 0.5, 2], [0, 0, 1]], np.float64)
    found = features(2, known, told)
    often = [[9, 3, 0], [4, 0, 0.5], [0, 0, 2]]
    kinds = [[2, 3, 0], [1, 0, 0], [0, 0, 1]]
    depth = [[0, 1], [0, 1], [1, 0]]
    expected = [
        [1, *np.log1p(o), *(x > 0 for x in o), *(n / max(x, 1) for n, x in zip(k, o, strict=True)),
         *(n == 1 for n in k), *d]
        for o, k, d in zip(often, kinds, depth, strict=True)
    ]  # fmt: skip
    np.testing.assert_allclose(found, expected)
    assert found.shape == (3, 1 + 4 * 3 + 2)


def test_calls_compile_nothing_that_is_not_listed() -> None:
    gate, parts, known = drawn(1, 50, 20, 9)
    for array in (None, gate, parts, known):
        if array is not None:
            array.flags.writeable = False
        slope(gate, FLOOR, parts, known, np.arange(9), backend="cpu")
    module = operation.COMPILED.wait()
    listed = [function for function, _ in module.KERNELS]
    assert all(len(function.signatures) == listed.count(function) for function in listed)


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)
