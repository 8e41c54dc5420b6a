"""Keeping from what was rejected: the laws, the penalty by hand, where it says nothing, accounts, files, refusals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyloom
from contract import LanguageModelContract, distribution
from polyloom import AssociationModel, FileError, Gated, InputError, LanguageModel, Layer, Layered
from polyloom.compose.rejecting import Rejecting
from polyloom.files import read, write
from toolkit.compose.test_hybrid import COUNTS, NETWORK, OTHERS, WORDS, skewed

MAKES: dict[str, Callable[[], LanguageModel]] = {
    "of a network": lambda: Rejecting(NETWORK, OTHERS, 0.7),
    "in others, and of others": lambda: Layered(
        Rejecting(Gated({"a": COUNTS, "b": OTHERS}), OTHERS), {"more": Layer(Rejecting(COUNTS, OTHERS, 2.0), 0.3)}
    ),
}


@pytest.mark.long
class TestRejecting(LanguageModelContract):
    @pytest.fixture(scope="class", params=MAKES)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> LanguageModel:
        return MAKES[request.param]()


@pytest.fixture(scope="module")
def rejected() -> AssociationModel:
    """Counts of one short text: 1 2 3 4."""
    return AssociationModel.fit(
        [np.array([1, 2, 3, 4])], WORDS, order=3, skips=False, history=False, held_out=[], progress=False
    )


@pytest.mark.parametrize("prompt", [[], [1], [1, 2], [5, 3], [6]])
def test_the_penalty_is_what_the_texts_say_here_over_what_they_say_anywhere(
    rejected: AssociationModel, prompt: list[int]
) -> None:
    p, q = (np.exp(distribution(model.begin(prompt))) for model in (COUNTS, rejected))
    expected = p / np.maximum(1.0, q / rejected.store.unigram) ** 1.5
    found = np.exp(distribution(Rejecting(COUNTS, rejected, 1.5).begin(prompt)))
    np.testing.assert_allclose(found, expected / expected.sum(), rtol=1e-12)


def test_elsewhere_nothing_is_touched(rejected: AssociationModel) -> None:
    """After a token that the rejected text never had."""
    for prompt in ([6], [1, 2, 6], [7, 8]):
        ours = distribution(Rejecting(COUNTS, rejected, 5.0).begin(prompt))
        np.testing.assert_allclose(ours, distribution(COUNTS.begin(prompt)), atol=1e-9)
    np.testing.assert_allclose(
        distribution(Rejecting(COUNTS, rejected, 0.0).begin([1, 2])), distribution(COUNTS.begin([1, 2])), atol=1e-12
    )


def test_a_model_is_kept_from_what_it_likes_best() -> None:
    text = skewed(WORDS.size, 2, 60)
    sure = AssociationModel.fit([text] * 5, WORDS, history=False, held_out=[], progress=False)
    again = AssociationModel.fit([text], WORDS, skips=False, history=False, held_out=[], progress=False)
    corrected = Rejecting(sure, again)
    assert corrected.log_likelihood(text).mean() < sure.log_likelihood(text).mean() - 0.5


def test_the_account_says_what_was_rejected(rejected: AssociationModel) -> None:
    model = Rejecting(COUNTS, rejected)
    account = model.explain([1, 2], 3)
    assert [term.name for term in account.terms] == ["model", "penalty", "−ln Z"]
    assert account.terms[1].contribution < 0
    assert "rejected here" in account.terms[1].detail
    assert "no likelier here" in model.explain([1, 2], 7).terms[1].detail
    assert abs(account.residual) < 1e-9


def test_it_comes_back_from_a_file(rejected: AssociationModel, tmp_path: Path) -> None:
    model = Rejecting(COUNTS, rejected, 0.5)
    again = polyloom.load(model.save(tmp_path / "mix.psamc"))
    assert repr(again) == repr(model) == "<Rejecting: strength 0.5>"
    assert again.digest == model.digest != Rejecting(COUNTS, rejected, 0.6).digest
    np.testing.assert_array_equal(distribution(again.begin([1, 2])), distribution(model.begin([1, 2])))


@pytest.mark.parametrize(
    "damage", [{"settings": {"strength": -1.0}}, {"settings": {}, "members": []}, {"settings": {"loud": 1.0}}]
)
def test_a_damaged_file_is_told(rejected: AssociationModel, tmp_path: Path, damage: dict[str, Any]) -> None:
    manifest, arrays = read(Rejecting(COUNTS, rejected).save(tmp_path / "mix.psamc"))
    with pytest.raises(FileError, match="is damaged"):
        polyloom.load(write(tmp_path / "broken.psamc", manifest | damage, arrays))


def test_what_cannot_be_rejected(rejected: AssociationModel) -> None:
    with pytest.raises(InputError, match="Only counts can be rejected"):
        Rejecting(COUNTS, NETWORK)
    wrong: Any
    for wrong in (-0.1, float("nan"), "much", None, True):
        with pytest.raises(InputError, match="strength must be a finite number"):
            Rejecting(COUNTS, rejected, wrong)
