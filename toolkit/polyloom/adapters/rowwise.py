"""One linear map for many texts, each with its own updates: the texts share one product with the map's weight.

    y_i = W x_i + b + Σ_k s_ik f_k B_k A_k x_i          the updates k that text i asks for, at its scales

Updates of low rank stand in slots, whatever their ranks, and each text names the slots of those that it asks for
(`polyloom_kernels.lora`).  So a new batch costs a table of addresses: no matrix is stacked or filled up, and texts that
ask for the same update share it.  Texts with an update of another kind go through their own brick.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from polyloom.adapters.attach import Attached
from polyloom.adapters.lora import LowRank
from polyloom.adapters.update import Update
from polyloom_kernels.jit import frozen
from polyloom_kernels.lora import Bank, Thin, lora, ready, thin
from polyloom_kernels.lora.inside import lora as learning


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
        low = [request.low for request in requests]
        self.thin = Slotted([row or [] for row in low]) if any(low) else None
        self.others = _alike({n: request.brick for n, request in enumerate(requests) if request.low is None})

    def forward(self, x: Tensor) -> Tensor:
        """What the maps make of x (B, T, inputs), (B, T, outputs)."""
        y = self.linear(x)
        if self.thin is not None:
            y = self.thin.added(x, y)
        for rows, brick in self.others:
            y[rows] = brick(x[rows])
        return y


@final
class Slotted:
    """The updates of low rank that the texts of a batch ask for, each once, and who asks for which at what scale.

    They are added in the dtype of their matrices; of several, in the widest.
    """

    def __init__(self, texts: Sequence[Sequence[tuple[LowRank, float]]]) -> None:
        self.updates = list(dict.fromkeys(update for text in texts for update, _ in text))
        self.dtype = reduce(torch.promote_types, {update.a.dtype for update in self.updates})
        places = {update: slot for slot, update in enumerate(self.updates)}
        most = max(map(len, texts))
        asked = [[(places[update], scale * update.factor) for update, scale in text] for text in texts]
        filled = np.array([text + [(-1, 0.0)] * (most - len(text)) for text in asked])  # (B, K, 2)
        self.slots, self.scales = frozen(filled[:, :, 0].astype(np.int64)), frozen(filled[:, :, 1])
        device = self.updates[0].a.device
        on_gpu = device.type == "cuda"
        known = (torch.float32, torch.bfloat16) if on_gpu else (torch.float32,)
        self.bank = Bank.of(self._laid(), device if on_gpu else None) if self.dtype in known else None
        self.asked: Any = (self.slots, frozen(self.scales.astype(np.float32)))  # as the bank's device has them
        if on_gpu:
            self.asked = tuple(torch.tensor(each, device=device) for each in self.asked)

    def added(self, x: Tensor, y: Tensor) -> Tensor:
        """y (B, T, outputs) with what the updates make of x (B, T, inputs); y may be written over."""
        if self.bank is not None and not torch.is_grad_enabled() and ready(self.bank.device):
            return self._quickly(self.bank, x.to(self.dtype), y)
        asked = (torch.tensor(each, device=x.device) for each in (self.slots, self.scales))
        slots, scales = (each.repeat_interleave(x.shape[1], 0) for each in asked)
        a, b = ([getattr(update, name).to(self.dtype) for update in self.updates] for name in ("a", "b"))
        return y + learning(x.flatten(0, 1).to(self.dtype), slots, a, b, scales).view(y.shape).to(y.dtype)

    def _quickly(self, bank: Bank, x: Tensor, y: Tensor) -> Tensor:
        """The same by compiled code, into y if that can be."""
        if y.dtype != self.dtype or not y.is_contiguous():
            return y + self._quickly(bank, x, torch.zeros_like(y, dtype=self.dtype)).to(y.dtype)
        slots, scales = self.asked
        if x.shape[1] != 1:
            rows = np.repeat(np.arange(len(x)), x.shape[1])
            slots, scales = slots[rows], scales[rows]
        given, out = (each.detach() if each.is_cuda else each.detach().numpy() for each in (x, y))
        lora(given.reshape(-1, bank.inputs), slots, bank, scales, out.reshape(-1, bank.outputs))
        return y

    def _laid(self) -> list[Thin]:
        return [
            update.laid if update.a.dtype == self.dtype else thin(update.a.to(self.dtype), update.b.to(self.dtype))
            for update in self.updates
        ]


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
