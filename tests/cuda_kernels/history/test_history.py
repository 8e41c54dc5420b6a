"""`history`: what a text says of its own next tokens is what a dictionary counts, at once or place by place."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom_kernels.history as face
from cuda_kernels.history.definition import came_next, chances, recent
from polyloom_kernels.history import Memory, judged, likely, spoken

texts = st.integers(1, 4).flatmap(lambda size: st.lists(st.integers(0, size - 1), max_size=40))
memories = st.builds(
    Memory,
    orders=st.sets(st.integers(1, 6), min_size=1, max_size=4).map(lambda orders: tuple(sorted(orders))),
    bucket=st.integers(1, 7),
    buckets=st.integers(1, 4),
    half_life=st.sampled_from([0.001, 1.0, 7.0, 1e6]),
    prior=st.sampled_from([1e-3, 10.0]),
    discount=st.sampled_from([0.01, 0.3, 0.99]),
)


@settings(max_examples=200)
@given(texts, memories)
def test_every_place_of_a_text_is_judged_as_by_looking_back(text: list[int], memory: Memory) -> None:
    found = judged(np.array(text, np.int64), memory)
    for at, token in enumerate(text):
        for n, order in enumerate(memory.orders):
            counts = came_next(text[:at], order)
            assert found.counts[n, at] == counts[token]
            assert found.totals[n, at] == counts.total()
            assert found.kinds[n, at] == len(counts)
        weights = recent(text[:at], memory)
        assert found.recent[at] == pytest.approx(weights.get(token, 0.0), rel=1e-12, abs=1e-300)
        assert found.mass[at] == pytest.approx(sum(weights.values()), rel=1e-12)
    assert {part.shape for part in found[:3]} == {(len(memory.orders), len(text))}
    assert {part.shape for part in found[3:]} == {(len(text),)}
    assert [part.dtype for part in found] == [np.int64] * 3 + [np.float64] * 2


@settings(max_examples=200)
@given(texts, memories)
def test_a_place_hears_what_a_dictionary_counts(text: list[int], memory: Memory) -> None:
    heard = spoken(np.array(text, np.int64), memory)
    for order, (tokens, counts) in zip(memory.orders, heard.rows, strict=True):
        assert dict(zip(tokens.tolist(), counts.tolist(), strict=True)) == came_next(text, order)
        assert tokens.tolist() == sorted(tokens.tolist())
    weights = recent(text, memory)
    assert heard.recent[0].tolist() == sorted(weights)
    np.testing.assert_allclose(heard.recent[1], [weights[token] for token in sorted(weights)], rtol=1e-12)
    assert heard.mass == pytest.approx(sum(weights.values()), rel=1e-12)


@given(texts.filter(bool), memories)
def test_chances_of_all_tokens_sum_to_one(text: list[int], memory: Memory) -> None:
    """The last token of the text replaced by each of the vocabulary, one after the other."""
    unigram = np.arange(1, max(text) + 3) / np.arange(1, max(text) + 3).sum()
    total = np.zeros(1 + len(memory.orders))
    for token in range(len(unigram)):
        ids = np.array([*text[:-1], token], np.int64)
        found = likely(judged(ids, memory), memory, unigram[ids])
        assert found.shape == (1 + len(memory.orders), len(text))
        assert (found > 0).all()
        total += found[:, -1]
    np.testing.assert_allclose(total, 1, rtol=1e-12)


@given(texts.filter(bool), memories, st.data())
def test_chances_are_those_of_the_definition(text: list[int], memory: Memory, data: st.DataObject) -> None:
    unigram = np.full(5, 0.2)
    at = data.draw(st.integers(0, len(text) - 1))
    ids = np.array(text, np.int64)
    found = likely(judged(ids, memory), memory, unigram[ids])[:, at]
    expected = chances(text[:at], text[at], 0.2, memory)
    np.testing.assert_allclose(found, expected, rtol=1e-11)


def test_a_token_fades_bucket_by_bucket_and_is_forgotten() -> None:
    """It weighs half after a thousand tokens or so, and nothing once sixteen buckets of 256 have begun since."""
    memory = Memory(bucket=256, buckets=16, half_life=1000.0)
    np.testing.assert_allclose(memory.weights(), 0.5 ** (np.arange(16) * 0.256))
    text = np.append(np.zeros(1, np.int64), np.ones(16 * 256, np.int64))
    weight = [spoken(text[:size], memory).recent for size in (1, 256, 1024, 15 * 256 + 255, 16 * 256)]
    assert [dict(zip(t.tolist(), w.tolist(), strict=True)).get(0, 0.0) for t, w in weight] == pytest.approx(
        [1, 0.5**0.256, 0.5**1.024, 0.5 ** (15 * 0.256), 0]
    )


def test_of_nothing_there_is_nothing() -> None:
    nothing, memory = np.empty(0, np.int64), Memory()
    heard = spoken(nothing, memory)
    assert (heard.mass, len(heard.recent[0])) == (0.0, 0)
    assert all(len(tokens) == len(counts) == 0 for tokens, counts in heard.rows)
    assert likely(judged(nothing, memory), memory, np.empty(0)).shape == (1 + len(memory.orders), 0)


WRONG: list[dict[str, Any]] = [
    {"orders": ()},
    {"orders": (0,)},
    {"orders": (2, 1)},
    {"orders": (1, 1)},
    {"orders": (1.0,)},
    {"orders": (True,)},
    {"orders": tuple(range(1, 10))},
    {"orders": (1, 10**30)},
    {"orders": (1, 256)},
    {"bucket": 0},
    {"bucket": 2.5},
    {"bucket": 2**40},
    {"buckets": 0},
    {"buckets": 10**9},
    {"half_life": 0.0},
    {"half_life": -1.0},
    {"half_life": float("nan")},
    {"half_life": "long"},
    {"prior": 0.0},
    {"prior": float("inf")},
    {"prior": None},
    {"discount": 1.0},
    {"discount": 0.0},
    {"discount": -0.1},
    {"discount": True},
]


@pytest.mark.parametrize("given", WRONG, ids=str)
def test_a_memory_that_cannot_remember_is_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="got "):
        Memory(**given)


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)
