"""A model learns from the text it reads, as it reads: teacher forced, place by place, and by dictionaries alike."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import distribution, teacher_forced
from polyloom import AssociationModel, WordVocabulary
from polyloom.association.gate import FLOOR, Gate
from polyloom_kernels.history import Memory
from polyloom_kernels.mixture import operation
from toolkit.association import held
from toolkit.association.held import rows, same_tapes

SIZE, END = 5, 1
VOCABULARY = WordVocabulary(["<unk>", "</s>", "a", "b", "c"])
SHORT = Memory((1, 2, 4), bucket=3, buckets=2, half_life=4.0)

document = st.lists(st.integers(0, SIZE - 1), max_size=30)
corpus = st.lists(document, min_size=1, max_size=3).filter(any)


def loud(model: AssociationModel, seed: int = 0) -> AssociationModel:
    """Under a gate that lets every component speak, here louder and there softer."""
    weights = np.random.default_rng(seed).normal(0, 0.5, model.gate.weights.shape)
    return dataclasses.replace(model, gate=Gate(weights))


@settings(max_examples=50)
@given(corpus, document, st.integers(0, 2**32))
def test_a_text_longer_than_all_buckets_in_every_way(documents: list[list[int]], text: list[int], seed: int) -> None:
    """log_likelihood, the rows of log_probs, a continuation step by step, the definition, and dictionaries."""
    model = loud(AssociationModel.fit(rows(documents), VOCABULARY, order=3, history=SHORT), seed)
    again, weights = held.mixture(model), model.gate.weights.tolist()
    ids, continuation = np.array(text, np.int64), model.begin()
    likelihood, forced = model.log_likelihood(ids), teacher_forced(model, ids)
    for at, token in enumerate(text):
        chances = [again.chance(text[:at], each, weights, FLOOR) for each in range(SIZE)]
        np.testing.assert_allclose(np.exp(forced[at]), chances, rtol=1e-11)
        np.testing.assert_allclose(np.exp(distribution(continuation)), chances, rtol=1e-11)
        assert np.exp(likelihood[at]) == pytest.approx(chances[token], rel=1e-11)
        continuation.advance(token)


@pytest.mark.parametrize("memory", [SHORT, Memory((1, 3), 64, 4), Memory((2,), 7, 1), Memory(), False], ids=str)
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_a_long_text_in_every_way(sea: AssociationModel, memory: Memory | bool, backend: operation.Backend) -> None:
    """Over two thousand tokens of real text: the same numbers at once, in rows, and from where a reader stands."""
    words = sea.vocabulary
    texts = np.split(sea.state()[1]["text.tokens"], sea.state()[1]["text.starts"][1:])
    model = loud(AssociationModel.fit(texts[:20], words, history=memory))
    ids = np.concatenate(texts + texts)[:2200]
    likelihood = model.log_likelihood(ids)
    seen = model.seen(ids)
    for at in [*range(0, 70, 3), *range(250, 262), *range(1020, 1030), *range(2150, 2200, 7)]:
        look = np.ascontiguousarray(seen[None, :, at])
        dense = model.panel.dense(ids[:at], look, np.ones(1), backend=backend)
        np.testing.assert_allclose(np.log(dense), distribution(model.begin(ids[:at])), atol=1e-11)
        assert likelihood[at] == pytest.approx(np.log(dense[ids[at]]), abs=1e-11)


def test_forced_rows_are_those_of_a_reader(sea: AssociationModel) -> None:
    ids = np.concatenate([sea.state()[1]["text.tokens"]] * 2)[: 4 * 256 + 3]
    model = loud(sea)
    forced = teacher_forced(model, ids)
    np.testing.assert_allclose(forced[np.arange(len(ids)), ids], model.log_likelihood(ids), atol=1e-11)
    continuation = model.begin()
    for at, token in enumerate(ids.tolist()):
        if at % 16 == 0 or at % 256 in (0, 1, 255):
            np.testing.assert_allclose(forced[at], distribution(continuation), atol=1e-11)
        continuation.advance(token)


def test_reading_makes_a_text_likelier(sea: AssociationModel, voices: dict[str, tuple[str, ...]]) -> None:
    """What it never counted it knows when it comes again; without history it is as surprised as the first time."""
    texts = voices["sea"][:30]
    aside = [" ".join([text, text]) for text in voices["sea"][30:40]]
    forgetful, attentive = (
        AssociationModel.fit(texts, sea.vocabulary, held_out=aside, history=history) for history in (False, True)
    )
    ids = sea.vocabulary.encode(voices["lullabies"][0])
    twice = np.concatenate([ids, ids])
    first, second = np.split(attentive.log_likelihood(twice), 2)
    assert second.mean() > first.mean() + 1
    assert second.mean() > forgetful.log_likelihood(twice)[len(ids) :].mean() + 1
    assert attentive.perplexity(twice) < forgetful.perplexity(twice)


def test_the_history_runs_over_sentence_ends_and_never_over_documents() -> None:
    model = AssociationModel.fit("a b", VOCABULARY, order=2, skips=False, history=Memory((1, 2), 3, 4))
    cache, one, two = model.explain([2, 3, END, 4, 2, 3], END).terms[1:]
    assert one.child.terms[0].detail == "1 of 1 times in the text so far"
    assert two.child.terms[0].detail == "1 of 1 times in the text so far"
    assert cache.child.terms[0].contribution > 0
    assert model.explain([2, 3], END).terms[2].child.terms[0].contribution == 0
    documents = [np.array([2, 3, 4]), np.array([2, 3, 4])]
    apart = np.concatenate([model.log_likelihood(document) for document in documents])
    assert model.perplexity(documents) == pytest.approx(np.exp(-apart.mean()))
    assert apart[3:].tolist() == apart[:3].tolist()


def test_without_history_nothing_of_the_text_so_far_matters_beyond_the_reach() -> None:
    model = AssociationModel.fit(["a b c a b", "c b a"], VOCABULARY, order=3, history=False)
    assert model.memory is None
    assert model.reach == 4
    ours, theirs = np.array([2, 2, 2, 4, 3, 2, 3]), np.array([4, 4, 4, 4, 3, 2, 3])
    np.testing.assert_array_equal(distribution(model.begin(ours)), distribution(model.begin(theirs)))


def test_the_memory_is_no_part_of_the_counts() -> None:
    documents = ["a b c a b", "c b a"]
    models = [AssociationModel.fit(documents, VOCABULARY, history=history) for history in (False, True, SHORT)]
    assert same_tapes(models[0], models[1])
    assert same_tapes(models[0], models[2])
    assert len({model.digest for model in models}) == 3
    assert [model.memory for model in models] == [None, Memory(), SHORT]


def test_any_orders_and_buckets(sea: AssociationModel) -> None:
    """As many orders as there may be, an order longer than the text, a bucket larger than it, a single bucket."""
    ids = sea.state()[1]["text.tokens"][:60]
    for memory in (
        Memory(tuple(range(1, 9)), 1, 1),
        Memory((1, 100, 255), 2**31 - 1, 1024),
        Memory((3,), 1, 1024, half_life=1e-9),
        Memory((3,), 5, 3, half_life=1e9, prior=1e-9, discount=1e-6),
    ):
        texts = np.split(sea.state()[1]["text.tokens"], sea.state()[1]["text.starts"][1:])
        model = loud(AssociationModel.fit(texts[:3], sea.vocabulary, order=2, skips=False, history=memory))
        forced = teacher_forced(model, ids)
        np.testing.assert_allclose(forced[np.arange(60), ids], model.log_likelihood(ids), atol=1e-10)
        look = model.begin(ids).seen()[None]
        ours, theirs = (model.panel.dense(ids, look, np.ones(1), backend=backend) for backend in ("cpu", "reference"))
        np.testing.assert_allclose(ours, theirs, rtol=1e-11)
        assert ours.sum() == pytest.approx(1)
