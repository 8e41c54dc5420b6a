"""The smallest language model: a fixed row of probabilities after each token, so that mixes have closed forms."""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from polyloom import Continuation, Explanation, LanguageModel, Term, WordVocabulary


class Constant(LanguageModel):
    """`rows` float64 (V + 1, V): log-probabilities after each token, the last row at the start."""

    def __init__(self, vocabulary: WordVocabulary, rows: np.ndarray) -> None:
        self.vocabulary, self.rows = vocabulary, rows

    def begin(self, prompt: Any = ()) -> "Place":
        return Place(self, self.ids(prompt))

    def log_probs(self, tokens: Any) -> Iterator[np.ndarray]:
        before = np.append(-1, self.ids(tokens))[:-1]
        for start in range(0, len(before), 3):  # several blocks
            yield self.rows[before[start : start + 3]]

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"kind": "constant"}, {"rows": self.rows}


class Place(Continuation):
    model: Constant

    def distribution(self) -> np.ndarray:
        return self.model.rows[self.tokens[-1] if len(self.tokens) else -1]

    def fork(self) -> Self:
        return type(self)(self.model, self.tokens, self._buffer)

    def _explain(self, token: int) -> Explanation:
        chance = float(np.exp(self.distribution()[token]))
        return Explanation(self.model.vocabulary.pieces[token], "", "probability", (Term("row", chance),), chance)


def random_models(seed: int, count: int, size: int = 5, spread: float = 2.0) -> list[Constant]:
    """Models whose log-probabilities differ by about `spread`."""
    rng, vocabulary = np.random.default_rng(seed), WordVocabulary(["</s>", "<unk>", *"abcdefghij"][:size])
    rows = spread * rng.normal(size=(count, size + 1, size))
    return [Constant(vocabulary, row - np.log(np.exp(row).sum(-1, keepdims=True))) for row in rows]
