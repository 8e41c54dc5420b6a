"""The account of one token at one place: every component of an association model opened down to its counts."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from polyloom.association.evidence import passages
from polyloom.association.text import NOTHING
from polyloom.documents import Ids
from polyloom.explanation import Explanation, Finder, Passage, Term
from polyloom.model import Floats
from polyloom_kernels.gate import features
from polyloom_kernels.history import spoken
from polyloom_kernels.mixture import entries, remembered, sums, walk

if TYPE_CHECKING:
    from polyloom.association.model import AssociationModel


def account(model: "AssociationModel", tokens: Ids, seen: Ids, token: int) -> tuple[Term, ...]:
    """One term for each component: its share times its probability, which opens into what it counted."""
    place = _Place(model, tokens, seen, token)
    parts = [place.chain(), *(place.skip(n) for n in range(len(model.skips))), *place.history()]
    shares: list[float] = place.shares().tolist()
    return tuple(
        Term(part.context, share * part.total, f"{share:.3f} × {part.total:.6f}", part)
        for share, part in zip(shares, parts, strict=True)
    )


class _Place:
    """What the counts hold for one token at one place."""

    def __init__(self, model: "AssociationModel", tokens: Ids, seen: Ids, token: int) -> None:
        self.model, self.store, self.seen, self.token = model, model.store, seen.tolist(), token
        self.nodes = walk(model.store, seen[:, None])[:, 0]
        self.heard = None if model.memory is None else spoken(tokens, model.memory)
        self.unigram = float(model.store.unigram[token])
        rows = [self._row(table) for table in range(len(model.store.tables))]
        self.counts, self.totals, self.freed, self.kinds = (list(column) for column in zip(*rows, strict=True))

    def shares(self) -> Floats:
        """The share of each component here, float64 (K,)."""
        told = np.empty((0, 1)) if self.heard is None else remembered(self.heard)[:, None]
        known = np.array([0.0, *self.totals[1:], 0.0, *self.kinds[1:]])[:, None]
        return self.model.gate.shares(features(self.store.order, known, told))[0]

    def chain(self) -> Explanation:
        """One term for each order, the longest first, then the uniform floor."""
        terms: list[Term] = []
        rest = 1.0
        for table in reversed(range(self.store.order)):
            unit = "times after" if table == self.store.order - 1 else "continuations of"
            known = table == 0 or self.nodes[self.store.tables[table]] >= 0
            seen = dict(zip(range(1, table + 1), self._path(table), strict=True)) if known else None
            terms.append(self._counted(f"order {table + 1}", rest, table, seen, unit, chained=True))
            rest *= self._left(table)
        size = self.model.vocabulary.size
        terms.append(Term("any word", rest / size, f"1 of {size} words"))
        return self._whole(self.model.components[0], terms)

    def skip(self, number: int) -> Explanation:
        """What the template counted, and its fall back to single words."""
        table = self.store.order + number
        seen = dict(zip(self.model.skips[number], self._path(table), strict=True))
        counted = self._counted("seen", 1.0, table, seen, "times after", chained=False)
        below = Term("single words", self._left(table) * self.unigram, "whatever stands before")
        return self._whole(self.model.components[1 + number], [counted, below])

    def history(self) -> list[Explanation]:
        """The recent tokens, then each order of the text so far."""
        heard, memory = self.heard, self.model.memory
        if heard is None or memory is None:
            return []
        names = self.model.components[-1 - len(memory.orders) :]
        weight, mass = _of(self.token, *heard.recent), heard.mass + memory.prior
        recent = [
            Term("seen", weight / mass, f"weight {weight:.2f} of {heard.mass:.2f} recent tokens"),
            Term("single words", memory.prior / mass * self.unigram, "whatever stands before"),
        ]
        cache = self._whole(names[0], recent)
        found = [cache]
        for label, (tokens, counts) in zip(names[1:], heard.rows, strict=True):
            count, total = _of(self.token, tokens, counts), int(counts.sum())
            share = max(count - memory.discount, 0.0) / total if total else 0.0
            left = memory.discount * len(tokens) / total if total else 1.0
            terms = [
                Term("seen", share, f"{count:.0f} of {total} times in the text so far"),
                Term(names[0], left * cache.total, "the recent tokens"),
            ]
            found.append(self._whole(label, terms))
        return found

    def _row(self, table: int) -> tuple[int, float, float, int]:
        """Of a table's row: the token's count, what all add up to, the freed mass, and how many kinds there are."""
        level = int(self.store.tables[table])
        node = self.nodes[level : level + 1]
        row = sums(self.store, table, node)
        entry = int(entries(self.store, level, node, np.array([self.token]))[0])
        count = int(self.store.taken(level)[entry]) if entry >= 0 else 0
        rows = self.store.rows(level)
        kinds = int(rows[node[0] + 1]) - int(rows[node[0]]) if node[0] >= 0 else 0
        return count, float(row.totals[0]), float(row.freed[0]), kinds

    def _left(self, table: int) -> float:
        return self.freed[table] / self.totals[table] if self.totals[table] else 1.0

    def _path(self, table: int) -> list[int]:
        """The tokens that a table's context holds, nearest first."""
        level, found = int(self.store.tables[table]), list[int]()
        while self.model.shapes[level].path:
            found.append(self.seen[level])
            level = self.model.shapes[level].parent
        return found[::-1]

    def _counted(
        self, label: str, mass: float, table: int, seen: dict[int, int] | None, unit: str, chained: bool
    ) -> Term:
        count, total = self.counts[table], self.totals[table]
        share = mass * (count - float(self.store.discounts[table][min(count, 3)])) / total if count else 0.0
        words = self._words(seen)
        where = f'{unit} "{words}"' if words else f"{unit.split()[0]} in all"
        find = self._finder(seen, chained) if count else None
        return Term(label, share, f"{count} of {total:.0f} {where}", find=find)

    def _whole(self, label: str, terms: list[Term]) -> Explanation:
        total = sum(term.contribution for term in terms)
        return Explanation(self.model.vocabulary.pieces[self.token], label, "probability", tuple(terms), total)

    def _words(self, seen: dict[int, int] | None) -> str:
        """The context as read, oldest first: `_` where any token may stand, [start] before the first one."""
        if seen is None:
            return "an unseen context"
        return " ".join(self._name(seen.get(offset)) for offset in range(max(seen, default=0), 0, -1))

    def _name(self, token: int | None) -> str:
        if token is None or token == NOTHING:
            return "_"
        vocabulary = self.model.vocabulary
        return "[start]" if token == vocabulary.size else vocabulary.display(token)

    def _finder(self, seen: dict[int, int] | None, chained: bool) -> Finder | None:
        """Fetches the training lines behind a count."""
        return None if seen is None else partial(_find, self.model, seen, self.token, chained)


def _find(
    model: "AssociationModel", seen: dict[int, int], token: int, chained: bool, limit: int
) -> tuple[Passage, ...]:
    return passages(model.text, model.vocabulary, seen, token, chained, limit)


def _of(token: int, tokens: Ids, amounts: Ids | Floats) -> float:
    """What a sorted list of tokens holds for one of them."""
    at = int(np.searchsorted(tokens, token))
    return float(amounts[at]) if at < len(tokens) and tokens[at] == token else 0.0
