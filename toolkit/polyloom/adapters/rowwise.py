"""One linear map for many texts, each with its own updates: the texts share one product with the map's weight.

    y_i = W x_i + b + (x_i A_i) B_i        A (B, inputs, R), B (B, R, outputs): the thin matrices of all texts, stacked

The updates of one text that are of low rank stand side by side in its A and B, factors and scales multiplied in; texts
of a lower rank are filled up with zeros.  So mixed ranks, and several adapters for one text, are two batched products.
Texts with an update of another kind go through their own brick.  Stacking costs one copy of the thin matrices and is
done once for a batch of the same requests.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from polyloom.adapters.attach import Attached
from polyloom.adapters.lora import LowRank
from polyloom.adapters.update import Update


@final
@dataclass(frozen=True)
class Request:
    """What one text asks of a map: updates with their scales, the first attached first, and the brick of them all."""

    updates: tuple[tuple[Update, float], ...]
    brick: nn.Module

    @property
    def low(self) -> list[tuple[LowRank, float]] | None:
        """Its updates, if all of them are of low rank."""
        found = [(update, scale) for update, scale in self.updates if isinstance(update, LowRank)]
        return found if len(found) == len(self.updates) else None


@final
class Rowwise(nn.Module):
    """A map that knows what each of its rows asks; see the module."""

    def __init__(self, linear: nn.Linear, requests: Sequence[Request]) -> None:
        super().__init__()
        self.linear = linear
        low = {n: found for n, request in enumerate(requests) if (found := request.low)}
        self.rows = torch.tensor(list(low), dtype=torch.int64, device=linear.weight.device)
        self.all = len(low) == len(requests)
        self.thin = stacked(list(low.values()), linear) if low else None
        self.others = _alike({n: request.brick for n, request in enumerate(requests) if request.low is None})

    def forward(self, x: Tensor) -> Tensor:
        """What the maps make of x (B, T, inputs), (B, T, outputs)."""
        y = self.linear(x)
        if self.thin is not None:
            a, b = self.thin
            given = x if self.all else x[self.rows]
            beside = torch.bmm(torch.bmm(given.to(a.dtype), a), b).to(y.dtype)
            y = y + beside if self.all else y.index_add(0, self.rows, beside)
        for rows, brick in self.others:
            y[rows] = brick(x[rows])
        return y


def stacked(rows: Sequence[Sequence[tuple[LowRank, float]]], linear: nn.Linear) -> tuple[Tensor, Tensor]:
    """A (B, inputs, R) and B (B, R, outputs) of the updates of each row, factors and scales in B, zeros beyond."""
    first = rows[0][0][0].a
    most = max(sum(update.rank for update, _ in row) for row in rows)
    a = first.new_zeros(len(rows), linear.in_features, most)
    b = first.new_zeros(len(rows), most, linear.out_features)
    for n, row in enumerate(rows):
        at = 0
        for update, scale in row:
            stop = at + update.rank
            a[n, :, at:stop] = update.a.T
            torch.mul(update.b.T, scale * update.factor, out=b[n, at:stop])
            at = stop
    return a, b


def requests(steps: Sequence[Attached], bricks: Mapping[str, nn.Module]) -> dict[str, Request]:
    """What a text with these adapters asks of each map; `bricks` are those of its model."""
    found: dict[str, list[tuple[Update, float]]] = {}
    for step in steps:
        for name, update in step.adapter.updates.items():
            found.setdefault(name, []).append((update, step.scale))
    return {name: Request(tuple(updates), bricks[name]) for name, updates in found.items()}


def _alike(bricks: Mapping[int, nn.Module]) -> list[tuple[Tensor, nn.Module]]:
    """Rows that share a brick go through it together."""
    rows: dict[nn.Module, list[int]] = {}
    for n, brick in bricks.items():
        rows.setdefault(brick, []).append(n)
    return [(torch.tensor(some), brick) for brick, some in rows.items()]
