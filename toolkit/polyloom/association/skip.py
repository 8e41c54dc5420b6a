"""Skip templates: what comes next given the tokens at chosen distances back, whatever stands between.

    p(y | h) = max(c(h y) − D, 0) / c(h)  +  D · |row(h)| / c(h) · unigram(y)

with one discount D = n₁ / (n₁ + 2 n₂) (Ney, Essen and Kneser, 1994).  A template with a single offset is a
position-specific association.  Skips look past `</s>`, never past the start of the document.
"""

from dataclasses import dataclass

import numpy as np

from polyloom.association.counts import Rows, Trie, count_rows
from polyloom.association.table import Table
from polyloom.association.text import Places
from polyloom.documents import Ids
from polyloom.model import Floats

Template = tuple[int, ...]
TEMPLATES: tuple[Template, ...] = ((2,), (3,), (4,), (1, 3), (2, 3))
FALLBACK = 0.75  # the discount where nothing was seen once, or twice


@dataclass(frozen=True)
class Skip:
    """One template over its own trie, falling back to a unigram distribution, float64 (V,)."""

    template: Template
    trie: Trie
    table: Table
    unigram: Floats

    @classmethod
    def count(cls, places: Places, targets: Ids, template: Template, unigram: Floats) -> "Skip":
        """Count a text; `places` are those of its `targets`."""
        columns = (places.across(offset) for offset in template)
        trie, nodes = Trie.build(columns, len(places), places.begin + 1)
        return cls.derive(template, trie, count_rows(nodes[-1], targets, trie.levels[-1], places.begin), unigram)

    @classmethod
    def derive(cls, template: Template, trie: Trie, rows: Rows, unigram: Floats) -> "Skip":
        """Everything that is not a raw count, from the raw counts."""
        once, twice = (int(np.count_nonzero(rows.counts == k)) for k in (1, 2))
        discount = once / (once + 2 * twice) if once and twice else FALLBACK
        return cls(template, trie, Table.discount(rows, rows.counts, np.array([0.0, discount])), unigram)

    @property
    def name(self) -> str:
        """`skip 1+3`: the tokens 1 and 3 back."""
        return "skip " + "+".join(map(str, self.template))

    def nodes(self, places: Places) -> Ids:
        """The context of each place, -1 where it was never seen."""
        return self.trie.walk([places.across(offset) for offset in self.template], len(places))[-1]

    def chance(self, places: Places, targets: Ids) -> Floats:
        """p of each target, float64 (n,)."""
        return self.table.chance(self.nodes(places), targets, self.unigram[targets])

    def spread(self, places: Places) -> Floats:
        """p of every token at each place, float64 (n, V)."""
        return self.table.spread(self.nodes(places), self.unigram)
