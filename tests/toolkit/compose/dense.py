"""A stand-in for a network: a fixed random projection of the last few tokens, log-softmax in single precision.

It gives a whole row of log-probabilities at each place and nothing else, as a transformer does, at any size of
vocabulary and without torch.
"""

from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from polyloom import Continuation, Explanation, LanguageModel, Term, Vocabulary
from polyloom.model import block_rows

LOOK, WIDTH = 3, 16  # tokens back, numbers for each token


class Dense(LanguageModel):
    """Logits are `sharp` times a product of what was read with the embedding of each token."""

    def __init__(self, vocabulary: Vocabulary, seed: int = 0, sharp: float = 2.0) -> None:
        self.vocabulary, self.sharp = vocabulary, np.float32(sharp)
        dice = np.random.default_rng(seed)
        self.embedding = dice.normal(size=(vocabulary.size, WIDTH)).astype(np.float32)  # (V, d)
        self.turns = dice.normal(size=(LOOK, WIDTH, WIDTH)).astype(np.float32) / WIDTH**0.5  # (L, d, d)

    def begin(self, prompt: Any = ()) -> "DensePlace":
        return DensePlace(self, self.ids(prompt))

    def row(self, before: np.ndarray) -> np.ndarray:
        """Log-probabilities float64 (V,) after these tokens."""
        read = np.full(WIDTH, 0.1, np.float32)
        for turn, token in zip(self.turns, before[::-1][:LOOK].tolist(), strict=False):
            read += turn @ self.embedding[token]
        logits = (self.sharp * (self.embedding @ np.tanh(read))).astype(np.float64)
        logits -= logits.max()
        return logits - np.log(np.exp(logits).sum())

    def log_probs(self, tokens: Any) -> Iterator[np.ndarray]:
        ids, size = self.ids(tokens), block_rows(self.vocabulary.size)
        for start in range(0, len(ids), size):
            places = range(start, min(start + size, len(ids)))
            yield np.stack([self.row(ids[max(0, at - LOOK) : at]) for at in places])

    def state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        return {"kind": "dense"}, {"embedding": self.embedding, "turns": self.turns, "sharp": np.array([self.sharp])}


class DensePlace(Continuation):
    model: Dense
    _known: tuple[int, np.ndarray] | None = None

    def distribution(self) -> np.ndarray:
        """Kept until the text goes on, as networks do."""
        if self._known is None or self._known[0] != self._length:
            self._known = self._length, self.model.row(self.tokens[max(0, self._length - LOOK) :])
        return self._known[1]

    def fork(self) -> Self:
        return type(self)(self.model, self.tokens, self._buffer)

    def _explain(self, token: int) -> Explanation:
        chance = float(np.exp(self.distribution()[token]))
        terms = (Term("network", chance),)
        return Explanation(self.model.vocabulary.pieces[token], "", "probability", terms, chance)
