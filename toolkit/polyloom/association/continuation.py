"""A place in a text under an association model.

It keeps nothing but the tokens: the counts need the last few (`reach`), the history looks back over the text.
"""

from typing import TYPE_CHECKING, Self

import numpy as np

from polyloom.association.account import account
from polyloom.association.text import NOTHING
from polyloom.association.ways import judged_ways
from polyloom.documents import Ids
from polyloom.explanation import Explanation
from polyloom.model import Candidates, Continuation, Floats, best
from polyloom.whole import whole

if TYPE_CHECKING:
    from polyloom.association.model import AssociationModel

ALONE = np.ones(1)
SHOWN = 12  # tokens of context that an explanation repeats


class AssociationContinuation(Continuation):
    """Forks share their text."""

    model: "AssociationModel"

    def fork(self) -> Self:
        """The same place again, over the same buffer."""
        return type(self)(self.model, self.tokens, self._buffer)

    def distribution(self) -> Floats:
        """Log-probabilities of the next token, float64 of shape (V,)."""
        return np.log(self.model.panel.dense(self.tokens, self.seen()[None], ALONE))

    def top(self, k: int = 10) -> Candidates:
        """The k likeliest next tokens, fewer if the vocabulary is smaller; most rows of a vocabulary are never read."""
        found = self.model.panel.top(self.tokens, self.seen()[None], ALONE, whole("k", k, 1))
        return best(self.distribution(), k) if found is None else Candidates(found[0], np.log(found[1]))

    def seen(self) -> Ids:
        """The token that each level of the model looks at from here, int64 (levels,)."""
        recent: list[int] = self.tokens[max(0, self._length - self.model.reach) :].tolist()
        end, begin, size = self.model.vocabulary.sentence_end, self.model.vocabulary.size, len(recent)
        in_chain = next((back for back in range(size) if recent[-1 - back] == end), self._length)
        found: list[int] = []
        for chained, offset in self.model.looks:
            if offset <= (in_chain if chained else size):
                found.append(recent[-offset] if offset else 0)
            else:
                found.append(begin if not chained or offset == in_chain + 1 else NOTHING)
        return np.array(found, np.int64)

    def _judge(self, ways: Ids) -> Floats:
        return judged_ways(self.model, self.tokens, ways)

    def _explain(self, token: int) -> Explanation:
        total = float(np.exp(self.distribution()[token]))
        pieces = self.model.vocabulary
        context = pieces.decode(self.tokens[max(0, self._length - SHOWN) :])
        terms = account(self.model, self.tokens, self.seen(), token)
        return Explanation(pieces.pieces[token], context, "probability", terms, total)
