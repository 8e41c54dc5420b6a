"""What an association model must say, worked out with dictionaries: slow, and written from the papers, not the code.

A document is a list of token ids.  `</s>` ends a chain; BEGIN stands before each chain, and for skips before each
document.  An n-gram is a tuple, oldest token first, its last the one that came next.

    p_n(y | h) = (c(h y) − D(c)) / c(h) + γ(h) p_{n−1}(y | h'),  γ(h) = Σ_y D(c(h y)) / c(h),  p_0 = 1 / V

(Chen and Goodman, 1999, section 3, with continuation counts below the longest order.)
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise

BEGIN = "BEGIN"
Gram = tuple[object, ...]
Counts = dict[Gram, int]
FALLBACK = (0.5, 1.0, 1.5)


def chains(document: Sequence[int], end: int | None) -> list[list[object]]:
    """BEGIN and the tokens up to and with `</s>`, again and again; the last chain has not ended, and may be empty."""
    found: list[list[object]] = [[BEGIN]]
    for token in document:
        found[-1].append(token)
        if token == end:
            found.append([BEGIN])
    return found


def count_ngrams(documents: Iterable[Sequence[int]], order: int, end: int | None) -> list[Counter[Gram]]:
    """Raw counts of the n-grams of length 1 … order that end in a token."""
    counts: list[Counter[Gram]] = [Counter() for _ in range(order)]
    for document in documents:
        for chain in chains(document, end):
            for last in range(1, len(chain)):
                for n in range(min(order, last + 1)):
                    counts[n][tuple(chain[last - n : last + 1])] += 1
    return counts


def count_skips(documents: Iterable[Sequence[int]], template: Sequence[int]) -> Counter[Gram]:
    """How often each token came, given those at the offsets of the template, nearest first."""
    counts: Counter[Gram] = Counter()
    for document in documents:
        for at, token in enumerate(document):
            counts[(*seen(document, at, template), token)] += 1
    return counts


def seen(document: Sequence[int], at: int, template: Sequence[int]) -> Gram:
    return tuple(document[at - offset] if offset <= at else BEGIN for offset in template)


def continuations(counts: Counts, longer: Counts) -> Counts:
    """In how many n-grams one longer each of these stands; its own count where in none."""
    before: dict[Gram, set[object]] = defaultdict(set)
    for gram in longer:
        before[gram[1:]].add(gram[0])
    return {gram: len(before[gram]) if gram in before else count for gram, count in counts.items()}


def modified_discounts(counts: Iterable[int]) -> tuple[float, ...]:
    n = Counter(counts)
    if not all(n[k] for k in (1, 2, 3, 4)):
        return FALLBACK
    y = n[1] / (n[1] + 2 * n[2])
    found = tuple(k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3))
    return tuple(taken if taken > 0 else other for taken, other in zip(found, FALLBACK, strict=True))


class Row:
    """What came after one context."""

    def __init__(self) -> None:
        self.counts: dict[object, int] = {}

    def parts(self, y: object, discounts: Sequence[float]) -> tuple[float, float]:
        """The discounted share of `y`, and the weight of what lies below."""
        total = sum(self.counts.values())
        if not total:
            return 0.0, 1.0
        taken = {x: discounts[min(count, len(discounts)) - 1] for x, count in self.counts.items()}
        share = (self.counts[y] - taken[y]) / total if y in self.counts else 0.0
        return share, sum(taken.values()) / total


def rows_of(counts: Counts) -> dict[Gram, Row]:
    rows: dict[Gram, Row] = defaultdict(Row)
    for gram, count in counts.items():
        rows[gram[:-1]].counts[gram[-1]] = count
    return rows


class KneserNey:
    """From raw n-gram counts of every order."""

    def __init__(self, counts: Sequence[Counts], size: int, end: int | None) -> None:
        adjusted = [*(continuations(*pair) for pair in pairwise(counts)), counts[-1]]
        self.discounts = [modified_discounts(order.values()) for order in adjusted]
        self.rows = [rows_of(order) for order in adjusted]
        self.size, self.end = size, end

    def terms(self, document: Sequence[int], y: int) -> list[float]:
        """What each order adds to p(y | document), the longest first, then the uniform floor."""
        found: list[float] = []
        weight = 1.0
        for n in range(len(self.rows) - 1, -1, -1):
            row = self._row(document, n)
            share, left = row.parts(y, self.discounts[n]) if row else (0.0, 1.0)
            found.append(weight * share)
            weight *= left
        return [*found, weight / self.size]

    def chance(self, document: Sequence[int], y: int) -> float:
        return sum(self.terms(document, y))

    def unigram(self, y: int) -> float:
        share, left = self.rows[0][()].parts(y, self.discounts[0])
        return share + left / self.size

    def known(self, document: Sequence[int]) -> list[tuple[float, int]]:
        """How much came after the context of each order but the first, and how many different tokens."""
        return [known(self._row(document, n)) for n in range(1, len(self.rows))]

    def _row(self, document: Sequence[int], n: int) -> Row | None:
        chain = chains(document, self.end)[-1]
        return self.rows[n].get(tuple(chain[len(chain) - n :])) if n <= len(chain) else None


class Skip:
    """From the raw counts of one template, over the unigrams of `below`."""

    def __init__(self, counts: Counts, template: Sequence[int], below: KneserNey) -> None:
        n = Counter(counts.values())
        self.discount = n[1] / (n[1] + 2 * n[2]) if n[1] and n[2] else 0.75
        self.rows, self.template, self.below = rows_of(counts), template, below

    def terms(self, document: Sequence[int], y: int) -> list[float]:
        """What was seen, and what falls to single words."""
        row = self._row(document)
        share, left = row.parts(y, (self.discount,)) if row else (0.0, 1.0)
        return [share, left * self.below.unigram(y)]

    def known(self, document: Sequence[int]) -> list[tuple[float, int]]:
        return [known(self._row(document))]

    def _row(self, document: Sequence[int]) -> Row | None:
        return self.rows.get(seen(document, len(document), self.template))


def known(row: Row | None) -> tuple[float, int]:
    return (float(sum(row.counts.values())), len(row.counts)) if row else (0.0, 0)
