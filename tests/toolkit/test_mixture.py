"""Mixture weights: each round is no worse, and the last is the optimum."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyloom import concave
from polyloom.mixture import Mixture, mixture_optimum, mixture_weights


@st.composite
def likelihoods(draw: st.DrawFn) -> np.ndarray:
    """ln p_k(t), (K, T): components that differ wildly or hardly at all."""
    components, places = draw(st.integers(1, 8)), draw(st.sampled_from([1, 2, 5, 40, 300]))
    spread = 10 ** draw(st.floats(-6, 1.5))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    return np.log(rng.random((1, places))) + spread * rng.normal(size=(components, places))


def mean_log(weights: np.ndarray, given: np.ndarray) -> float:
    top = given.max(0)
    return float((np.log(weights @ np.exp(given - top)) + top).mean())


@given(likelihoods())
def test_weights_are_the_optimum(found: np.ndarray) -> None:
    """No component gains more than 1: by concavity that is the optimum (Karush, Kuhn and Tucker)."""
    weights = mixture_weights(found)
    chance = np.exp(found - found.max(0))
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    assert (chance / (weights @ chance)).mean(1).max() <= 1 + 1e-6


@settings(max_examples=30)
@given(likelihoods())
def test_no_round_makes_it_worse(found: np.ndarray) -> None:
    reached = []
    with pytest.MonkeyPatch.context() as patch:
        for rounds in range(12):
            patch.setattr(concave, "ROUNDS", rounds)
            reached.append(mean_log(mixture_weights(found), found))
    assert reached == sorted(reached) or np.diff(reached).min() > -1e-12


def test_two_weights_are_those_of_a_fine_grid() -> None:
    rng = np.random.default_rng(5)
    found = np.log(rng.random((2, 50)))
    grid = np.linspace(0, 1, 100_001)
    chance = np.exp(found)
    values = np.log(np.outer(grid, chance[0]) + np.outer(1 - grid, chance[1])).mean(1)
    assert mixture_weights(found)[0] == pytest.approx(grid[values.argmax()], abs=1e-4)


def test_a_closed_form() -> None:
    """Each place is possible under one component only: the weights are the shares of the places."""
    with np.errstate(divide="ignore"):
        found = np.log(np.repeat(np.eye(3), [5, 3, 2], axis=1))
    np.testing.assert_allclose(mixture_weights(found), [0.5, 0.3, 0.2], atol=1e-8)


def test_of_nothing_all_weights_are_equal() -> None:
    np.testing.assert_array_equal(mixture_weights(np.empty((4, 0))), [0.25] * 4)


def test_equal_components_keep_equal_weights() -> None:
    np.testing.assert_allclose(mixture_weights(np.log(np.full((3, 7), 0.2))), [1 / 3] * 3)


@given(likelihoods(), st.integers(0, 10**6))
def test_no_weights_gain_more_than_the_bound(found: np.ndarray, seed: int) -> None:
    """At any weights, early or late, and against any others."""
    rng = np.random.default_rng(seed)
    optimum, judge = mixture_optimum(found), Mixture(found)
    assert optimum.objective == pytest.approx(mean_log(optimum.weights, found), abs=1e-9)
    for weights in (optimum.weights, *rng.dirichlet(np.ones(len(found)), 3)):
        value, gain = judge(weights).value, float(np.log(judge(weights).slope.max()))
        assert value == pytest.approx(mean_log(weights, found), abs=1e-9)
        for other in (optimum.weights, *rng.dirichlet(np.full(len(found), 0.3), 5), *np.eye(len(found))):
            with np.errstate(divide="ignore"):
                assert mean_log(other, found) <= value + max(gain, 0) + 1e-9


def test_weights_that_make_a_token_impossible_are_worth_nothing() -> None:
    with np.errstate(divide="ignore"):
        judge = Mixture(np.log(np.array([[1.0, 0.0], [0.5, 0.5]])))
    assert judge(np.array([1.0, 0.0])).value == -np.inf
    assert judge(np.array([0.0, 1.0])).slope.max() == pytest.approx(1.0)


def test_slope_and_curve_are_those_of_the_definition() -> None:
    rng = np.random.default_rng(3)
    found, weights = np.log(rng.random((3, 50_000))), np.array([0.2, 0.3, 0.5])  # several strips
    point, step = Mixture(found)(weights), 1e-5 * np.eye(3)
    for k in range(3):
        ahead, behind = (Mixture(found)(weights + sign * step[k]) for sign in (1, -1))
        assert point.slope[k] == pytest.approx((ahead.value - behind.value) / 2e-5, abs=1e-6)
        np.testing.assert_allclose(point.curve[k], (behind.slope - ahead.slope) / 2e-5, atol=1e-5)


def test_a_component_that_one_token_in_many_needs_is_found_in_few_rounds() -> None:
    """Its weight must fall far and must not be lost, however impossible the token is for the others."""
    found = np.full((3, 20_000), -400.0)
    found[0, :-3], found[1, -3:-1], found[2, -1:] = 0.0, 0.0, 0.0
    optimum = mixture_optimum(found)
    np.testing.assert_allclose(optimum.weights, [1 - 3 / 20_000, 2 / 20_000, 1 / 20_000], rtol=1e-6)
    assert optimum.rounds < 20
    assert optimum.gain < 1e-9
