"""What `polyloom.model` does for every model, on a model small enough to see through."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyloom import AssociationModel, InputError, VocabularyError, WordVocabulary
from polyloom.model import BLOCK_BYTES, best, block_rows

WORDS = WordVocabulary(["a", "b", "c"])


@pytest.fixture(scope="module")
def model() -> AssociationModel:
    return AssociationModel.fit("a b a b a c", WORDS, order=2, skips=False, history=False)


@given(st.lists(st.sampled_from([-3.0, -2.0, -1.0, -0.5, -np.inf]), min_size=1, max_size=12), st.integers(1, 15))
def test_best_are_the_largest_ties_by_smaller_id(values: list[float], k: int) -> None:
    found = best(np.array(values), k)
    expected = sorted(range(len(values)), key=lambda token: (-values[token], token))[:k]
    assert found.tokens.tolist() == expected
    assert found.log_probs.tolist() == [values[token] for token in expected]


def test_a_block_has_at_least_one_row() -> None:
    assert block_rows(1) * 8 == BLOCK_BYTES
    assert block_rows(1000) * 8_000 <= BLOCK_BYTES < (block_rows(1000) + 1) * 8_000
    assert block_rows(10**9) == 1


def test_predict_is_by_piece(model: AssociationModel) -> None:
    """By hand in `test_counts`: after a, b has 23/48, c 15/48, a 10/48."""
    found = model.predict("a", k=2)
    assert [piece for piece, _ in found] == ["b", "c"]
    assert [p for _, p in found] == pytest.approx([23 / 48, 15 / 48])
    assert all(type(p) is float for _, p in found)


def test_a_prompt_may_be_left_out(model: AssociationModel) -> None:
    assert model.predict() == model.predict("") == model.predict([])
    assert len(model.begin().tokens) == 0


def test_an_unknown_piece_is_refused_with_the_nearest(model: AssociationModel) -> None:
    with pytest.raises(VocabularyError, match="no piece 'aa'"):
        model.begin().advance("aa")


def test_a_token_out_of_range_is_refused_with_the_range(model: AssociationModel) -> None:
    with pytest.raises(InputError, match="Token 3 is outside 0 … 2"):
        model.begin().advance(3)
    with pytest.raises(InputError, match=r"as id or as piece, got 1\.0"):
        model.begin().advance(1.0)


def test_digests_tell_models_apart(model: AssociationModel) -> None:
    again = AssociationModel.fit(["a b a b a c"], WORDS, order=2, skips=False, history=False)
    assert again.digest == model.digest
    others = [
        AssociationModel.fit("a b a b a b", WORDS, order=2, skips=False, history=False),
        AssociationModel.fit("a b a b a c", WORDS, order=3, skips=False, history=False),
        AssociationModel.fit("a b a b a c", WORDS, order=2, skips=[(2,)]),
        AssociationModel.fit("a b a b a c", WordVocabulary([*"abcd"]), order=2, skips=False, history=False),
        AssociationModel.fit("a b a b a c", WORDS, order=2, skips=False, keep_text=True),
    ]
    assert len({model.digest, *(other.digest for other in others)}) == 6
