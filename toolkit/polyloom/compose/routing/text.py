"""Choosers that go by the text alone, whatever the members say of it.

They look at the last `window` characters: what a text is about changes, and a place that looked at all of it would cost
more the longer the text is.  A document judged token by token is looked at anew before each of them.

    weigh(text)      {name: score}, finite and 0 or more; none above 0: it abstains
    account(text)    the same scores, as an explanation whose terms are these names
"""

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import final

import numpy as np

from polyloom.compose.routing.chooser import Chooser, Decision, Judged, Stand, Where, known
from polyloom.documents import Ids
from polyloom.explanation import Explanation, Term
from polyloom.model import Floats, LanguageModel
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.whole import whole

WINDOW = 200  # characters: some thirty words
SHOWN = 60  # characters that an account repeats


class TextChooser(Chooser):
    """Scores members by the text; `names` are those it can give, `window` how many characters it sees, None all."""

    def __init__(self, names: Sequence[str], window: int | None) -> None:
        self.names = tuple(names)
        self.window = window if window is None else whole("window", window, 1)

    @abstractmethod
    def weigh(self, text: str) -> Mapping[str, float]:
        """A score for each name that it knows something of."""

    @abstractmethod
    def account(self, text: str) -> Explanation:
        """Why it weighs the text as it does."""

    def route(self, text: str) -> Decision:
        """What it makes of a text, seen whole: a name, a score and why."""
        return Decision(dict(self.weigh(text)), self.account(text))

    def check(self, names: Sequence[str]) -> None:
        """Each of its names must be that of a member."""
        known(type(self).__name__, self.names, names)

    @final
    def along(self, models: Mapping[str, LanguageModel], ids: Ids) -> Judged:
        """The scores of the text before each token."""
        vocabulary, names = next(iter(models.values())).vocabulary, list(models)
        found = [self._scores(names, self._seen(vocabulary, ids[:at])) for at in range(len(ids))]
        return Judged(np.array(found).reshape(-1, len(names)))

    @final
    def at(self, where: Where, before: Floats | None, told: Floats | None) -> Floats:
        """The scores of the text so far."""
        del before, told
        return self._scores(list(where.members), self._seen(where.vocabulary, where.tokens))

    @final
    def explain(self, where: Where, way: Sequence[Stand]) -> Explanation:
        """Its account of the text so far."""
        del way
        return self.account(self._seen(where.vocabulary, where.tokens))

    def _seen(self, vocabulary: Vocabulary, ids: Ids) -> str:
        """The end of the text: a character is at most as many tokens as a window holds."""
        return vocabulary.decode(ids) if self.window is None else vocabulary.decode(ids[-self.window :])[-self.window :]

    def _scores(self, names: Sequence[str], text: str) -> Floats:
        weighed = self.weigh(text)
        known("The router", list(weighed), names)
        return np.array([weighed.get(name, 0.0) for name in names])


def account_of(text: str, scores: Mapping[str, float], reasons: Mapping[str, str]) -> Explanation:
    """Scores that add up, each with its reason in words."""
    terms = tuple(Term(name, score, reasons.get(name, "")) for name, score in scores.items())
    return Explanation("who speaks", text[-SHOWN:], "probability", terms, math.fsum(scores.values()))
