"""`experts`: the reference is what each token gets from its experts one by one, compiled code is the reference."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom_kernels.experts as face
from polyloom_kernels.experts import cpu, experts, operation, reference

BACKENDS = ("reference", "cpu")


class Layer:
    """Random tokens, experts and choices; a token may choose an expert twice, and an expert may go without."""

    def __init__(
        self, tokens: int, count: int, each: int, width: int, size: int, kind: str = "float32", seed: int = 0
    ) -> None:
        rng = np.random.default_rng(seed)
        self.x = rng.standard_normal((tokens, width), dtype=np.float32)
        self.worth = [
            rng.standard_normal(shape, dtype=np.float32) / np.float32(np.sqrt(shape[2]))
            for shape in ((count, size, width), (count, size, width), (count, width, size))
        ]
        self.matrices: list[Any] = self.worth
        if kind == "bfloat16":
            self.matrices = [(matrix.view(np.uint32) >> 16).astype(np.uint16) for matrix in self.worth]
            self.worth = [(matrix.astype(np.uint32) << 16).view(np.float32) for matrix in self.matrices]
        self.chosen = rng.integers(0, count, (tokens, each))
        self.weights = rng.random((tokens, each), dtype=np.float32)

    def ask(self, backend: Any, tokens: slice = slice(None)) -> np.ndarray:
        return experts(self.x[tokens], *self.matrices, self.chosen[tokens], self.weights[tokens], backend=backend)

    def defined(self) -> np.ndarray:
        """Σ_j weight · expert(x), in float64, choice by choice."""
        out = np.zeros(self.x.shape)
        gate, up, down = (matrix.astype(np.float64) for matrix in self.worth)
        for token, choice in np.ndindex(*self.chosen.shape):
            expert, x = self.chosen[token, choice], self.x[token].astype(np.float64)
            opened = gate[expert] @ x
            hidden = opened / (1 + np.exp(-opened)) * (up[expert] @ x)
            out[token] += float(self.weights[token, choice]) * (down[expert] @ hidden)
        return out


@settings(max_examples=60)
@given(
    st.builds(
        Layer,
        tokens=st.integers(0, 40),
        count=st.integers(1, 9),
        each=st.integers(1, 4),
        width=st.integers(1, 70),
        size=st.integers(1, 70),
        kind=st.sampled_from(["float32", "bfloat16"]),
        seed=st.integers(0, 99),
    )
)
def test_every_token_gets_what_its_experts_say(layer: Layer) -> None:
    expected = layer.defined()
    for backend in BACKENDS:
        found = layer.ask(backend)
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=3e-5)


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
@pytest.mark.parametrize("tokens", [1, 2, 3, 4, 5, 6, 7, 8, 13, 64])
def test_one_expert_takes_all_who_come(tokens: int, kind: str) -> None:
    layer = Layer(tokens, 1, 1, 128, 96, kind)
    np.testing.assert_allclose(layer.ask("cpu"), layer.defined(), rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("kind", ["float32", "bfloat16"])
def test_a_token_gets_the_same_bits_whoever_else_is_there(kind: str) -> None:
    layer = Layer(33, 5, 2, 75, 61, kind)
    together = layer.ask("cpu")
    for n in range(33):
        np.testing.assert_array_equal(layer.ask("cpu", slice(n, n + 1))[0], together[n])
    np.testing.assert_array_equal(layer.ask("cpu", slice(None, None, -1)), together[::-1])


def test_experts_that_nobody_chose_are_not_read() -> None:
    layer = Layer(6, 4, 2, 20, 10)
    layer.chosen %= 2
    expected = layer.defined()
    for matrix in layer.matrices:
        matrix[2:] = np.nan
    for backend in BACKENDS:
        np.testing.assert_allclose(layer.ask(backend), expected, rtol=1e-4, atol=2e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_matrices_may_be_parts_of_one_array(backend: Any) -> None:
    layer = Layer(9, 3, 2, 20, 10)
    expected, (gate, up, down) = layer.ask(backend), layer.matrices
    both = np.concatenate([gate, up], 1)  # (E, 2 f, d), as some checkpoints keep them
    found = experts(layer.x, both[:, :10], both[:, 10:], down, layer.chosen, layer.weights, backend=backend)
    np.testing.assert_array_equal(found, expected)


def test_large_and_small_gates_stay_finite() -> None:
    layer = Layer(4, 2, 1, 16, 8)
    layer.x *= 150
    for backend in BACKENDS:
        np.testing.assert_allclose(layer.ask(backend), layer.defined(), rtol=1e-3, atol=1)


def test_numpy_serves_until_the_compiled_code_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    class Never:
        def chosen(self, backend: str) -> None:
            assert backend == "auto"

    monkeypatch.setattr(operation, "COMPILED", Never())
    layer = Layer(5, 3, 2, 12, 9)
    expected = reference.experts(layer.x, *layer.matrices, layer.chosen, layer.weights)
    np.testing.assert_array_equal(layer.ask("auto"), expected)


def test_one_compiled_function_serves_all() -> None:
    for kind in ("float32", "bfloat16"):
        layer = Layer(5, 3, 2, 12, 9, kind)
        for part in (layer.x, layer.weights):
            part.flags.writeable = False
        layer.chosen = layer.chosen.astype(np.int32)
        layer.ask("cpu")
    assert len(cpu.experts.signatures) == 1


GIVEN = ("x", "gate", "up", "down", "chosen", "weights")
WRONG: list[tuple[str, Any, str]] = [
    ("x", lambda a: a.astype(np.float64), "Expected float32 tokens"),
    ("x", lambda a: a[0], "Expected float32 tokens"),
    ("gate", lambda a: a[:, :, :-1], r"Expected gates \(E, f, 12\)"),
    ("gate", lambda a: a[:0], "at least one expert"),
    ("up", lambda a: a[:, :-1], r"up: expected float32 or uint16 of shape \(3, 9, 12\)"),
    ("down", lambda a: a.astype(np.float16), "down: .*got float16"),
    ("down", lambda a: a.view(np.uint32).astype(np.uint16), "all three alike"),
    ("up", lambda a: np.asfortranarray(a), "row after row"),
    ("chosen", lambda a: a[:-1], r"chosen experts and weights \(5, k\)"),
    ("chosen", lambda a: a.astype(np.float32), "got float32"),
    ("chosen", lambda a: a + 1, "from 0 to 2, got . … 3"),
    ("chosen", lambda a: a - 1, "from 0 to 2, got -1"),
    ("weights", lambda a: a[:, :1], "chosen experts and weights"),
]


@pytest.mark.parametrize(("name", "change", "message"), WRONG)
def test_what_does_not_fit_is_refused(name: str, change: Any, message: str) -> None:
    layer = Layer(5, 3, 2, 12, 9)
    layer.chosen = np.array([[0, 1], [1, 2], [2, 0], [0, 2], [1, 1]])
    arrays = dict(zip(GIVEN, (layer.x, *layer.matrices, layer.chosen, layer.weights), strict=True))
    arrays[name] = change(arrays[name])
    with pytest.raises(ValueError, match=message):
        experts(**arrays)


def test_an_unknown_back_end_is_named() -> None:
    with pytest.raises(ValueError, match="Unknown back end 'gpu'"):
        Layer(1, 1, 1, 2, 2).ask("gpu")


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)
