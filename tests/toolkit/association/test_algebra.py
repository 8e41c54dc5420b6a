"""Counts as numbers: intersection, union and copies, by dictionaries and by their laws; what they keep and refuse."""

from collections import Counter
from collections.abc import Callable
from operator import and_, mul, or_
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom
from contract import LanguageModelContract
from polyloom import AssociationModel, ByteVocabulary, InputError, LanguageModel, PositionModel, VocabularyMismatch
from polyloom.association.text import Text
from polyloom_kernels.history import Memory
from toolkit.association import held
from toolkit.association.held import rows, same_tapes
from toolkit.association.test_merge import TEMPLATES, VOCABULARY, Documents, corpus, counted, orders

pytestmark = pytest.mark.long

SAID = ["a b a b a a c", "b c a b", "c a b c"], ["b c a b a c", "a a b c c", "b"]
both = pytest.mark.parametrize("operation", [and_, or_])


def said(n: int, **settings: Any) -> AssociationModel:
    return AssociationModel.fit(SAID[n], VOCABULARY, **settings)


MAKES: dict[str, Callable[[], LanguageModel]] = {
    "an intersection": lambda: said(0) & said(1),
    "a union": lambda: said(0, history=Memory((1, 3), 3, 2)) | said(1, history=Memory((1, 3), 3, 2)),
    "what is one's alone": lambda: said(0, order=3) - (said(0, order=3) & said(1, order=3)),
    "as many copies as can be": lambda: said(0, order=2, skips=False) * ((2**32 - 1) // 6),
    "positions of both": lambda: PositionModel.fit(SAID[0], VOCABULARY) & PositionModel.fit(SAID[1], VOCABULARY),
}


class TestAlgebra(LanguageModelContract):
    @pytest.fixture(scope="class", params=MAKES)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> LanguageModel:
        return MAKES[request.param]()


def shown(documents: Documents, order: int = 3) -> AssociationModel:
    """A model of documents and of one more token, so that any two of them have one in common."""
    return counted([*documents, [2]], order)


# by definition


def counts_of(model: AssociationModel) -> Counter[Any]:
    """Every count that a model holds, by table and context."""
    tables = [*enumerate(held.ngrams(model)), *held.skips(model).items()]
    return Counter({(table, gram): count for table, counts in tables for gram, count in counts.items()})


def tokens(documents: Documents) -> Counter[int]:
    return Counter(token for document in documents for token in document)


@given(corpus, corpus, orders)
def test_they_are_those_of_multisets(ours: Documents, theirs: Documents, order: int) -> None:
    """`Counter` defines the intersection and the union of multisets."""
    one, other = counted(ours, order), counted(theirs, order)
    mine, others = counts_of(one), counts_of(other)
    assert counts_of(one | other) == mine | others
    if mine & others:
        assert counts_of(one & other) == mine & others
        assert (one & other).tokens_counted == (tokens(ours) & tokens(theirs)).total()
    else:
        with pytest.raises(InputError, match="no token in common"):
            one & other


@given(corpus, orders, st.integers(1, 5))
def test_copies_are_those_of_the_text(documents: Documents, order: int, n: int) -> None:
    model = counted(documents, order) * n
    assert same_tapes(model, counted(documents * n, order))
    assert model.tokens_counted == n * sum(map(len, documents))
    assert model.text is not None
    np.testing.assert_array_equal(model.text.tokens, Text.join(rows(documents * n)).tokens)
    np.testing.assert_array_equal(model.text.starts, Text.join(rows(documents * n)).starts)


# laws


@settings(max_examples=40)
@given(corpus, corpus, corpus, orders)
def test_intersection_and_union_are_a_distributive_lattice(
    ours: Documents, theirs: Documents, others: Documents, order: int
) -> None:
    one, two, three = (shown(documents, order) for documents in (ours, theirs, others))
    assert same_tapes(one & one, one)
    assert same_tapes(one | one, one)
    assert same_tapes(one & two, two & one)
    assert same_tapes(one | two, two | one)
    assert same_tapes((one & two) & three, one & (two & three))
    assert same_tapes((one | two) | three, one | (two | three))
    assert same_tapes(one & (one | two), one)
    assert same_tapes(one | (one & two), one)
    assert same_tapes(one & (two | three), (one & two) | (one & three))
    assert same_tapes(one | (two & three), (one | two) & (one | three))


@settings(max_examples=40)
@given(corpus, corpus, corpus, orders)
def test_sums_go_through_intersection_and_union(
    ours: Documents, theirs: Documents, others: Documents, order: int
) -> None:
    one, two, three = (shown(documents, order) for documents in (ours, theirs, others))
    assert same_tapes((one | two) + (one & two), one + two)
    assert same_tapes(three + (one & two), (three + one) & (three + two))
    assert same_tapes(three + (one | two), (three + one) | (three + two))
    assert same_tapes((one + two) & one, one)
    assert same_tapes((one + two) | one, one + two)


@given(corpus, corpus, orders)
def test_what_is_taken_away_can_be_put_back(ours: Documents, theirs: Documents, order: int) -> None:
    """What one alone has, and what both have, are all that it has: also where no text has such counts."""
    one, two = shown(ours, order), shown(theirs, order)
    assert same_tapes(one + two - two, one)
    for whole, part in ((one, one & two), (one | two, two)):
        if whole.tokens_counted > part.tokens_counted:
            alone = whole - part
            assert counts_of(alone) == counts_of(whole) - counts_of(part)
            assert same_tapes(alone + part, whole)
            assert alone.perplexity([[2, 3]]) > 1
        else:
            with pytest.raises(InputError, match="Nothing would be left"):
                whole - part


@settings(max_examples=50)
@given(corpus, corpus, st.integers(1, 4), st.integers(1, 4))
def test_copies_add_and_go_through_everything(ours: Documents, theirs: Documents, n: int, m: int) -> None:
    one, two = shown(ours), shown(theirs)
    assert (one * 2).digest == (one + one).digest
    assert (one * (n + m)).digest == (one * n + one * m).digest
    assert same_tapes(one * n * m, one * (n * m))
    assert same_tapes(n * (one + two), n * one + n * two)
    assert same_tapes(n * (one & two), n * one & n * two)
    assert same_tapes(n * (one | two), n * one | n * two)
    assert same_tapes(one * (n + 1) - one, one * n)
    assert one * 1 is one


@settings(max_examples=20)
@given(corpus, corpus, corpus)
def test_more_text_is_counted_on_top(ours: Documents, theirs: Documents, others: Documents) -> None:
    """Whether read at once or streamed, though these counts are those of no text."""
    one, two = shown(ours), shown(theirs)
    for model in (one & two, one | two, one * 3):
        assert same_tapes(model.resume(rows(others)), model + counted(others))
        assert same_tapes(model.resume(rows(others), memory=1), model + counted(others))


@given(corpus, corpus, st.integers(1, 3))
def test_positions_obey_the_same_laws(ours: Documents, theirs: Documents, n: int) -> None:
    one, two = (PositionModel.fit(rows([*documents, [2]]), VOCABULARY, window=3) for documents in (ours, theirs))

    def same(left: PositionModel, right: PositionModel) -> bool:
        arrays = left.counts.arrays(), right.counts.arrays()
        return all(np.array_equal(arrays[0][name], arrays[1][name]) for name in arrays[0])

    assert same((one | two) + (one & two), one + two)
    assert same(one & two, two & one)
    assert same(one | (one & two), one)
    assert same(one & (one | two), one)
    assert same(one * (n + 1), one * n + one)
    assert same(n * (one & two), n * one & n * two)
    shared = tokens([*ours, [2]]) & tokens([*theirs, [2]])
    assert (one & two).counts.frequency.tolist() == [shared[token] for token in range(VOCABULARY.size)]
    assert (one * n).score is one.score
    np.testing.assert_allclose((one & two).score.decay, (two | one).score.decay)


# what they are for


def test_voices_of_real_texts(voices: dict[str, tuple[str, ...]], words: Any) -> None:
    """What two voices share is worse on either than itself, better than the other; and the laws hold at this size."""
    texts = {name: voices[name][:60] for name in ("sea", "lullabies")}
    sea, lullabies = (AssociationModel.fit(text, words, held_out=(), history=False) for text in texts.values())
    shared, either = sea & lullabies, sea | lullabies
    assert same_tapes(shared + either, sea + lullabies)
    assert shared.tokens_counted < min(sea.tokens_counted, lullabies.tokens_counted)
    other = voices["sea"][60:]
    assert sea.perplexity(other) < either.perplexity(other) * 1.1 < lullabies.perplexity(other) * 1.1
    alone = sea - shared
    assert alone.perplexity(voices["lullabies"][60:]) > sea.perplexity(voices["lullabies"][60:])


def test_they_are_saved_like_any_other(tmp_path: Path) -> None:
    for make in MAKES.values():
        model = make()
        path = model.save(tmp_path / "it.psam")
        polyloom.verify(path)
        assert polyloom.load(path).digest == model.digest


@both
def test_the_gate_is_stale_and_no_text_is_kept(operation: Callable[..., AssociationModel]) -> None:
    one, other = (AssociationModel.fit([*text] * 20, VOCABULARY, keep_text=True) for text in SAID)
    found = operation(one, other)
    assert found.gate.stale
    np.testing.assert_array_equal(found.gate.weights, one.gate.weights)
    assert found.text is None
    with pytest.raises(InputError, match="holds no text"):
        found.explain("a", "b").evidence()
    assert not found.refit_gate(["a b c a b"] * 50).gate.stale
    assert (found + one).text is None
    assert (one * 2).gate.stale
    assert len((one * 2).explain("a", "b").evidence(10**6)) == 2 * len(one.explain("a", "b").evidence(10**6)) > 0


# what is refused


@both
def test_models_that_are_not_alike_are_refused(operation: Callable[..., object]) -> None:
    one = counted([[2, 3, 4]])
    for other, expected in (
        (AssociationModel.fit("a b", VOCABULARY, order=2, skips=TEMPLATES), "of order 3 .*, the other of order 2"),
        (AssociationModel.fit("a b", VOCABULARY, order=3, skips=TEMPLATES, history=False), "history .* Fit them alike"),
        (AssociationModel.fit("a b", VOCABULARY, order=3, skips=TEMPLATES, prune=2), "pruned or capped"),
    ):
        with pytest.raises(InputError, match=expected):
            operation(one, other)
    with pytest.raises(VocabularyMismatch, match="One model speaks"):
        operation(one, AssociationModel.fit("a", ByteVocabulary(), order=3, skips=TEMPLATES))
    for positions in (PositionModel.fit("a b", VOCABULARY, window=2), PositionModel.fit("a b", VOCABULARY, cap=2)):
        with pytest.raises(InputError, match="same window and cap"):
            operation(PositionModel.fit("a b", VOCABULARY), positions)


@both
@pytest.mark.parametrize("other", [3, None, "a b", [[2, 3]], PositionModel.fit("a", VOCABULARY)])
def test_only_models_of_one_make_go_together(operation: Callable[..., object], other: object) -> None:
    for operands in ((counted([[2]]), other), (other, counted([[2]]))):
        with pytest.raises(TypeError, match="unsupported operand"):
            operation(*operands)


def test_models_without_a_token_in_common_have_no_intersection() -> None:
    for kind in (AssociationModel, PositionModel):
        with pytest.raises(InputError, match="no token in common"):
            kind.fit("a b", VOCABULARY) & kind.fit("c c", VOCABULARY)


@pytest.mark.parametrize("n", [0, -1, 2.0, 0.5, True, float("nan"), float("inf"), np.float64(2)])
@pytest.mark.parametrize("kind", [AssociationModel, PositionModel])
def test_only_a_whole_number_of_copies_makes_sense(kind: Any, n: Any) -> None:
    model = kind.fit("a b", VOCABULARY)
    for operands in ((model, n), (n, model)):
        with pytest.raises(InputError, match=r"number of copies must be a whole number of at least 1"):
            mul(*operands)


@pytest.mark.parametrize("kind", [AssociationModel, PositionModel])
def test_what_is_no_number_does_not_multiply(kind: Any) -> None:
    model = kind.fit("a b", VOCABULARY)
    for other in (None, "3", [3], model):
        with pytest.raises(TypeError):
            model * other
    assert (np.int64(2) * model).digest == (model * np.int32(2)).digest == (model + model).digest


@pytest.mark.parametrize("kind", [AssociationModel, PositionModel])
@pytest.mark.parametrize("n", [2**31, 2**32, 2**64, 10**30])
def test_counts_that_grow_too_large_are_refused(kind: Any, n: int) -> None:
    model = kind.fit("a b a a b", VOCABULARY)
    with pytest.raises(InputError, match=r"too large to keep: The number \d+ needs more than 32 bits|A count would be"):
        model * n
    most = model * (2**30)
    with pytest.raises(InputError, match=r"too large to keep: The number \d+ needs more than 32 bits|A count would be"):
        most + most


def test_a_pruned_model_has_no_copies() -> None:
    with pytest.raises(InputError, match="pruned or capped"):
        AssociationModel.fit("a b a b c", VOCABULARY, prune=2) * 2


def test_the_operands_are_as_they_were() -> None:
    one, other = said(0, keep_text=True), said(1, keep_text=True)
    before = one.digest, other.digest
    one & other, one | other, one * 3
    assert (
        AssociationModel.from_state(*one.state()).digest,
        AssociationModel.from_state(*other.state()).digest,
    ) == before
