"""Discounted rows: the form in which counts become probabilities.

    p(y | node) = share(node, y) + left(node) · below(y)

`share` is the discounted count over the row's total, zero for what never came; `left` is the mass the discounts set
free, one for a node that was never seen, so that everything unknown falls through to `below`.  Kneser–Ney orders and
skips are both of this form; they differ in which counts they discount and in what lies below.
"""

from dataclasses import dataclass

import numpy as np

from polyloom.association.counts import Rows
from polyloom.documents import Ids
from polyloom.model import Floats


@dataclass(frozen=True)
class Table:
    """Rows with `share` float64 (entries,), `left` float64 (nodes,), and the counts that were discounted."""

    rows: Rows
    counts: Ids  # (entries,) as discounted: raw or continuation counts
    totals: Ids  # (nodes,) their sums
    share: Floats
    left: Floats
    starts: Ids  # (nodes + 1,)

    @classmethod
    def discount(cls, rows: Rows, counts: Ids, discounts: Floats) -> "Table":
        """Take `discounts[min(c, len − 1)]` off every count c (discounts[0] is never used)."""
        contexts = rows.contexts
        taken = np.minimum(discounts[np.minimum(counts, len(discounts) - 1)], counts)
        totals = np.bincount(contexts, counts, rows.nodes)
        freed = np.bincount(contexts, taken, rows.nodes)
        safe = np.maximum(totals, 1.0)
        share = (counts - taken) / safe[contexts]
        left = np.where(totals > 0, freed / safe, 1.0)
        return cls(rows, counts, totals.astype(np.int64), share, left, rows.starts())

    def chance(self, nodes: Ids, tokens: Ids, below: Floats) -> Floats:
        """p of each token after each node, float64 (n,), given its probability below."""
        at = self.rows.find(nodes, tokens)
        share = np.where(at >= 0, self.share[at], 0.0) if len(self.share) else np.zeros(len(at))
        return share + self._left(nodes) * below

    def spread(self, nodes: Ids, below: Floats) -> Floats:
        """p of every token after each node, float64 (n, V), given those below: (n, V) or (V,)."""
        dense = self._left(nodes)[:, None] * below
        for row, node in enumerate(nodes.tolist()):
            if node >= 0:
                entries = slice(self.starts[node], self.starts[node + 1])
                dense[row, self.rows.next_of(entries)] += self.share[entries]
        return dense

    def _left(self, nodes: Ids) -> Floats:
        return np.where(nodes >= 0, self.left[nodes], 1.0) if len(self.left) else np.ones(len(nodes))
