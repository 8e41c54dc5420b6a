"""`recall` and `touched`: the reference is what a dictionary adds up, compiled code is the reference bit for bit."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom_kernels.recall as face
from polyloom_kernels._device import usable
from polyloom_kernels.recall import (
    LONGEST,
    UNIT,
    Store,
    fixed,
    likelihood,
    log_likelihood,
    operation,
    pack,
    recall,
    recall_many,
    stack,
    touched,
)
from polyloom_kernels.shim import Shim, build

Row = dict[int, float]
WHOLE = 127 / 128  # nats: as the largest weight of a row it makes steps of exactly 1/128, so nothing is rounded


def store_of(rows: dict[tuple[int, int], Row], bias: list[float], window: int) -> Store:
    """A store from (token, distance) → {target: weight}, and a bias in nats."""
    listed = [rows.get((token, distance), {}) for token in range(len(bias)) for distance in range(1, window + 1)]
    starts = np.cumsum([0, *map(len, listed)])
    targets = np.array([target for row in listed for target in row], np.int64)
    weights = np.array([weight for row in listed for weight in row.values()])
    return pack(starts, targets, weights, np.rint(np.array(bias) * UNIT).astype(np.int32), window)


@st.composite
def stores(draw: st.DrawFn) -> Store:
    size, window = draw(st.integers(1, 8)), draw(st.integers(1, 4))
    bias = draw(st.lists(st.sampled_from([-1.0, -2.0, -2.5]), min_size=size, max_size=size))
    posting = st.dictionaries(st.integers(0, size - 1), st.sampled_from([0.01, 0.5, 0.5, 1.0, 7.3, 126.9]), max_size=8)
    places = st.tuples(st.integers(0, size - 1), st.integers(1, window))
    layers = draw(st.lists(st.dictionaries(places, posting, max_size=20), min_size=1, max_size=3))
    return stack([store_of(rows, bias, window) for rows in layers])


@st.composite
def questions(draw: st.DrawFn) -> tuple[Store, Any, Any, int]:
    store = draw(stores())
    text = draw(st.lists(st.integers(0, store.size - 1), max_size=12))
    weights = draw(st.lists(st.sampled_from([1, -1, 0, 0.5, -0.3, 2]), min_size=store.layers, max_size=store.layers))
    return store, np.array(text, np.int64), fixed(weights), draw(st.integers(1, store.size + 2))


def added(store: Store, context: list[int], weights: list[int]) -> dict[int, int]:
    """The sums as the docstring of the operation defines them, in Python's integers."""
    sums: dict[int, int] = {}
    for distance, token in enumerate(context[::-1][: store.window], 1):
        for layer, weight in enumerate(weights):
            targets, steps, scale = store.row(token, distance, layer)
            for target, step in zip(targets.tolist(), steps.tolist(), strict=True):
                sums[target] = sums.get(target, 0) + (scale * weight // 2**16 * step) // 2**8
    return sums


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@settings(max_examples=200)
@given(question=questions())
def test_the_best_are_those_of_a_dictionary(backend: Any, question: tuple[Store, Any, Any, int]) -> None:
    store, text, weights, k = question
    sums = added(store, text.tolist(), weights.tolist())
    scores = {token: int(store.bias[token]) + sums.get(token, 0) for token in range(store.size)}
    expected = sorted(scores, key=lambda token: (-scores[token], token))[:k]
    found = recall(store, text, k, weights, backend=backend)
    assert found.tokens.tolist() == expected
    assert found.scores.tolist() == [scores[token] for token in expected]
    assert (found.tokens.dtype, found.scores.dtype) == (np.int64, np.int32)


@pytest.mark.long
@pytest.mark.parametrize("backend", ["reference", "cpu"])
@settings(max_examples=200)
@given(question=questions(), data=st.data())
def test_what_each_place_touches(backend: Any, question: tuple[Store, Any, Any, int], data: st.DataObject) -> None:
    store, text, weights, _ = question
    first = data.draw(st.integers(0, len(text) + 1))
    last = data.draw(st.integers(first, len(text) + 1))
    found = touched(store, text, first, last, weights, backend=backend)
    parts = [slice(*edge) for edge in pairwise(found.starts.tolist())]
    assert len(parts) == last - first
    for place, part in zip(range(first, last), parts, strict=True):
        sums = added(store, text[:place].tolist(), weights.tolist())
        assert found.tokens[part].tolist() == list(sums)
        assert found.sums[part].tolist() == list(sums.values())
    assert (found.starts.dtype, found.tokens.dtype, found.sums.dtype) == (np.int64, np.int64, np.int32)


@pytest.mark.parametrize("size", [40, 2**16, 2**16 + 1])
@pytest.mark.parametrize("k", [1, 7, 40, 300])
def test_back_ends_agree_on_wide_rows_and_large_vocabularies(size: int, k: int) -> None:
    rng = np.random.default_rng(size)
    rows = {
        (token, distance): dict(zip(rng.choice(size, 30, replace=False).tolist(), rng.random(30) + 0.1, strict=True))
        for token in rng.integers(0, size, 30).tolist()
        for distance in (1, 2, 3)
    }
    one = store_of(rows, (-rng.random(size)).tolist(), 3)
    store = stack([one, one, one])
    context = np.array([token for token, _ in rows], np.int64)
    for weights in (fixed([1, 0.5, -0.2]), fixed([1, -1, 0]), fixed([0, 0, 0])):
        ours, theirs = (recall(store, context, k, weights, backend=backend) for backend in ("cpu", "reference"))
        np.testing.assert_array_equal(ours.tokens, theirs.tokens)
        np.testing.assert_array_equal(ours.scores, theirs.scores)


@pytest.mark.parametrize("backend", ["auto", "reference", "cpu"])
def test_a_sum_that_returns_to_zero_is_still_touched_once(backend: Any) -> None:
    one = store_of({(0, 1): {1: 1 / 128, 2: WHOLE}}, [-1.0, -1.0, -1.0], 1)
    store, against = stack([one, one]), fixed([1, -1])
    found = touched(store, np.array([0]), 1, 2, against, backend=backend)
    assert (found.tokens.tolist(), found.sums.tolist()) == ([1, 2], [0, 0])
    assert recall(store, np.array([0]), 3, against, backend=backend).tokens.tolist() == [0, 1, 2]


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_untouched_tokens_compete_and_ties_go_to_the_smaller_id(backend: Any) -> None:
    store = store_of({(3, 1): {2: WHOLE}}, [-3.0, -2.0, -2.0 - WHOLE, -2.0], 1)
    found = recall(store, np.array([3]), 4, backend=backend)
    assert found.tokens.tolist() == [1, 2, 3, 0]
    assert found.scores[:3].tolist() == [-2 * UNIT] * 3


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_without_context_there_is_the_bias(backend: Any) -> None:
    store = store_of({(0, 1): {1: 1.0}}, [-1.0, -2.0], 2)
    nothing = np.empty(0, np.int64)
    assert recall(store, nothing, 5, backend=backend).scores.tolist() == [-UNIT, -2 * UNIT]
    assert touched(store, nothing, 0, 1, backend=backend).starts.tolist() == [0, 0]
    assert touched(store, nothing, 0, 0, backend=backend).starts.tolist() == [0]


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_only_the_window_is_read(backend: Any) -> None:
    store = store_of({(0, d): {1: 1.0} for d in (1, 2)}, [-1.0, -1.0], 2)
    long, short = np.zeros(50, np.int64), np.zeros(2, np.int64)
    ours, theirs = recall(store, long, 2, backend=backend), recall(store, short, 2, backend=backend)
    assert ours.scores.tolist() == theirs.scores.tolist()


def test_a_store_without_rows_serves() -> None:
    store = store_of({}, [-1.0, -0.5], 3)
    for backend in ("reference", "cpu"):
        assert recall(store, np.array([0, 1]), 2, backend=backend).tokens.tolist() == [1, 0]
        assert len(touched(store, np.array([0, 1]), 0, 3, backend=backend).tokens) == 0


@given(st.dictionaries(st.integers(0, 299), st.floats(1e-6, 126.9), min_size=1, max_size=LONGEST))
def test_packing_keeps_a_weight_within_half_a_step(row: Row) -> None:
    store = store_of({(7, 2): row}, [-1.0] * 300, 2)
    targets, steps, scale = store.row(7, 2)
    assert targets.tolist() == list(row)
    step = scale / 2**24
    assert step <= max(row.values()) / 127 + 2**-24
    for weight, found in zip(row.values(), steps.tolist(), strict=True):
        assert 1 <= found <= 127
        assert abs(found * step - weight) <= max(step, 2**-24 * 127)
    assert store.row(7, 1)[2] == store.row(6, 2)[2] == 0


def test_rows_start_at_cache_lines_and_cannot_be_written() -> None:
    store = stack([store_of({(0, 1): {1: 1.0}, (1, 1): {0: 2.0}}, [-1.0, -1.0], 1)] * 2)
    assert store.arena.ctypes.data % 64 == 0
    assert store.nbytes == 4 * 8 + 4 * 64
    for array in (store.bias, store.table, store.arena, store.targets, store.weights, store.by_bias):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_stacked_layers_keep_their_order_and_may_get_another_bias() -> None:
    first, second = (store_of({(0, 1): {1: weight}}, [-1.0, -1.0], 1) for weight in (1.0, 4.0))
    bias = np.array([5, 6], np.int32)
    store = stack([stack([first, second]), first], bias)
    assert store.layers == 3
    for layer, one in enumerate((first, second, first)):
        assert store.row(0, 1, layer)[2] == one.row(0, 1)[2]
    bias[0] = 9
    assert store.bias.tolist() == [5, 6]


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_sums_that_might_not_fit_are_refused(backend: Any) -> None:
    store = store_of({(0, d): {0: 126.0} for d in range(1, 5)}, [-1.0], 4)
    text = np.zeros(4, np.int64)
    assert recall(store, text, 1, fixed([30]), backend=backend).scores[0] == pytest.approx(UNIT * (30 * 504 - 1), 1e-4)
    with pytest.raises(ValueError, match=r"±16,384 nats.*Lower the layer weights"):
        recall(store, text, 1, fixed([33]), backend=backend)
    with pytest.raises(ValueError, match="Lower the layer weights"):
        touched(store, text, 0, 5, fixed([-33]), backend=backend)
    assert recall(store, text, 1, fixed([1]), backend=backend).scores[0] > 0  # what was refused left nothing behind


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_what_cannot_be_asked_is_refused(backend: Any) -> None:
    store = store_of({}, [-1.0, -1.0], 2)
    for context in ([2], [-1], [0, 5]):
        with pytest.raises(ValueError, match="from 0 to 1"):
            recall(store, np.array(context), backend=backend)
        with pytest.raises(ValueError, match="from 0 to 1"):
            touched(store, np.array(context), 0, len(context) + 1, backend=backend)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        recall(store, np.array([0]), 0, backend=backend)
    with pytest.raises(ValueError, match="Expected 1 layer weights"):
        recall(store, np.array([0]), 1, fixed([1, 1]), backend=backend)
    for places in ((-1, 0), (1, 0), (0, 3)):
        with pytest.raises(ValueError, match="places from 0 to 2"):
            touched(store, np.array([0]), *places, backend=backend)


def test_an_unknown_back_end_is_named() -> None:
    with pytest.raises(ValueError, match="Unknown back end 'gpu'; there are 'auto', 'cuda', 'cpu' and 'reference'"):
        recall(store_of({}, [-1.0], 1), np.array([0]), backend="gpu")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="The sums of whole texts have no CUDA kernel"):
        touched(store_of({}, [-1.0], 1), np.array([0]), 0, 1, backend="cuda")


def test_contexts_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected contexts of shape \(n, length\), got \(3,\)"):
        recall_many(store_of({}, [-1.0], 1), np.zeros(3, np.int64))
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        recall_many(store_of({}, [-1.0], 1), np.zeros((0, 3), np.int64), 0)


@pytest.mark.parametrize("weights", [[np.nan], [np.inf], [40_000], 1.0])
def test_layer_weights_that_are_none_are_refused(weights: Any) -> None:
    with pytest.raises(ValueError, match="layer weights within"):
        fixed(weights)


def test_rows_that_are_none_are_refused() -> None:
    starts, bias = np.array([0, 1]), np.zeros(1, np.int32)
    one, weight = np.zeros(1, np.int64), np.ones(1)
    with pytest.raises(ValueError, match="Expected 3 starts"):
        pack(starts, one, weight, np.zeros(2, np.int32), 1)
    with pytest.raises(ValueError, match="must ascend"):
        pack(np.array([0, 2]), one, weight, bias, 1)
    with pytest.raises(ValueError, match="Targets must be from 0 to 0"):
        pack(starts, one + 1, weight, bias, 1)
    for wrong in (0.0, -1.0, 127.0, np.nan):
        with pytest.raises(ValueError, match="Weights must be"):
            pack(starts, one, weight * wrong, bias, 1)
    with pytest.raises(ValueError, match="A row may have 255 postings, one has 256"):
        pack(np.array([0, 256]), np.zeros(256, np.int64), np.ones(256), bias, 1)
    for strange in (bias.astype(np.int64), np.full(1, 2**30, np.int32), np.zeros((1, 1), np.int32)):
        with pytest.raises(ValueError, match="bias"):
            pack(starts, one, weight, strange, 1)


def test_stores_that_do_not_fit_are_not_stacked() -> None:
    with pytest.raises(ValueError, match="at least one"):
        stack([])
    with pytest.raises(ValueError, match="agree in tokens and window"):
        stack([store_of({}, [-1.0], 1), store_of({}, [-1.0], 2)])


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)


@pytest.mark.parametrize("backend", ["auto", "cpu", "reference"])
@pytest.mark.parametrize("shape", [(9, 4), (1, 1), (0, 3), (3, 0)])
def test_many_contexts_are_each_one(backend: Any, shape: tuple[int, int]) -> None:
    rows = {
        (token, distance): {(token * 3 + distance) % 7: 1.0 + token} for token in range(7) for distance in (1, 2, 3)
    }
    store, weights = store_of(rows, [-1.0] * 7, 3), fixed([0.5])
    contexts = np.random.default_rng(0).integers(0, 7, shape)
    found = recall_many(store, contexts, 9, weights, backend=backend)
    assert found.tokens.shape == found.scores.shape == (shape[0], 7)
    assert (found.tokens.dtype, found.scores.dtype) == (np.int64, np.int32)
    for at, context in enumerate(contexts):
        one = recall(store, context, 9, weights, backend=backend)
        assert found.tokens[at].tolist() == one.tokens.tolist()
        assert found.scores[at].tolist() == one.scores.tolist()


@pytest.mark.parametrize("many", [False, True])
def test_a_gpu_that_is_not_there_is_no_silent_fall_back(many: bool) -> None:
    if usable():
        pytest.skip("there is a GPU here")
    ask, context = (recall_many, np.zeros((2, 1), np.int64)) if many else (recall, np.zeros(1, np.int64))
    with pytest.raises(RuntimeError, match=r'The back end "cuda" cannot be used: \w+'):
        ask(store_of({}, [-1.0], 1), context, backend="cuda")


def test_what_a_gpu_is_asked_is_what_the_definition_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shim in the place of a GPU: everything but the launch is the same."""
    if build.missing() is not None:
        pytest.skip(str(build.missing()))
    for module in (operation, likelihood):
        monkeypatch.setattr(module, "on_gpu", lambda backend: backend == "cuda")
        monkeypatch.setattr(module, "Device", Shim)
    monkeypatch.setattr(Shim, "index", 0, raising=False)
    rng = np.random.default_rng(3)
    rows = {(token, distance): {int(rng.integers(50)): 1.0 + token} for token in range(50) for distance in (1, 2, 3)}
    store, contexts = store_of(rows, (-rng.random(50)).tolist(), 3), rng.integers(0, 50, (6, 5))
    for backend in ("cuda", "cuda"):  # the second time the store is there
        ours, theirs = (recall_many(store, contexts, 4, backend=name) for name in (backend, "reference"))
        np.testing.assert_array_equal(ours.tokens, theirs.tokens)
        np.testing.assert_array_equal(ours.scores, theirs.scores)
        assert (ours.tokens.dtype, ours.scores.dtype) == (np.int64, np.int32)
    assert recall(store, contexts[0], 3, backend="cuda").tokens.tolist() == theirs.tokens[0, :3].tolist()
    for first, last in ((0, None), (4, 9), (2, 2)):
        ours, theirs = (log_likelihood(store, contexts.reshape(-1), first, last, backend=b) for b in ("cuda", "cpu"))
        np.testing.assert_allclose(ours, theirs, atol=2e-6)
    with pytest.raises(ValueError, match="k may be at most 256, got 300"):
        recall_many(store_of({}, [-1.0] * 400, 1), contexts[:1] * 0, 300, backend="cuda")
    heavy = store_of({(0, d): {0: 126.0} for d in range(1, 5)}, [-1.0], 4)
    with pytest.raises(ValueError, match="Lower the layer weights"):
        recall(heavy, np.zeros(4, np.int64), 1, fixed([33]), backend="cuda")
    with pytest.raises(ValueError, match="from 0 to 49"):
        recall(store, np.array([50]), 3, backend="cuda")


@settings(max_examples=60)
@given(question=questions(), data=st.data())
def test_the_likelihood_is_that_of_the_softmax(question: tuple[Store, Any, Any, int], data: st.DataObject) -> None:
    store, text, weights, _ = question
    first = data.draw(st.integers(0, len(text)))
    last = data.draw(st.one_of(st.none(), st.integers(first, len(text))))
    expected: list[float] = []
    for at in range(first, len(text) if last is None else last):
        sums = added(store, text[:at].tolist(), weights.tolist())
        logits = [(int(store.bias[token]) + sums.get(token, 0)) / UNIT for token in range(store.size)]
        top = max(logits)
        expected.append(logits[text[at]] - top - math.log(sum(math.exp(logit - top) for logit in logits)))
    for backend in ("reference", "cpu"):
        found = log_likelihood(store, text, first, last, weights, backend=backend)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_likelihoods_that_cannot_be_asked_are_refused(backend: Any) -> None:
    store = store_of({(0, d): {0: 126.0} for d in range(1, 5)}, [-1.0, -1.0], 4)
    for places in ((-1, 0), (1, 0), (0, 6)):
        with pytest.raises(ValueError, match="places from 0 to 5 of a text"):
            log_likelihood(store, np.zeros(5, np.int64), *places, backend=backend)
    with pytest.raises(ValueError, match="from 0 to 1"):
        log_likelihood(store, np.array([0, 2]), backend=backend)
    with pytest.raises(ValueError, match="Lower the layer weights"):
        log_likelihood(store, np.zeros(5, np.int64), layer_weights=fixed([33]), backend=backend)
    with pytest.raises(ValueError, match="Expected 1 layer weights"):
        log_likelihood(store, np.zeros(5, np.int64), layer_weights=fixed([1, 1]), backend=backend)


def test_the_likelihood_of_a_long_text_is_found_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    store = store_of({(token, 1): {(token + 1) % 5: 2.0} for token in range(5)}, [-1.6] * 5, 1)
    text = np.random.default_rng(0).integers(0, 5, 30)
    whole = log_likelihood(store, text, 3, backend="cpu")
    monkeypatch.setattr(likelihood, "BLOCK", 7)
    np.testing.assert_array_equal(log_likelihood(store, text, 3, backend="cpu"), whole)
