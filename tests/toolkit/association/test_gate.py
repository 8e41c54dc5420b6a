"""The gate: shares are a softmax of counted features, fitted to make held-out text likely and never below the floor."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom import AssociationModel, InputError, WordVocabulary
from polyloom.association.gate import ENOUGH, FLOOR, Gate
from polyloom.mixture import mixture_weights
from polyloom_kernels.history import Memory
from toolkit.association import held
from toolkit.association.held import rows, same_tapes

Texts = dict[str, tuple[str, ...]]


@pytest.fixture(scope="module")
def words(voices: Texts) -> WordVocabulary:
    return WordVocabulary.train([*voices["sea"], *voices["kitchen"]], min_count=2)


@pytest.fixture(scope="module")
def plain(voices: Texts, words: WordVocabulary) -> AssociationModel:
    """Nothing is held out, so nothing is fitted."""
    return AssociationModel.fit([*voices["sea"][:30], *voices["kitchen"][:30]], words, held_out=())


@pytest.fixture(scope="module")
def aside(voices: Texts) -> list[str]:
    return [*voices["sea"][30:45], *voices["kitchen"][30:45]]


@pytest.fixture(scope="module")
def unseen(voices: Texts) -> list[str]:
    return [*voices["sea"][45:], *voices["kitchen"][45:]]


@pytest.fixture(scope="module")
def fitted(plain: AssociationModel, aside: list[str]) -> AssociationModel:
    return plain.refit_gate(aside)


def shares(model: AssociationModel, text: str) -> np.ndarray:
    """At every place of a text, by dictionaries and Python's own arithmetic, float64 (T, K)."""
    again, read = held.mixture(model), model.vocabulary.encode(text).tolist()
    return np.array([held.shares(model, again, read[:at]) for at in range(len(read))])


def chances(model: AssociationModel, text: str) -> np.ndarray:
    """What every component gives the tokens of a text, float64 (T, K), out of the explanations."""
    continuation, found = model.begin(), list[list[float]]()
    for token in model.vocabulary.encode(text).tolist():
        found.append([term.child.total for term in continuation.explain(token).terms])
        continuation.advance(token)
    return np.array(found)


def test_likelihoods_are_those_of_shares_worked_out_again(fitted: AssociationModel, unseen: list[str]) -> None:
    for text in unseen[:2]:
        mixed = (shares(fitted, text) * chances(fitted, text)).sum(1)
        np.testing.assert_allclose(fitted.log_likelihood(text), np.log(mixed), rtol=1e-11)


def test_a_fitted_gate_listens_to_the_place(fitted: AssociationModel, unseen: list[str]) -> None:
    found = np.concatenate([shares(fitted, text) for text in unseen[:4]])
    np.testing.assert_allclose(found.sum(1), 1)
    assert found.min() >= FLOOR / found.shape[1]
    assert np.ptp(found, axis=0).max() > 0.2


def test_an_unfitted_gate_gives_most_to_the_chain_everywhere(plain: AssociationModel, unseen: list[str]) -> None:
    found = shares(plain, unseen[0])
    others = found.shape[1] - 1
    np.testing.assert_allclose(found, np.broadcast_to([0.9, *[0.1 / others] * others], found.shape), rtol=1e-12)
    assert not plain.gate.stale


@pytest.mark.long
def test_fitting_makes_unseen_text_likelier_than_shares_that_are_the_same_everywhere(
    plain: AssociationModel, fitted: AssociationModel, aside: list[str], unseen: list[str]
) -> None:
    """Than the unfitted ones, and than the best constant ones that the same held-out text gives."""
    parts = np.concatenate([chances(plain, text) for text in aside])
    shares = mixture_weights(np.log(parts.T)) * (1 - FLOOR) + FLOOR / parts.shape[1]
    gate = Gate.constant(len(plain.gate.weights), shares)
    constant = dataclasses.replace(plain, gate=gate)
    for text in (aside, unseen):
        assert fitted.perplexity(text) < constant.perplexity(text) < plain.perplexity(text)


def test_fitting_changes_nothing_but_the_gate(plain: AssociationModel, fitted: AssociationModel) -> None:
    assert same_tapes(plain, fitted)
    assert not plain.gate.weights[1:].any()
    assert fitted.digest != plain.digest


def test_fitting_is_the_same_every_time_and_in_any_order(
    plain: AssociationModel, fitted: AssociationModel, aside: list[str]
) -> None:
    for again in (aside, aside[::-1], iter(aside), {"a": aside[9:], "b": ["", *aside[:9]]}):
        assert plain.refit_gate(again).digest == fitted.digest
    assert fitted.refit_gate(aside).digest == fitted.digest  # where it started from does not matter either


def test_fitting_to_other_text_gives_another_gate(
    plain: AssociationModel, fitted: AssociationModel, unseen: list[str]
) -> None:
    assert plain.refit_gate(unseen).digest != fitted.digest


def test_too_little_held_out_text_fits_nothing(plain: AssociationModel, voices: Texts, words: WordVocabulary) -> None:
    texts, ids = [*voices["sea"][:30], *voices["kitchen"][:30]], words.encode(" ".join(voices["sea"][31:45]))
    few, enough = ids[: ENOUGH - 1], ids[:ENOUGH]
    assert AssociationModel.fit(texts, words, held_out=[few]).digest == plain.digest
    assert AssociationModel.fit(texts, words, held_out=[enough]).gate.weights[1:].any()
    for short in ([few], [few[:9], few[9:]], [], ""):
        with pytest.raises(InputError, match=r"needs 200 tokens or more, got \d+"):
            plain.refit_gate(short)
    assert not plain.refit_gate([enough[:9], enough[9:]]).gate.stale


def test_a_small_text_holds_nothing_out(voices: Texts, words: WordVocabulary) -> None:
    """One document in twenty of a few hundred tokens is too little, so it is not even set aside."""
    model = AssociationModel.fit(voices["sea"][:4], words)
    assert not model.gate.weights[1:].any()
    assert model.digest == AssociationModel.fit(voices["sea"][:4], words, held_out=()).digest


def test_a_chain_alone_has_nothing_to_choose(voices: Texts, words: WordVocabulary, aside: list[str]) -> None:
    alone = AssociationModel.fit(voices["sea"][:30], words, skips=False, history=False)
    assert alone.components == ("n-gram",)
    np.testing.assert_allclose(shares(alone, "At night the tide"), 1)
    assert same_tapes(alone.refit_gate(aside), alone)
    assert alone.refit_gate(aside).perplexity(aside) == alone.perplexity(aside)


def test_the_gate_never_sees_which_words_they_are(fitted: AssociationModel, voices: Texts, aside: list[str]) -> None:
    """With every word under another id the model says the same, gate and all."""
    words = fitted.vocabulary
    rest = np.array([token for token in range(words.size) if token != words.sentence_end])
    other = np.arange(words.size)
    other[rest] = np.random.default_rng(5).permutation(rest)
    texts = [words.encode(text) for text in (*voices["sea"][:30], *voices["kitchen"][:30])]
    long = np.concatenate([words.encode(text) for text in aside])
    for memory in (Memory(), False):
        ours = AssociationModel.fit(texts, words, held_out=[long], history=memory)
        theirs = AssociationModel.fit([other[text] for text in texts], words, held_out=[other[long]], history=memory)
        np.testing.assert_allclose(ours.gate.weights, theirs.gate.weights, atol=1e-6)
        np.testing.assert_allclose(ours.log_likelihood(long), theirs.log_likelihood(other[long]), atol=1e-6)


@given(st.integers(1, 6), st.integers(1, 5), st.integers(0, 2**32))
def test_shares_sum_to_one_and_keep_the_floor(features: int, components: int, seed: int) -> None:
    dice = np.random.default_rng(seed)
    found = Gate(dice.normal(0, 30, (features, components))).shares(dice.normal(0, 30, (7, features)))
    assert found.shape == (7, components)
    np.testing.assert_allclose(found.sum(1), 1)
    assert found.min() >= FLOOR / components * (1 - 1e-12)


@given(st.lists(st.floats(0.01, 1), min_size=1, max_size=6), st.integers(1, 5), st.integers(0, 2**32))
def test_a_constant_gate_gives_what_it_was_given(wanted: list[float], features: int, seed: int) -> None:
    expected = np.array(wanted) / sum(wanted)
    expected = (1 - FLOOR) * expected + FLOOR / len(expected)
    known = np.random.default_rng(seed).normal(0, 9, (4, features))
    known[:, 0] = 1
    np.testing.assert_allclose(
        Gate.constant(features, expected).shares(known), np.broadcast_to(expected, (4, len(expected)))
    )


def test_fitting_finds_the_better_component_of_each_kind_of_place() -> None:
    """Where the feature is 0 the first component is right, where it is 1 the second: no constant shares can tell."""
    dice = np.random.default_rng(2)
    kind = dice.integers(0, 2, 3000)
    features = np.stack([np.ones(3000), kind], axis=1)
    parts = np.where(np.arange(2)[:, None] == kind, 0.5, 0.05)
    found = Gate.unfitted(2, 2).fit(parts, features).shares(np.array([[1.0, 0.0], [1.0, 1.0]]))
    assert found[0, 0] > 0.97
    assert found[1, 1] > 0.97


def test_every_component_may_speak_again(voices: Texts, words: WordVocabulary) -> None:
    """The history never helps in held-out documents of one token each; its floor remains."""
    ones = rows([[token] for token in words.encode(" ".join(voices["sea"][31:45])).tolist()])
    model = AssociationModel.fit(voices["sea"][:30], words, held_out=ones)
    found = shares(model, voices["sea"][32])
    assert found.min() >= FLOOR / found.shape[1] * (1 - 1e-12)
