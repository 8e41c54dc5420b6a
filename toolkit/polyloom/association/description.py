"""What an association model holds, table by table, and what goes with a token.

print(model.describe())
model.edges("tide")            what tends to come after it, one, two … tokens on
"""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np

from polyloom.association.counts import Shape
from polyloom.association.skip import name
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.model import Token

if TYPE_CHECKING:
    from polyloom.association.model import AssociationModel

Direction: TypeAlias = Literal["after", "before"]
LEAST = 2  # times an edge must have been seen: what came once may be chance


@dataclass(frozen=True)
class Table:
    """One table: how many contexts and counts it holds, and what is discounted from counts of 1, 2 and more."""

    name: str
    contexts: int
    counts: int
    discounts: tuple[float, float, float]


@dataclass(frozen=True)
class Description:
    """A model in figures; `print` shows it as a table."""

    tokens: int
    vocabulary_size: int
    tables: tuple[Table, ...]
    components: tuple[str, ...]
    history: dict[str, Any] | None
    bytes: int
    pruned: bool
    stale: bool
    fitted: bool
    text_kept: bool

    def __str__(self) -> str:
        head = f"{self.tokens:,} tokens counted over {self.vocabulary_size:,} pieces; {self.bytes:,} bytes"
        rows = [f"{'table':<14}{'contexts':>12}{'counts':>12}   discounts of 1, 2, 3+"]
        for table in self.tables:
            discounts = "  ".join(f"{discount:.3f}" for discount in table.discounts)
            rows.append(f"{table.name:<14}{table.contexts:>12,}{table.counts:>12,}   {discounts}")
        gate = "stale" if self.stale else "" if self.fitted else "not fitted, too little text was held out"
        notes = [f"gate over {', '.join(self.components)}", *([f"the gate is {gate}: refit_gate"] if gate else [])]
        notes += ["pruned: it does not merge"] if self.pruned else []
        notes += ["the text is kept"] if self.text_kept else []
        return "\n".join([head, *rows, *notes])

    def json(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


@dataclass(frozen=True)
class Edge:
    """`piece` came `offset` tokens after (or before) the token `count` times: `lift` times as often as anywhere."""

    offset: int
    piece: str
    count: int
    lift: float


def describe(model: "AssociationModel") -> Description:
    """A model in figures."""
    tables, levels = list[Table](), list[int](model.store.tables.tolist())
    for number, level in enumerate(levels):
        shape: Shape = model.shapes[level]
        label = f"order {len(shape.path) + 1}" if shape.chained else name(shape.path)
        _, one, two, more = model.store.discounts[number].tolist()
        tables.append(Table(label, len(model.store.tokens(level)), model.store.entries(level), (one, two, more)))
    history = None if model.memory is None else asdict(model.memory)
    figures = model.tokens_counted, model.vocabulary.size, tuple(tables), model.components, history
    gate = model.gate.stale, model.gate.fitted
    return Description(*figures, model.store.nbytes, model.pruned, *gate, model.text is not None)


def edges(model: "AssociationModel", token: Token, k: int, direction: Direction) -> tuple[Edge, ...]:
    """The k strongest edges of a token, by count × ln lift; see `AssociationModel.edges`."""
    if direction not in ("after", "before") or k < 1:
        raise InputError(f'Expected k of 1 or more and "after" or "before", got k={k} and {direction!r}.')
    wanted, pieces = model.token_id(token), model.vocabulary.pieces
    often = np.zeros(len(pieces))
    often[model.store.next(0)] = model.store.counts(0) / model.tokens_counted
    found: list[tuple[float, Edge]] = []
    tables = {model.shapes[level].path: level for level in list[int](model.store.tables.tolist())}  # skips come last
    for path, level in tables.items():
        if len(path) != 1:
            continue
        others, counts = _seen(model, level, wanted, direction)
        total = float(counts.sum())
        for other, count in zip(list[int](others.tolist()), list[int](counts.tolist()), strict=True):
            if count < LEAST or other == len(pieces):  # BEGIN is no token
                continue
            lift = count / (total * float(often[other]))
            if lift > 1:
                found.append((count * math.log(lift), Edge(path[0], pieces[other], count, lift)))
    found.sort(key=lambda pair: (-pair[0], pair[1].offset, pair[1].piece))
    return tuple(edge for _, edge in found[:k])


def _seen(model: "AssociationModel", level: int, token: int, direction: Direction) -> tuple[Ids, Ids]:
    """The other end and the count of every pair that a table of one offset holds of a token."""
    tokens, rows = model.store.tokens(level), model.store.rows(level).astype(np.int64)
    following, counts = model.store.next(level), model.store.counts(level)
    if direction == "after":
        node = np.flatnonzero(tokens == token)
        run = slice(int(rows[node[0]]), int(rows[node[0] + 1])) if len(node) else slice(0, 0)
        return following[run].astype(np.int64), counts[run].astype(np.int64)
    at = np.flatnonzero(following == token)
    return tokens[np.searchsorted(rows, at, side="right") - 1].astype(np.int64), counts[at].astype(np.int64)
