"""A place in a text under an association model, and the account of a token there.

Only the last few tokens matter (`reach`), so a step costs the same however long the text is.
"""

from functools import partial
from typing import TYPE_CHECKING, Self

import numpy as np

from polyloom.association.evidence import passages
from polyloom.association.kneser_ney import KneserNey
from polyloom.association.skip import Skip
from polyloom.association.text import Places
from polyloom.explanation import Explanation, Finder, Passage, Term
from polyloom.model import Continuation, Floats

if TYPE_CHECKING:
    from polyloom.association.model import AssociationModel

SHOWN = 12  # tokens of context that an explanation repeats


class AssociationContinuation(Continuation):
    """Keeps nothing but the tokens."""

    model: "AssociationModel"

    def fork(self) -> Self:
        """The same place again, over the same buffer."""
        return type(self)(self.model, self.tokens, self._buffer)

    def distribution(self) -> Floats:
        """Log-probabilities of the next token, float64 of shape (V,)."""
        return np.log(self.model.spread(self._place())[0])

    def _place(self) -> Places:
        recent = self.tokens[max(0, self._length - self.model.reach) :]
        return self.model.places(recent)[len(recent) :]

    def _explain(self, token: int) -> Explanation:
        place, pieces = self._place(), self.model.vocabulary
        terms = [
            _opened(share, component, self._account(component, place, token))
            for share, component in zip(self.model.shares.tolist(), self.model.components, strict=True)
        ]
        total = float(np.exp(self.distribution()[token]))
        context = pieces.decode(self.tokens[max(0, self._length - SHOWN) :])
        return Explanation(pieces.pieces[token], context, "probability", tuple(terms), total)

    def _account(self, component: KneserNey | Skip, place: Places, token: int) -> Explanation:
        chain = isinstance(component, KneserNey)
        terms = self._orders(component, place, token) if chain else self._row(component, place, token)
        total = float(component.chance(place, np.array([token]))[0])
        return Explanation(self.model.vocabulary.pieces[token], component.name, "probability", tuple(terms), total)

    def _orders(self, chain: KneserNey, place: Places, token: int) -> list[Term]:
        """One term for each order, the longest first, then the uniform floor."""
        terms: list[Term] = []
        for value, node, entry, n in chain.orders(place, token):
            if n < 0:
                detail = f"1 of {chain.vocabulary_size} words"
                terms.append(Term("any word", value, detail))
                continue
            seen = {offset: int(place.in_order(offset)[0]) for offset in range(1, n + 1)} if node >= 0 else None
            table = chain.tables[n]
            detail = _counted(
                self._words(seen),
                int(table.counts[entry]) if entry >= 0 else 0,
                int(table.totals[node]) if node >= 0 else 0,
                "times after" if n == chain.order - 1 else "continuations of",
            )
            terms.append(Term(f"order {n + 1}", value, detail, find=self._finder(seen, token, True, entry)))
        return terms

    def _row(self, skip: Skip, place: Places, token: int) -> list[Term]:
        """What the template counted, and its fall back to single words."""
        node = int(skip.nodes(place)[0])
        entry = int(skip.table.rows.find(np.array([node]), np.array([token]))[0])
        seen = {offset: int(place.across(offset)[0]) for offset in skip.template}
        share = float(skip.table.share[entry]) if entry >= 0 else 0.0
        left = float(skip.table.left[node]) if node >= 0 else 1.0
        total = int(skip.table.totals[node]) if node >= 0 else 0
        detail = _counted(self._words(seen), int(skip.table.counts[entry]) if entry >= 0 else 0, total, "times after")
        return [
            Term("seen", share, detail, find=self._finder(seen, token, False, entry)),
            Term("single words", left * float(skip.unigram[token]), "whatever stands before"),
        ]

    def _words(self, seen: dict[int, int] | None) -> str:
        """The context as read, oldest first: `_` where any token may stand, [start] before the first one."""
        if seen is None:
            return "an unseen context"
        names = [self._name(seen.get(offset)) for offset in range(max(seen, default=0), 0, -1)]
        return " ".join(names)

    def _name(self, token: int | None) -> str:
        if token is None:
            return "_"
        vocabulary = self.model.vocabulary
        return "[start]" if token == vocabulary.size else vocabulary.display(token)

    def _finder(self, seen: dict[int, int] | None, token: int, chained: bool, entry: int) -> Finder | None:
        """Fetches the training lines behind a count; None if it counted nothing."""
        if seen is None or entry < 0:
            return None
        return partial(_find, self.model, seen, token, chained)


def _find(
    model: "AssociationModel", seen: dict[int, int], token: int, chained: bool, limit: int
) -> tuple[Passage, ...]:
    return passages(model.text, model.vocabulary, seen, token, chained, limit)


def _opened(share: float, component: KneserNey | Skip, account: Explanation) -> Term:
    return Term(component.name, share * account.total, f"{share:.3f} × {account.total:.6f}", account)


def _counted(context: str, count: int, total: int, unit: str) -> str:
    where = f'{unit} "{context}"' if context else f"{unit.split()[0]} in all"
    return f"{count} of {total} {where}"
