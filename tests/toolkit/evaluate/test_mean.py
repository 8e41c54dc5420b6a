"""A mean over tokens and its interval: by the whole text, over documents or blocks of one, infinite values included."""

import math

import numpy as np
import pytest

from polyloom import InputError
from polyloom.evaluate.bootstrap import draws, interval
from polyloom.evaluate.mean import mean_of


def test_it_is_over_tokens_and_not_over_documents() -> None:
    documents = [np.array([1.0, 2.0, 3.0]), np.empty(0), *[np.array([10.0])] * 10]
    figure, drawn = mean_of(documents)
    assert figure.value == 106 / 13
    assert drawn == "11 documents"
    assert figure.high == 10.0  # the first is not drawn in every third draw


def test_its_interval_is_that_of_the_bootstrap() -> None:
    documents = np.split(np.random.default_rng(1).normal(size=500), range(20, 500, 20))
    found = draws(np.array([[part.sum(), len(part)] for part in documents]), 3)
    figure, _ = mean_of(documents, 3)
    assert (figure.low, figure.high) == pytest.approx(interval(found[:, 0] / found[:, 1]))
    assert figure.low < 0 < figure.high
    assert figure.high - figure.low == pytest.approx(4 / math.sqrt(500), rel=0.25)  # twice 1.96 standard errors


@pytest.mark.parametrize(("tokens", "drawn"), [(1, "1 block of 1 token"), (45, "23 blocks of 2 tokens")])
def test_one_document_is_cut_into_blocks(tokens: int, drawn: str) -> None:
    figure, said = mean_of([np.arange(tokens, dtype=np.float64)])
    assert said == drawn
    assert figure.value == (tokens - 1) / 2
    assert mean_of([np.zeros(10_000)])[1] == "100 blocks of 100 tokens"


def test_two_documents_that_agree_prove_little() -> None:
    """They are cut, too: none of the blocks holds tokens of both."""
    dice = np.random.default_rng(1)
    ours, theirs = dice.normal(size=(2, 50))
    figure, drawn = mean_of([ours - ours.mean() + 0.1, theirs - theirs.mean() + 0.1])
    assert figure.value == pytest.approx(0.1)
    assert figure.low < 0 < figure.high
    assert drawn == "20 blocks of 5 tokens"
    assert mean_of([ours[:6], theirs[:40]])[1] == "23 blocks of 2 tokens"


def test_what_is_infinite_is_infinite_and_its_interval_says_how_surely() -> None:
    figure, _ = mean_of([np.array([1.0]), np.array([math.inf])] + [np.array([1.0])] * 9)
    assert (figure.low, figure.value, figure.high) == (1.0, math.inf, math.inf)


@pytest.mark.parametrize("documents", [[], [np.empty(0)]])
def test_of_nothing_there_is_no_mean(documents: list[np.ndarray]) -> None:
    with pytest.raises(InputError, match="at least one token"):
        mean_of(documents)
