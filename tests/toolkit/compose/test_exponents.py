"""The objective of exponents: its derivatives against differences, and its top in a box against a grid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom.compose import exponents
from polyloom.compose.exponents import judged
from polyloom.concave import Optimum, Region, maximise


def best(found: list[exponents.Block], start: np.ndarray) -> Optimum:
    """The top between 0 and 10."""
    box = Region(np.zeros(len(start)), np.full(len(start), 10.0))
    return maximise(lambda weights: judged(weights, found), start, box)


def blocks(seed: int, layers: int, places: int, size: int = 4, spread: float = 2.0) -> list[exponents.Block]:
    rng = np.random.default_rng(seed)
    logs = spread * rng.normal(size=(layers, places, size))
    logs -= np.log(np.exp(logs).sum(-1, keepdims=True))
    half = places // 2
    tokens = rng.integers(0, size, places)
    return [(logs[:, :half], tokens[:half]), (logs[:, half:], tokens[half:])]


def objective(weights: np.ndarray, given_blocks: list[exponents.Block]) -> float:
    """The definition, place by place."""
    values = []
    for logs, tokens in given_blocks:
        for place, token in enumerate(tokens):
            scores = weights @ logs[:, place]
            values.append(scores[token] - np.log(np.exp(scores).sum()))
    return float(np.mean(values))


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_slope_and_curve_are_those_of_the_definition(seed: int, layers: int) -> None:
    found = blocks(seed, layers, 6)
    weights = np.random.default_rng(seed).normal(size=layers)
    point = judged(weights, found)
    assert point.value == pytest.approx(objective(weights, found), abs=1e-12)
    step = 1e-5 * np.eye(layers)
    for k in range(layers):
        ahead, behind = (judged(weights + sign * step[k], found) for sign in (1, -1))
        assert point.slope[k] == pytest.approx((ahead.value - behind.value) / 2e-5, abs=1e-6)
        np.testing.assert_allclose(point.curve[k], (behind.slope - ahead.slope) / 2e-5, atol=1e-5)


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.01, 1.0, 4.0]))
def test_no_point_of_a_grid_is_above_the_bound(seed: int, spread: float) -> None:
    found = blocks(seed, 2, 12, spread=spread)
    start = np.array([1.0, 1.0])
    top = best(found, start)
    assert top.objective == pytest.approx(objective(top.weights, found), abs=1e-12)
    assert top.objective >= objective(start, found) - 1e-15
    assert top.gain <= 1e-6
    for one in np.linspace(0, 10, 26):
        for two in np.linspace(0, 10, 26):
            assert objective(np.array([one, two]), found) <= top.objective + top.gain + 1e-12


def test_layers_that_agree_entirely_are_no_trouble() -> None:
    logs, tokens = blocks(4, 1, 30)[0]
    one, two = best([(logs, tokens)], np.ones(1)), best([(np.concatenate([logs, logs]), tokens)], np.ones(2))
    assert two.objective == pytest.approx(one.objective, abs=1e-9)
    assert two.weights.sum() == pytest.approx(one.weights.sum(), abs=1e-4)
