"""`route`: the reference is what one token does after another, compiled code is the reference."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom_kernels.route as face
from polyloom_kernels import _device
from polyloom_kernels.route import Routed, cpu, cuda, operation, reference, route

BACKENDS = ("reference", "cpu")


def scores_of(tokens: int, experts: int, kind: str = "float32", seed: int = 0) -> Any:
    """Sixteenths, so that many are equal and rounding never decides between two that are not."""
    drawn = np.random.default_rng(seed).normal(0, 2, (tokens, experts))
    return (np.round(drawn * 16) / 16).astype(kind)


def bias_of(experts: int, kind: str = "float32", seed: int = 0) -> Any:
    return (np.random.default_rng(seed + 1).integers(-3, 4, experts) / 32).astype(kind)


def by_hand(scores: Any, active: int, bias: Any, gate: str, normalise: bool) -> Routed:
    """Token by token, expert by expert, in float64."""
    chosen, weights = list[list[int]](), list[list[float]]()
    for row in scores.astype(np.float64).tolist():
        raised = [float(np.exp(score)) for score in row]
        chances = [e / sum(raised) if gate == "softmax" else e / (1 + e) for e in raised]
        wanted = [chance + float(b) for chance, b in zip(chances, bias, strict=True)]
        best = sorted(range(len(row)), key=lambda e: (-wanted[e], e))[:active]
        total = sum(chances[e] for e in best) if normalise else 1.0
        chosen.append(best)
        weights.append([chances[e] / total for e in best])
    flat = [expert for row in chosen for expert in row]
    order = sorted(range(len(flat)), key=lambda n: (flat[n], n))
    inverse = [order.index(n) for n in range(len(flat))]
    offsets = [sum(expert < e for expert in flat) for e in range(scores.shape[1] + 1)]
    shape = (len(scores), active)
    return Routed(
        np.array(chosen, np.int64).reshape(shape),
        np.array(weights).reshape(shape),
        *(np.array(found, np.int64) for found in (order, inverse, offsets)),
    )


def same(found: Routed, expected: Routed, near: float = 2e-6) -> None:
    for name in ("chosen", "order", "inverse", "offsets"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), name)
        assert getattr(found, name).dtype == np.int64
    np.testing.assert_allclose(found.weights, expected.weights, rtol=near, atol=1e-30)


@settings(max_examples=150)
@given(
    tokens=st.integers(0, 40),
    experts=st.integers(1, 33),
    share=st.floats(0, 1),
    gate=st.sampled_from(["softmax", "sigmoid"]),
    normalise=st.booleans(),
    biased=st.booleans(),
    kind=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_every_token_goes_where_it_wants_to(
    tokens: int, experts: int, share: float, gate: Any, normalise: bool, biased: bool, kind: str, seed: int
) -> None:
    scores, active = scores_of(tokens, experts, kind, seed), max(1, round(share * experts))
    bias = bias_of(experts, kind, seed) if biased else None
    asked = (scores, active, bias, gate, normalise)
    expected = route(*asked, backend="reference")
    same(route(*asked, backend="cpu"), expected)
    assert expected.weights.dtype == kind
    added = np.zeros(experts) if bias is None else bias
    same(expected, by_hand(scores, active, added, gate, normalise))


@pytest.mark.parametrize("backend", BACKENDS)
def test_two_tokens_by_hand(backend: Any) -> None:
    scores = np.log(np.array([[1, 2, 5], [6, 1, 3]], np.float32))
    found = route(scores, 2, normalise=False, backend=backend)
    assert found.chosen.tolist() == [[2, 1], [0, 2]]
    np.testing.assert_allclose(found.weights, [[5 / 8, 2 / 8], [6 / 10, 3 / 10]], rtol=1e-6)
    assert found.order.tolist() == [2, 1, 0, 3]  # expert 0: token 1; expert 1: token 0; expert 2: both
    assert found.inverse.tolist() == [2, 1, 0, 3]
    assert found.offsets.tolist() == [0, 1, 2, 4]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_bias_moves_the_choice_and_no_weight(backend: Any) -> None:
    scores = np.log(np.array([[1, 2, 5]], np.float32))
    moved = route(scores, 1, np.array([0.6, 0, 0], np.float32), normalise=False, backend=backend)
    assert moved.chosen.tolist() == [[0]]
    np.testing.assert_allclose(moved.weights, [[1 / 8]], rtol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_experts_are_banned_and_forced(backend: Any) -> None:
    scores = scores_of(20, 6)
    steer = np.array([0, -np.inf, 0, np.inf, 0, 0], np.float32)
    chosen = route(scores, 3, steer, backend=backend).chosen
    assert (chosen[:, 0] == 3).all()
    assert not (chosen == 1).any()


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_ties_go_to_the_lower_number(backend: Any, gate: Any) -> None:
    found = route(np.zeros((3, 10), np.float32), 4, gate=gate, backend=backend)
    assert found.chosen.tolist() == [[0, 1, 2, 3]] * 3
    assert found.offsets.tolist() == [0, 3, 6, 9, 12, 12, 12, 12, 12, 12, 12]
    np.testing.assert_allclose(found.weights, 0.25)


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
def test_scores_far_apart_are_told_apart_to_the_end_of_float32(gate: Any) -> None:
    scores = np.array([[-100, 3, -95, -90, -102, -300], [88, -1e30, 3e38, 0, 1, 87]], np.float32)
    for backend in BACKENDS:
        found = route(scores[:1], 5, gate=gate, normalise=False, backend=backend)
        assert found.chosen.tolist() == [[1, 3, 2, 0, 4]]
        assert np.isfinite(route(scores, 5, gate=gate, backend=backend).weights).all()


@pytest.mark.parametrize("gate", ["softmax", "sigmoid"])
@pytest.mark.parametrize("backend", BACKENDS)
def test_what_is_no_number_still_goes_to_different_experts_that_there_are(backend: Any, gate: Any) -> None:
    scores = scores_of(60, 7)
    for value in (np.nan, np.inf, -np.inf):
        scores[np.random.default_rng(0).random(scores.shape) < 0.4] = value
    found = operation.routed(scores, 4, np.zeros(7, np.float32), gate, True, backend)
    assert all(len(set(row)) == 4 and min(row) >= 0 and max(row) < 7 for row in found.chosen.tolist())
    np.testing.assert_array_equal(np.sort(found.order), np.arange(240))


def test_numpy_serves_until_the_compiled_code_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def chosen(self, backend: str) -> None:
            assert backend == "auto"

    monkeypatch.setattr(operation, "COMPILED", Never())
    scores = scores_of(3, 4)
    same(route(scores, 2), reference.route(scores, 2, np.zeros(4, np.float32), "softmax", True), 0)


def test_one_compiled_function_serves_all() -> None:
    for scores in (scores_of(4, 6), scores_of(4, 6)[::-1], scores_of(8, 12)[:, ::2]):
        scores.flags.writeable = False
        route(scores, 2, backend="cpu")
        route(scores, 2, bias_of(12)[::2], "sigmoid", False, backend="cpu")
    assert len(cpu.route.signatures) == 1


FLOATS = np.zeros((2, 4), np.float32)
WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"scores": [[1.0]]}, TypeError, "scores must be .* got a list"),
    ({"scores": None}, TypeError, "got a NoneType"),
    ({"scores": np.zeros((2, 4), np.int64)}, TypeError, "got int64"),
    ({"scores": np.zeros(4, np.float32)}, ValueError, r"scores \(N, E\) of at least one expert, got \(4,\)"),
    ({"scores": np.zeros((4, 0), np.float32)}, ValueError, "at least one expert"),
    ({"scores": FLOATS + np.float32("nan")}, ValueError, "finite scores"),
    ({"scores": FLOATS - np.float32("inf")}, ValueError, "finite scores"),
    ({"active": 0}, ValueError, "from 1 to 4, .* got 0"),
    ({"active": 5}, ValueError, "from 1 to 4, .* got 5"),
    ({"active": True}, ValueError, "got True"),
    ({"active": 2.0}, ValueError, "got 2.0"),
    ({"active": "2"}, ValueError, "got '2'"),
    ({"gate": "relu"}, ValueError, "Unknown gate 'relu'; there are 'softmax' and 'sigmoid'"),
    ({"bias": np.zeros(3, np.float32)}, ValueError, r"bias \(4,\) of float32 .*; got float32 \(3,\)"),
    ({"bias": np.zeros(4)}, ValueError, r"got float64 \(4,\)"),
    ({"bias": np.full(4, np.nan, np.float32)}, ValueError, "without NaN"),
    ({"bias": [0, 0, 0, 0]}, TypeError, "bias must be .* got a list"),
    ({"backend": "gpu"}, ValueError, "Unknown back end 'gpu'"),
]


@pytest.mark.parametrize(("change", "error", "message"), WRONG)
def test_what_does_not_fit_is_refused(change: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        route(**({"scores": FLOATS, "active": 2} | change))


@pytest.mark.skipif(_device.usable(), reason="there is a GPU here")
def test_without_a_gpu_it_says_why() -> None:
    with pytest.raises(RuntimeError, match='"cuda" cannot be used: torch'):
        route(FLOATS, 2, backend="cuda")


@pytest.mark.parametrize(
    ("tokens", "experts", "active", "fit"),
    [
        (9, 512, 32, True),
        (9, 513, 2, False),
        (9, 64, 33, False),
        (9, 4, 5, False),
        (9, 4, 0, False),
        (2**25, 64, 2, False),
    ],
)
def test_what_fits_a_gpu(tokens: int, experts: int, active: int, fit: bool) -> None:
    assert cuda.fits(tokens, experts, active) is fit


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)
