"""What `generate/` and `evaluate/` need of a model: no more than this, so that anything with these methods will do."""

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from polyloom.tokens.vocabulary import Vocabulary


class Scores(Protocol):
    """Can say how likely given tokens are: what evaluation needs."""

    vocabulary: Vocabulary

    def log_likelihood(self, tokens: NDArray[np.int64]) -> NDArray[np.float64]:
        """ln p(token_t | tokens before t), float64 of shape (T,)."""
        ...


class Predicts(Protocol):
    """Gives whole distributions of a text: what a report on a model needs."""

    vocabulary: Vocabulary

    def log_probs(self, tokens: NDArray[np.int64]) -> Iterator[NDArray[np.float64]]:
        """Log-probabilities in blocks (n, V); row t is given the tokens before t."""
        ...


class HasVocabulary(Protocol):
    """Says in which pieces it speaks."""

    vocabulary: Vocabulary

    def token_id(self, token: int | str) -> int:
        """A token given as id or as piece."""
        ...


class Continues(Protocol):
    """A place in a text that can go on: what generation needs."""

    @property
    def model(self) -> HasVocabulary:
        """Whose continuation this is."""
        ...

    @property
    def tokens(self) -> NDArray[np.int64]:
        """All tokens so far."""
        ...

    def distribution(self) -> NDArray[np.float64]:
        """Log-probabilities of the next token, float64 of shape (V,)."""
        ...

    def shares(self, token: int, ago: int = 0) -> dict[str, float]:
        """Who speaks for a token, as parts of 1; with `ago`, so many tokens before the end."""
        ...

    def advance(self, token: int) -> None:
        """Append one token."""
        ...

    def fork(self) -> "Continues":
        """The same place again, to go on independently."""
        ...

    def rebind(self, model: Any) -> "Continues":
        """The same text under another model."""
        ...


class ReadsAhead(Continues, Protocol):
    """A place that can read several tokens at once and take them back: what speculation needs besides."""

    def extend(self, tokens: Sequence[int]) -> NDArray[np.float64]:
        """Append tokens; float64 (n, V): the distribution after each of them."""
        ...

    def back(self, n: int) -> Continues:
        """The same text without its last n tokens."""
        ...


class Judges(Continues, Protocol):
    """A place that can say how likely several ways to go on are: what filling in the middle needs besides."""

    def judge(self, ways: NDArray[np.int64]) -> NDArray[np.float64]:
        """ln p of each token of ways (n, L), given the text and its own way before it, float64 (n, L)."""
        ...


class Begins(HasVocabulary, Protocol):
    """Can begin a text: what filling in the middle needs of a model."""

    @property
    def context(self) -> int | None:
        """How many tokens it reads at once; None if there is no limit."""
        ...

    def ids(self, prompt: str | Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """A text as token ids."""
        ...

    def begin(self, prompt: NDArray[np.int64]) -> Judges:
        """A place after a text."""
        ...


class Marks(Protocol):
    """Which ids mark the parts of a text that a model was trained to fill in; `end` closes the middle."""

    @property
    def prefix(self) -> int:
        """Before the left side."""
        ...

    @property
    def suffix(self) -> int:
        """Before the right side."""
        ...

    @property
    def middle(self) -> int:
        """Before the middle."""
        ...

    @property
    def end(self) -> int | None:
        """After the middle, or None."""
        ...
