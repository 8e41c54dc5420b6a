"""Random counted contexts, as dictionaries and as the tapes that are made of them; and what the dictionaries say.

Contexts and rows are random, not counted from any text: a store must serve whatever it is given.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from cuda_kernels.history import definition as history
from polyloom_kernels.history import Memory
from polyloom_kernels.mixture import Level, Store, Voice, packed

Path = tuple[int, ...]
Row = dict[int, int]  # token → the count that is discounted
FLOOR = 0.01


@dataclass(frozen=True)
class Shape:
    """A level: its offsets, its parent, whether it is the chain's, whether it has rows."""

    path: Path
    parent: int
    chained: bool
    asked: bool


def shapes(order: int, templates: Sequence[Path]) -> list[Shape]:
    chain = [Shape(tuple(range(1, n + 1)), n - 1, True, True) for n in range(order)]
    paths = sorted({template[:n] for template in templates for n in range(len(template) + 1)})
    where = {path: order + n for n, path in enumerate(paths)}
    return [*chain, *(Shape(path, where[path[:-1]] if path else -1, False, path in templates) for path in paths)]


@dataclass(frozen=True)
class Drawn:
    """Nodes by their tokens, nearest first, and rows of those that have one; and the same on tapes."""

    shapes: list[Shape]
    contexts: list[dict[Path, int]]
    rows: list[dict[Path, Row]]
    discounts: np.ndarray
    store: Store

    @property
    def tables(self) -> list[int]:
        """The levels that have rows."""
        return [level for level, shape in enumerate(self.shapes) if shape.asked]

    def row(self, level: int, seen: Sequence[int]) -> Row:
        """What came after the tokens that a level and those above it look at."""
        context: Path = ()
        at = level
        while self.shapes[at].parent >= 0:
            context = (seen[at], *context)
            at = self.shapes[at].parent
        return self.rows[level].get(context, {})

    def known(self, seen: Sequence[int]) -> list[tuple[float, int]]:
        """Of every table but the first: how much its row holds, of how many kinds."""
        rows = [self.row(level, seen) for level in self.tables[1:]]
        return [(float(sum(row.values())), len(row)) for row in rows]

    def chances(self, seen: Sequence[int], token: int) -> list[float]:
        """p of a token under the chain, then under each further table."""
        unigram, order = float(self.store.unigram[token]), self.store.order
        found = [unigram] * (1 + len(self.tables) - order)
        for table, level in list(enumerate(self.tables))[1:]:
            row, taken = self.row(level, seen), [0.0, *self.discounts[table, 1:].tolist()]
            total = sum(row.values())
            if not total:
                continue
            freed = sum(taken[min(count, 3)] for count in row.values())
            kept = row[token] - taken[min(row[token], 3)] if token in row else 0.0
            component = max(0, table - order + 1)
            found[component] = kept / total + freed / total * found[component]
        return found


def drawn(
    dice: Generator, size: int, order: int, templates: Sequence[Path], children: int = 3, width: int = 4, most: int = 6
) -> Drawn:
    """Up to `children` contexts below each one, up to `width` tokens in a row, counts up to `most`."""
    found = shapes(order, templates)
    contexts, rows, levels = list[dict[Path, int]](), list[dict[Path, Row]](), list[Level]()
    for shape in found:
        above = contexts[shape.parent] if shape.parent >= 0 else {}
        below = [_some(dice, size + 1, children) for _ in above]  # BEGIN, whose id is the size, can be seen
        keys = [(*context, token) for context, tokens in zip(above, below, strict=True) for token in tokens]
        contexts.append({context: node for node, context in enumerate(keys if shape.parent >= 0 else [()])})
        wide = size if shape.chained and not shape.path else width
        rows.append({key: _row(dice, size, wide, most) for key in contexts[-1]} if shape.asked else {})
        levels.append(_level(shape, contexts[-1], np.cumsum([0, *map(len, below)]), list(rows[-1].values())))
    tables = sum(shape.asked for shape in found)
    discounts = np.arange(4) * dice.uniform(0.05, 0.95, (tables, 4))
    unigram = dice.integers(1, 4, size).astype(np.float64)  # few different chances: many ties
    store = packed(levels, [shape.parent for shape in found], discounts, unigram / unigram.sum(), order)
    return Drawn(found, contexts, rows, discounts, store)


def _some(dice: Generator, size: int, most: int) -> list[int]:
    return sorted(dice.choice(size, int(dice.integers(0, min(size, most) + 1)), replace=False).tolist())


def _row(dice: Generator, size: int, width: int, most: int) -> Row:
    return {token: int(dice.integers(1, most + 1)) for token in _some(dice, size, width)}


def _level(shape: Shape, contexts: dict[Path, int], children: np.ndarray, rows: list[Row]) -> Level:
    tokens = np.array([context[-1] if context else 0 for context in contexts], np.int64)
    if not shape.asked:
        return Level(shape.path, shape.chained, tokens, children)
    starts = np.cumsum([0, *map(len, rows)])
    following = np.array([token for row in rows for token in row], np.int64)
    taken = np.array([count for row in rows for count in row.values()], np.int64)
    if not shape.chained:
        return Level(shape.path, False, tokens, children, starts, following, taken)
    return Level(shape.path, True, tokens, children, starts, following, taken + 1, taken)  # discounts other counts


def looks(dice: Generator, some: Drawn, places: int) -> np.ndarray:
    """What every level looks at from each place, int64 (levels, places): often what was seen, at times nothing."""
    size = some.store.vocabulary_size
    found = dice.integers(-1, size + 1, (len(some.shapes), places))
    for level, contexts in enumerate(some.contexts):
        known = [context[-1] for context in contexts if context]
        often = dice.random(places) < 0.8
        if known:
            found[level, often] = dice.choice(known, int(often.sum()))
    return found


def voice_of(dice: Generator, some: Drawn, memory: Memory | None) -> Voice:
    """A voice under a random gate."""
    told = 0 if memory is None else 1 + len(memory.orders)
    tables, order = len(some.tables), some.store.order
    shape = 1 + 4 * (tables - 1 + told) + order, 1 + tables - order + told
    return Voice(some.store, dice.normal(0, 0.7, shape), FLOOR, memory)


def spoken(some: Drawn, voice: Voice, text: list[int], seen: list[int], token: int) -> float:
    """p of a token after a text under a voice: the softmax of its gate over what its dictionaries say."""
    memory, order = voice.memory, some.store.order
    parts = some.chances(seen, token)
    pairs = some.known(seen)
    depth = sum(often > 0 for often, _ in pairs[: order - 1])
    if memory is not None:
        parts += history.chances(text, token, float(some.store.unigram[token]), memory)
        pairs += history.known(text, memory)
    known = [1.0, *(math.log1p(often) for often, _ in pairs), *(float(often > 0) for often, _ in pairs)]
    known += [kinds / max(often, 1.0) for often, kinds in pairs]
    known += [*(float(kinds == 1) for _, kinds in pairs), *(float(n == depth) for n in range(order))]
    scores = np.array(known) @ voice.gate
    loud = np.exp(scores - scores.max())
    shares = (1 - voice.floor) * loud / loud.sum() + voice.floor / len(parts)
    return float(shares @ parts)
