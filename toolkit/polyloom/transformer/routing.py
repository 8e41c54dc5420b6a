"""Where a mixture of experts sent the tokens of a text, and how narrowly.

    p        each expert's softmax or sigmoid, before the choice; of a sigmoid they need not sum to 1
    margin   p + bias of the last expert chosen, minus that of the best one passed over: near 0, the choice was close
    load     the share of all choices that an expert got; 1/E each is even
    entropy  of p, in nats: ln E where the gate had no opinion, 0 where it was certain

Shapes: Q positions, E experts, k chosen for each token.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from polyloom.arrays import numpy
from polyloom.transformer.experts import Gate
from polyloom.transformer.opened import weighed

Floats = NDArray[np.floating]


@final
@dataclass(frozen=True, eq=False)
class Routing:
    """One layer's choices; see the module."""

    layer: int
    probabilities: Floats  # (Q, E)
    chosen: NDArray[np.int64]  # (Q, k), most wanted first
    weights: Floats  # (Q, k)
    margins: Floats  # (Q,), infinite where every expert is chosen
    load: Floats  # (E,), sums to 1
    entropy: Floats  # (Q,)

    def __repr__(self) -> str:
        (positions, count), active = self.probabilities.shape, self.chosen.shape[1]
        shares = ", ".join(f"{share:.2f}" for share in self.load)
        return f"<Routing of layer {self.layer}: {active} of {count} experts for {positions} tokens, load {shares}>"


def routing(layer: int, gate: Gate, chances: Tensor, chosen: Tensor) -> Routing:
    """What a gate did, from its p (Q, E) and its choice (Q, k)."""
    count = chances.shape[-1]
    wanted = (chances + gate.bias).sort(-1, descending=True).values
    whole = chances / chances.sum(-1, keepdim=True)
    last = wanted.gather(-1, torch.full_like(chosen[:, :1], gate.active - 1))
    passed = wanted[:, gate.active : gate.active + 1] if gate.active < count else torch.full_like(last, -torch.inf)
    return Routing(
        layer=layer,
        probabilities=numpy(chances),
        chosen=numpy(chosen),
        weights=numpy(weighed(chances, chosen, gate.normalise)),
        margins=numpy((last - passed)[:, 0]),
        load=numpy(torch.bincount(chosen.flatten(), minlength=count).to(chances.dtype) / max(1, chosen.numel())),
        entropy=numpy(-torch.xlogy(whole, whole).sum(-1)),
    )
