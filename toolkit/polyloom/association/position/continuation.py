"""A place in a text under a position-specific model, and the account of a token there.

    ln p(b) = bias(b) + Σ over the context of what each row adds − ln Z

Every number but ln Z is an integer in 2⁻¹⁶ nats, so the terms sum without rounding.
"""

from typing import TYPE_CHECKING, Self

from polyloom.errors import InputError
from polyloom.explanation import Explanation, Term
from polyloom.model import Candidates, Continuation, Floats
from polyloom_kernels.recall import UNIT, Touched, recall, touched

if TYPE_CHECKING:
    from polyloom.association.position.model import PositionModel

SHOWN = 12  # tokens of context that an explanation repeats


class PositionContinuation(Continuation):
    """Keeps nothing but the tokens."""

    model: "PositionModel"

    def fork(self) -> Self:
        """The same place again, over the same buffer."""
        return type(self)(self.model, self.tokens, self._buffer)

    def distribution(self) -> Floats:
        """Log-probabilities of the next token, float64 of shape (V,)."""
        return self.model.softmax.spread(self._touched())[0]

    def top(self, k: int = 10) -> Candidates:
        """The k likeliest next tokens: the best scores, and one normaliser."""
        if k < 1:
            raise InputError(f"k must be at least 1, got {k}.")
        best = recall(self.model.store, self.tokens, k)
        return Candidates(best.tokens, best.scores / UNIT - self.model.softmax.log_normalisers(self._touched())[0])

    def _touched(self) -> Touched:
        return touched(self.model.store, self.tokens, self._length, self._length + 1)

    def _explain(self, token: int) -> Explanation:
        vocabulary, recent = self.model.vocabulary, self.tokens[max(0, self._length - self.model.reach) :]
        rows = [self._row(source, n, token) for n, source in enumerate(recent[::-1].tolist(), 1)]
        terms = [self._bias(token), *rows, self._normaliser()]
        context = vocabulary.decode(self.tokens[max(0, self._length - SHOWN) :])
        return Explanation(vocabulary.pieces[token], context, "log", tuple(terms), float(self.distribution()[token]))

    def _bias(self, token: int) -> Term:
        counts = self.model.counts
        detail = f"{counts.frequency[token]} of {counts.tokens} tokens"
        return Term("single words", int(self.model.store.bias[token]) / UNIT, detail)

    def _row(self, source: int, distance: int, token: int) -> Term:
        name = f"{self.model.vocabulary.display(source)}, {distance} back"
        seen, total = self.model.counts.seen(source, distance, token)
        added = self.model.store.added(source, distance, token)
        detail = f"{seen} of {total} times {distance} after it"
        if added is None and seen:
            detail += ", no more than by chance, or not among the row's best"
        return Term(name, (added or 0) / UNIT, detail)

    def _normaliser(self) -> Term:
        value = -float(self.model.softmax.log_normalisers(self._touched())[0])
        return Term("− ln Z", value, f"over all {self.model.vocabulary.size} words")
