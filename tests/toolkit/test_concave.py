"""The top of a concave function in a box or on a simplex: the conditions that only the top meets, and a true bound."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom import concave
from polyloom.concave import Point, Region, maximise, simplex
from polyloom.quadratic import RIDGE, summit

Floats = np.ndarray


def quadratic(top: Floats, curve: Floats) -> object:
    """−½ (w − top)ᵀ curve (w − top)."""
    return lambda w: Point(w, -0.5 * float((w - top) @ curve @ (w - top)), -curve @ (w - top), curve)


def drawn(rng: np.random.Generator, dimensions: int, flat: bool) -> Floats:
    root = rng.normal(size=(1 if flat else dimensions, dimensions)) * 10 ** rng.uniform(-2, 2, dimensions)
    return root.T @ root


@given(st.integers(0, 10**6), st.integers(1, 12), st.booleans(), st.booleans())
def test_the_summit_of_a_quadratic_meets_the_conditions_of_karush_kuhn_and_tucker(
    seed: int, dimensions: int, flat: bool, level: bool
) -> None:
    """At a bound the slope may lead out; elsewhere it is 0, or the price of a unit of the sum."""
    rng = np.random.default_rng(seed)
    curve, slope = drawn(rng, dimensions, flat), rng.normal(size=dimensions)
    low, high = -rng.uniform(0, 1, dimensions) * rng.integers(0, 2, dimensions), rng.uniform(0, 1, dimensions)
    if level:
        low[0], high = -0.5, np.full(dimensions, np.inf)
    step = summit(curve, slope, low, high, level)
    assert ((step >= low) & (step <= high)).all()
    rest = slope - (curve + np.diag(RIDGE[0] * curve.diagonal() + RIDGE[1])) @ step
    price = 0.0
    if level:
        assert abs(step.sum()) < 1e-9
        price = float(rest[step > low + 1e-12].mean())
    close = 1e-5 * (1 + abs(price))
    assert (rest[step > low + 1e-9] - price > -close).all()
    assert (rest[step < high - 1e-9] - price < close).all()


@given(st.integers(0, 10**6), st.integers(1, 5), st.booleans(), st.booleans())
def test_a_quadratic_in_a_region(seed: int, dimensions: int, flat: bool, level: bool) -> None:
    rng = np.random.default_rng(seed)
    judge = quadratic(3 * rng.normal(size=dimensions), drawn(rng, dimensions, flat))
    region = simplex(dimensions) if level else Region(np.zeros(dimensions), np.full(dimensions, 2.0))
    start = rng.dirichlet(np.ones(dimensions)) if level else rng.uniform(0, 2, dimensions)
    found = maximise(judge, start, region)
    assert found.objective >= judge(start).value
    scale = max(1.0, abs(judge(start).value))
    assert found.gain <= 1e-6 * scale
    assert maximise(judge, start, region, 1e-10 * scale).rounds < 30, "below that the slope rounds too"
    for _ in range(20):
        other = rng.dirichlet(np.ones(dimensions)) if level else rng.uniform(0, 2, dimensions)
        assert judge(other).value <= found.objective + found.gain + 1e-9


def test_the_bound_holds_wherever_the_search_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    def judge(w: Floats) -> Point:
        """Σ ln(w + 0.1 k): steep at one side."""
        shift = 0.1 * np.arange(1, 4)
        return Point(w, float(np.log(w + shift).sum()), 1 / (w + shift), np.diag(1 / (w + shift) ** 2))

    best = maximise(judge, np.array([0.98, 0.01, 0.01]), simplex(3))
    reached = []
    for rounds in range(8):
        monkeypatch.setattr(concave, "ROUNDS", rounds)
        early = maximise(judge, np.array([0.98, 0.01, 0.01]), simplex(3))
        assert early.objective + early.gain >= best.objective - 1e-12
        reached.append(early.objective)
    assert reached == sorted(reached)


def test_a_weight_keeps_a_part_of_itself_in_a_step() -> None:
    judge = quadratic(np.array([-5.0, 1.0]), np.eye(2))
    point = judge(np.array([0.5, 0.5]))
    np.testing.assert_allclose(simplex(2).step(point), [-0.5, 0.5], atol=1e-9)
    np.testing.assert_allclose(simplex(2, 0.01).step(point), [-0.495, 0.495], atol=1e-9)
