"""Perplexity is exp of the mean negative log-likelihood, over exactly the tokens given."""

import numpy as np
import pytest

from polyloom import AssociationModel, InputError, WordVocabulary
from polyloom.evaluate import perplexity

WORDS = WordVocabulary(["</s>", "a", "b"])


class Fair:
    """The least that evaluation needs: a fair choice among five at every token."""

    vocabulary = WORDS

    def log_likelihood(self, tokens: np.ndarray) -> np.ndarray:
        return np.full(len(tokens), -np.log(5.0))


def test_a_fair_choice_among_five_has_perplexity_five() -> None:
    assert perplexity(Fair(), ["a b", "a"]) == pytest.approx(5)


def test_it_is_worked_out_by_hand() -> None:
    """Unigrams of `a a b` are 2/3 and 1/3 before discounts of 1 and 1/2; three pieces share what these free."""
    model = AssociationModel.fit("a a b", WORDS, order=1, skips=False, history=False)
    a, b, end = 1 / 3 + 1 / 6, 1 / 6 + 1 / 6, 1 / 6
    assert model.perplexity("a b") == pytest.approx((a * b) ** -0.5)
    assert model.perplexity(np.array([1, 2, 0])) == pytest.approx((a * b * end) ** (-1 / 3))


def test_documents_do_not_see_each_other_and_every_token_weighs_the_same(sea: AssociationModel) -> None:
    documents = ["At night the tide comes in.", "The mate said nothing", "tide"]
    scores = [sea.log_likelihood(sea.vocabulary.encode(text)) for text in documents]
    assert sea.perplexity(documents) == pytest.approx(np.exp(-np.concatenate(scores).mean()))
    assert sea.perplexity(documents) == pytest.approx(sea.perplexity(documents[::-1]))
    assert sea.perplexity(documents) != pytest.approx(sea.perplexity(" ".join(documents)))


def test_nothing_is_added_to_the_tokens_given(sea: AssociationModel) -> None:
    ids = sea.vocabulary.encode("At night the tide")
    assert sea.perplexity("At night the tide") == pytest.approx(np.exp(-sea.log_likelihood(ids).mean()))
    assert sea.perplexity(np.append(ids, sea.vocabulary.sentence_end)) != pytest.approx(sea.perplexity(ids))


def test_all_forms_of_documents_agree(sea: AssociationModel) -> None:
    texts = ["At night the tide", "comes in"]
    ids = [sea.vocabulary.encode(text) for text in texts]
    forms = [texts, tuple(texts), ids, iter(texts), {"x": texts}, {"x": texts[:1], "y": ids[1]}, [*texts, ""]]
    assert len({round(sea.perplexity(form), 9) for form in forms}) == 1


@pytest.mark.parametrize("nothing", [[], "", [""], {}, {"sea": []}, np.empty(0, np.int64), iter([])])
def test_nothing_has_no_perplexity(sea: AssociationModel, nothing: object) -> None:
    with pytest.raises(InputError, match="at least one token"):
        sea.perplexity(nothing)
