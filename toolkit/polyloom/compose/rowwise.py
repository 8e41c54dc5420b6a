"""What composites share that go by the whole rows of their members: at each place, one row made of K others.

    ln p(· | text) = mixed(ln p_1(· | text), …, ln p_K(· | text))        rows of shape (…, V)

A composite says what it makes of rows (`mixed`), who speaks for a token (`voices`) and why (`account`).  Here stands
how it reads a text, where the rows come from, and that each member is asked once at a place.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from polyloom.buffer import TokenBuffer
from polyloom.compose.composite import Composite, CompositeContinuation, named_members
from polyloom.documents import Ids
from polyloom.explanation import Explanation, Scale, Term, parts
from polyloom.model import Continuation, Floats, LanguageModel, Prompt, Token

Account = tuple[Scale, tuple[Term, ...], float]  # scale, terms and total of one token
Place = TypeVar("Place", bound="RowwiseContinuation")


class Rowwise(Composite[Place]):
    """Named members on one vocabulary, and one row made of theirs."""

    def __init__(self, members: Mapping[str, LanguageModel]) -> None:
        self._members = named_members(members)
        self.vocabulary = next(iter(self._members.values())).vocabulary

    @abstractmethod
    def mixed(self, rows: Sequence[Floats]) -> Floats:
        """Log-probabilities (…, V), in a new array, of those of all members at the same places."""

    @abstractmethod
    def account(self, accounts: Sequence[Explanation], rows: Sequence[Floats], token: int) -> Account:
        """Scale, terms and total of one token, of what the members say of it and their rows (V,)."""

    @abstractmethod
    def voices(self, rows: Sequence[Floats], token: int) -> Mapping[str, float]:
        """How loudly members speak for one token, 0 or more, given their rows (V,): as its account has it."""

    @property
    def models(self) -> dict[str, LanguageModel]:
        """The members by name."""
        return dict(self._members)

    def rows(self, tokens: Prompt) -> Iterator[tuple[Floats, ...]]:
        """The blocks of `log_probs` of all members, side by side."""
        ids = self.ids(tokens)
        yield from zip(*(model.log_probs(ids) for model in self._members.values()), strict=True)

    def log_probs(self, tokens: Prompt) -> Iterator[Floats]:
        """Teacher-forced log-probabilities in blocks (n, V) of at most 64 MB; row t is given tokens before t."""
        return map(self.mixed, self.rows(tokens))


class RowwiseContinuation(CompositeContinuation):
    """One state for each member, all at the same place; what they say there is kept until the text goes on."""

    model: Rowwise[Any]

    def __init__(
        self, model: Rowwise[Any], tokens: Ids, members: Sequence[Continuation], buffer: TokenBuffer | None = None
    ) -> None:
        super().__init__(model, tokens, members, buffer)
        self._heard: tuple[int, list[Floats]] | None = None  # after how many tokens, and the rows there

    def rows(self) -> list[Floats]:
        """What each member says comes next: K log-probability rows of shape (V,)."""
        if self._heard is None or self._heard[0] != self._length:
            self._heard = self._length, [member.distribution() for member in self.members]
        return self._heard[1]

    def distribution(self) -> Floats:
        """Log-probabilities of the next token, float64 of shape (V,)."""
        return self.model.mixed(self.rows())

    def shares(self, token: Token, ago: int = 0) -> dict[str, float]:
        """Who speaks for a token, by member: from what each gives it, without opening their accounts."""
        if ago:
            return self.back(ago).shares(token)
        return parts(self.model.voices(self.rows(), self.model.token_id(token)))

    def extend(self, tokens: Prompt) -> Floats:
        """Append tokens; float64 (n, V): the distribution after each of them.  Members may read them in one go."""
        ids = self.model.ids(tokens)
        if not len(ids):
            return np.empty((0, self.model.vocabulary.size))
        self._said(ids)
        return self.model.mixed([member.extend(ids) for member in self.members])

    def _explain(self, token: int) -> Explanation:
        accounts = [member.explain(token) for member in self.members]
        scale, terms, total = self.model.account(accounts, self.rows(), token)
        return Explanation(self.model.vocabulary.pieces[token], accounts[0].context, scale, terms, total)
