"""The least that a model must bring: with it alone, all that is written once for every model keeps the contract."""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
import pytest

from contract import LanguageModelContract
from polyloom import Continuation, Explanation, LanguageModel, Term, WordVocabulary
from polyloom.model import block_rows

START = 0.5  # what stands before the first token


class Waves(LanguageModel):
    """ln p(y | text ending in x) = sin(x y) − ln Z: any numbers would do, as long as they depend on the last token."""

    def __init__(self, size: int) -> None:
        self.vocabulary = WordVocabulary(["</s>", *(f"w{n}" for n in range(size - 1))])

    def rows(self, last: Any) -> np.ndarray:
        waves = np.sin(np.outer(last, np.arange(self.vocabulary.size)))
        return waves - np.log(np.exp(waves).sum(-1, keepdims=True))

    def begin(self, prompt: Any = ()) -> "WavesPlace":
        return WavesPlace(self, self.ids(prompt))

    def log_probs(self, tokens: Any) -> Iterator[np.ndarray]:
        last = np.append(START, self.ids(tokens))[:-1]
        many = block_rows(self.vocabulary.size)
        for start in range(0, len(last), many):
            yield self.rows(last[start : start + many])

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"kind": "waves", "size": self.vocabulary.size}, {}


class WavesPlace(Continuation):
    model: Waves

    def distribution(self) -> np.ndarray:
        return self.model.rows(self.tokens[-1] if len(self.tokens) else START)[0]

    def fork(self) -> Self:
        return type(self)(self.model, self.tokens, self._buffer)

    def _explain(self, token: int) -> Explanation:
        chance = float(np.exp(self.distribution()[token]))
        terms = (Term("low tide", 0.25 * chance), Term("high tide", 0.75 * chance))
        return Explanation(self.model.vocabulary.pieces[token], "", "probability", terms, chance)


@pytest.fixture(scope="module")
def model() -> Waves:
    return Waves(1_200)  # large enough for the long context to come in two blocks


class TestMinimal(LanguageModelContract):
    pass


def test_the_long_context_is_more_than_one_block(model: Waves) -> None:
    assert len(list(model.log_probs(np.zeros(10_000, np.int64)))) == 2
