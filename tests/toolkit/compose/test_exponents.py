"""The search for exponents: the top of a concave function in a box, against closed forms, grids and differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom.compose import exponents
from polyloom.compose.exponents import Point, log_pool, maximise


def quadratic(top: np.ndarray, curve: np.ndarray) -> object:
    """−½ (w − top)ᵀ curve (w − top)."""
    return lambda w: Point(w, -0.5 * float((w - top) @ curve @ (w - top)), -curve @ (w - top), curve)


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
    point = log_pool(lambda: found)(weights)
    assert point.value == pytest.approx(objective(weights, found), abs=1e-12)
    step = 1e-5 * np.eye(layers)
    for k in range(layers):
        ahead, behind = (log_pool(lambda: found)(weights + sign * step[k]) for sign in (1, -1))
        assert point.slope[k] == pytest.approx((ahead.value - behind.value) / 2e-5, abs=1e-6)
        np.testing.assert_allclose(point.curve[k], (behind.slope - ahead.slope) / 2e-5, atol=1e-5)


@given(st.integers(0, 10**6), st.integers(1, 5), st.booleans())
def test_a_quadratic_in_a_box(seed: int, dimensions: int, flat: bool) -> None:
    """At the top no slope leads into the box: the conditions of Karush, Kuhn and Tucker."""
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(1 if flat else dimensions, dimensions))
    curve = root.T @ root
    judge = quadratic(3 * rng.normal(size=dimensions), curve)
    low, high = np.zeros(dimensions), np.full(dimensions, 2.0)
    start = rng.uniform(0, 2, dimensions)
    found = maximise(judge, start, low, high)
    slope = judge(found.weights).slope
    assert ((found.weights >= low) & (found.weights <= high)).all()
    assert (slope[found.weights > low] > -1e-6).all()
    assert (slope[found.weights < high] < 1e-6).all()
    assert found.objective >= judge(start).value
    assert found.rounds < 30


@settings(max_examples=40)
@given(st.integers(0, 10**6), st.sampled_from([0.01, 1.0, 4.0]))
def test_no_point_of_a_grid_is_above_the_bound(seed: int, spread: float) -> None:
    found = blocks(seed, 2, 12, spread=spread)
    low, high = np.zeros(2), np.full(2, 10.0)
    start = np.array([1.0, 1.0])
    best = maximise(log_pool(lambda: found), start, low, high)
    assert best.objective == pytest.approx(objective(best.weights, found), abs=1e-12)
    assert best.objective >= objective(start, found) - 1e-15
    assert best.gain <= 1e-6
    for one in np.linspace(0, 10, 26):
        for two in np.linspace(0, 10, 26):
            assert objective(np.array([one, two]), found) <= best.objective + best.gain + 1e-12


def test_the_bound_holds_wherever_the_search_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    found = blocks(3, 3, 40)
    low, high = np.zeros(3), np.full(3, 10.0)
    best = maximise(log_pool(lambda: found), np.full(3, 5.0), low, high)
    reached = []
    for rounds in range(8):
        monkeypatch.setattr(exponents, "ROUNDS", rounds)
        early = maximise(log_pool(lambda: found), np.full(3, 5.0), low, high)
        assert early.objective + early.gain >= best.objective - 1e-12
        reached.append(early.objective)
    assert reached == sorted(reached)


def test_layers_that_agree_entirely_are_no_trouble() -> None:
    logs, tokens = blocks(4, 1, 30)[0]
    twice = [(np.concatenate([logs, logs]), tokens)]
    one = maximise(log_pool(lambda: [(logs, tokens)]), np.ones(1), np.zeros(1), np.full(1, 10.0))
    two = maximise(log_pool(lambda: twice), np.ones(2), np.zeros(2), np.full(2, 10.0))
    assert two.objective == pytest.approx(one.objective, abs=1e-9)
    assert two.weights.sum() == pytest.approx(one.weights.sum(), abs=1e-4)
