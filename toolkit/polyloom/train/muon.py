"""Muon: momentum whose steps are made orthogonal, for the matrices inside a network.

    m ← μ m + (1 − μ) g                         u = μ m + (1 − μ) g      (Nesterov)
    o = U Vᵀ of u = U S Vᵀ, roughly             five Newton–Schulz steps
    w ← w (1 − η λ) − η √max(1, rows / columns) · o

Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024, with the constants and the scale given
there; decoupled weight decay as in Liu et al., "Muon is scalable for LLM training", 2025.  A step changes every
direction of a matrix about equally, so that rare ones learn too.

A stack of matrices, such as the weights of all experts, is treated as the matrices it holds.  `torch.optim.Muon` takes
none of these, and always multiplies in bfloat16, which takes 20 to 60 times as long on a CPU that has no such
instructions; otherwise a test holds the two equal.
"""

from collections.abc import Callable, Iterable
from typing import Any, final, overload

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # as steep at 0 as goes while all singular values stay near 1
STEPS = 5
TINY = 1e-7  # keeps a matrix of zeros what it is


@final
class Muon(torch.optim.Optimizer):
    """For parameters with two axes, or three of which the first counts matrices."""

    def __init__(
        self, parameters: Iterable[nn.Parameter], rate: float, momentum: float = 0.95, weight_decay: float = 0.1
    ) -> None:
        super().__init__(parameters, {"lr": rate, "momentum": momentum, "weight_decay": weight_decay})

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Move every parameter that has a gradient."""
        with torch.enable_grad():
            loss = None if closure is None else closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, group)
        return loss

    def _move(self, weight: Tensor, group: dict[str, Any]) -> None:
        gradient, state = weight.grad, self.state[weight]
        if gradient is None:
            return
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(weight)
        momentum = state["momentum"].lerp_(gradient, 1 - group["momentum"])
        update = orthogonal(gradient.lerp(momentum, group["momentum"]).to(precision(weight)))
        scale = max(1.0, weight.shape[-2] / weight.shape[-1]) ** 0.5
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(update.to(weight.dtype), alpha=-group["lr"] * scale)


def orthogonal(matrices: Tensor) -> Tensor:
    """Of matrices (…, rows, columns) those with the same singular vectors and singular values near 1."""
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = matrices.transpose(-1, -2) if tall else matrices  # so that the products are as small as they can be
    x = x / (x.square().sum((-1, -2), keepdim=True).sqrt() + TINY)
    for _ in range(STEPS):
        gram = x @ x.transpose(-1, -2)
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.transpose(-1, -2) if tall else x


def precision(weight: Tensor) -> torch.dtype:
    """What the products are computed in: all that matters is that it is fast, and the steps correct themselves."""
    return torch.float32 if weight.device.type == "cpu" else torch.bfloat16
