"""Counts of texts add, and what was added can be taken away: bit for bit, whatever the order."""

from collections import Counter
from collections.abc import Callable
from functools import reduce
from operator import add, sub

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import polyloom
from polyloom import AssociationModel, ByteVocabulary, InputError, VocabularyMismatch, WordVocabulary
from toolkit.association import held
from toolkit.association.held import rows, same_tapes

END, SIZE = 1, 5
VOCABULARY = WordVocabulary(["<unk>", "</s>", "a", "b", "c"])
TEMPLATES = ((1,), (1, 3, 4), (2, 3))
Documents = list[list[int]]

document = st.lists(st.integers(0, SIZE - 1), max_size=14)
corpus = st.lists(document, min_size=1, max_size=5).filter(any)
orders = st.integers(1, 5)


def counted(documents: Documents, order: int = 3) -> AssociationModel:
    return AssociationModel.fit(rows(documents), VOCABULARY, order=order, skips=TEMPLATES, keep_text=True)


@pytest.mark.long
@given(corpus, corpus, orders)
def test_a_sum_is_the_model_of_both_texts(ours: Documents, theirs: Documents, order: int) -> None:
    """And both texts once more, one after the other, since counts grow past where discounts end."""
    both = counted(ours, order) + counted(theirs, order)
    assert same_tapes(both, counted(ours + theirs, order))
    assert both.tokens_counted == sum(map(len, ours + theirs))
    assert same_tapes(both + both, counted((ours + theirs) * 2, order))
    assert np.array_equal(both.log_likelihood(ours[0]), counted(ours + theirs, order).log_likelihood(ours[0]))


@pytest.mark.long
@given(corpus, corpus, orders)
def test_what_was_added_can_be_taken_away(ours: Documents, theirs: Documents, order: int) -> None:
    one, other = counted(ours, order), counted(theirs, order)
    assert same_tapes(one + other - other, one)
    assert same_tapes(one + other - one, other)
    assert same_tapes(counted(ours + theirs, order) - other, one)


@pytest.mark.long
@given(st.lists(corpus, min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_neither_order_nor_brackets_matter(corpora: list[Documents], dice: st.DataObject) -> None:
    models = [counted(documents) for documents in corpora]
    expected = counted([document for documents in corpora for document in documents])
    dice.shuffle(models)
    assert same_tapes(reduce(add, models), expected)
    assert same_tapes(reduce(lambda right, left: left + right, models), expected)
    everything = reduce(add, models)
    *taken, left = dice.sample(models, len(models))
    assert same_tapes(reduce(sub, [everything, *taken]), left)


@pytest.mark.long
@given(corpus, corpus, orders)
def test_to_resume_is_to_have_counted_all(ours: Documents, theirs: Documents, order: int) -> None:
    resumed = counted(ours, order).resume(rows(theirs))
    assert same_tapes(resumed, counted(ours + theirs, order))
    assert same_tapes(resumed, counted(ours, order).resume(document for document in rows(theirs)))
    assert same_tapes(counted(ours, order).resume([]), counted(ours, order))


@given(corpus, corpus)
def test_only_what_was_counted_can_be_taken_away(ours: Documents, theirs: Documents) -> None:
    """Refused exactly where some count would be below zero; what is left otherwise holds the difference."""
    one, other = counted(ours), counted(theirs)
    mine, theirs_ = (Counter(dict(enumerate_counts(model))) for model in (one, other))
    if any(count > mine[key] for key, count in theirs_.items()):
        with pytest.raises(InputError, match="never counted here"):
            one - other
    elif mine == theirs_:
        with pytest.raises(InputError, match="Nothing would be left"):
            one - other
    else:
        assert dict(enumerate_counts(one - other)) == dict(mine - theirs_)


def enumerate_counts(model: AssociationModel) -> list[tuple[object, int]]:
    """Every count that a model holds, by table and context."""
    tables = [*enumerate(held.ngrams(model)), *held.skips(model).items()]
    return [((table, gram), count) for table, counts in tables for gram, count in counts.items()]


def test_the_same_words_in_another_order_were_never_counted() -> None:
    with pytest.raises(InputError, match="some of it was never counted here"):
        counted([[2, 3, 4], [4, 3]]) - counted([[3, 2, 4]])


def test_sums_of_real_texts(voices: dict[str, tuple[str, ...]], words: WordVocabulary) -> None:
    """Thousands of contexts; the sum is the same in every direction, and all of it can be taken back."""
    parts = [voices["sea"][:30], voices["lullabies"][:40], voices["kitchen"][:20]]
    models = [AssociationModel.fit(part, words, held_out=()) for part in parts]
    whole = AssociationModel.fit([text for part in parts for text in part], words, held_out=())
    assert same_tapes(reduce(add, models), whole)
    assert same_tapes(models[2] + (models[1] + models[0]), whole)
    assert same_tapes(whole - models[1] - models[0], models[2])
    assert same_tapes(models[0].resume(parts[2]).resume(iter(parts[1])), whole)
    assert reduce(add, models).digest == reduce(add, models[::-1]).digest


# what does not add


REFUSED: dict[str, tuple[Callable[[], AssociationModel], str]] = {
    "another order": (
        lambda: AssociationModel.fit("a b", VOCABULARY, order=2, skips=TEMPLATES),
        r"of order 3 .*, the other of order 2",
    ),
    "other skips": (
        lambda: AssociationModel.fit("a b", VOCABULARY, order=3, skips=[(2,), (1, 3)], history=False),
        r"of order 3 with skips \(1,\), .* other of order 3 with skips \(1, 3\), \(2,\)",
    ),
    "no skips": (lambda: AssociationModel.fit("a b", VOCABULARY, order=3, skips=False), "of order 3 with skips"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("operation", [add, sub])
def test_models_of_different_shapes_are_refused(name: str, operation: Callable[..., object]) -> None:
    make, said = REFUSED[name]
    with pytest.raises(InputError, match=f"{said}.*Fit them alike"):
        operation(counted([[2, 3, 4]]), make())


@pytest.mark.parametrize("operation", [add, sub])
def test_models_of_different_vocabularies_are_refused(operation: Callable[..., object]) -> None:
    strangers = [WordVocabulary(["<unk>", "</s>", "a", "c", "b"]), ByteVocabulary()]
    for stranger in strangers:
        with pytest.raises(VocabularyMismatch, match="One model speaks"):
            operation(counted([[2]]), AssociationModel.fit("a", stranger, order=3, skips=TEMPLATES))


@pytest.mark.parametrize("other", [3, None, "a b", [[2, 3]]])
def test_only_models_add(other: object) -> None:
    for operation in (add, sub):
        with pytest.raises(TypeError, match="unsupported operand"):
            operation(counted([[2]]), other)


def test_a_model_without_anything_is_refused() -> None:
    with pytest.raises(InputError, match="Nothing would be left"):
        counted([[2, 3], [4]]) - counted([[4], [2, 3]])


def test_a_pruned_model_neither_adds_nor_resumes() -> None:
    whole = AssociationModel.fit("a b a b c", VOCABULARY)
    small = AssociationModel.fit("a b a b c", VOCABULARY, prune=2)
    for refused in (lambda: whole + small, lambda: small + whole, lambda: small - whole, lambda: small.resume("a")):
        with pytest.raises(InputError, match="pruned or capped"):
            refused()


def test_the_models_that_were_added_are_as_they_were() -> None:
    one, other = counted([[2, 3, END, 4], [2]]), counted([[2, 2, 2]])
    before = one.digest, other.digest
    both = one + other
    assert both.tokens_counted == 8
    both.resume(rows([[4, 4]]))
    assert (polyloom.AssociationModel.from_state(*one.state()).digest, counted([[2, 2, 2]]).digest) == before


# the gate and the text


@pytest.mark.long
def test_a_gate_is_stale_until_it_is_fitted_again(voices: dict[str, tuple[str, ...]], words: WordVocabulary) -> None:
    texts, aside = voices["sea"], voices["lullabies"][:40]
    one, other = (AssociationModel.fit(part, words, held_out=aside) for part in (texts[:30], texts[30:]))
    assert not one.gate.stale
    for changed in (one + other, one + other - other, one.resume(texts[30:]), one.resume(texts[30:]) + other):
        assert changed.gate.stale
        np.testing.assert_array_equal(changed.gate.weights, one.gate.weights)
        fresh = changed.refit_gate(aside)
        assert changed.gate.stale
        assert not fresh.gate.stale
        assert same_tapes(fresh, changed)
    assert (one + other).refit_gate(aside).digest == AssociationModel.fit(texts, words, held_out=aside).digest
    assert (one + other).digest != AssociationModel.fit(texts, words, held_out=aside).digest


@pytest.mark.long
@given(corpus, corpus)
def test_kept_text_adds_with_the_counts(ours: Documents, theirs: Documents) -> None:
    """So every count of the sum can still be opened; taking away takes away the documents, too."""
    both = counted(ours) + counted(theirs)
    for model in (both, counted(ours).resume(rows(theirs)), counted(ours).resume(iter(rows(theirs)))):
        assert model.digest == AssociationModel.from_state(*model.state()).digest
        tokens, starts = model.state()[1]["text.tokens"], model.state()[1]["text.starts"]
        found = np.split(tokens, starts[1:])
        assert [part.tolist() for part in found] == [tokens for tokens in ours + theirs if tokens]
    left = (both - counted(theirs)).text
    assert left is not None
    assert sorted(part.tolist() for part in left.documents()) == sorted(tokens for tokens in ours if tokens)
    silent = AssociationModel.fit(rows(theirs), VOCABULARY, order=3, skips=TEMPLATES)
    assert (counted(ours) + silent).text is None
    assert (silent + counted(ours)).text is None
    assert silent.resume(rows(ours)).text is None


def test_a_sum_shows_the_lines_of_both(voices: dict[str, tuple[str, ...]], words: WordVocabulary) -> None:
    one, other = (AssociationModel.fit(voices[name][:30], words, keep_text=True) for name in ("sea", "lullabies"))
    token = "the"
    leaf = (one + other).explain("", token).terms[0].child.terms[-2]
    alone = [model.explain("", token).terms[0].child.terms[-2].evidence(10**6) for model in (one, other)]
    found = leaf.evidence(10**6)
    assert [passage.before for passage in found] == [passage.before for part in alone for passage in part]
    assert {passage.document for passage in found} == {
        *(passage.document for passage in alone[0]),
        *(30 + passage.document for passage in alone[1]),
    }
