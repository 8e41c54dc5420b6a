"""Norms: what keeps the residual stream at one size before each part reads it.

    rms     x / √(mean x² + ε) · g
    layer   (x − mean x) / √(var x + ε) · g + b

Both compute in float32 at least, whatever the dtype of the stream.  Once the scale 1/√(…) is taken as given, both are
linear in x, which is what makes an explanation on the logit scale exact: `scale` gives it, `apply` uses a given one.
"""

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from polyloom.transformer.config import Norm


class Normalisation(nn.Module, ABC):
    """`forward(x)` is `apply(centred x, scale(x))`; all over the last axis."""

    weight: nn.Parameter

    @abstractmethod
    def scale(self, x: Tensor) -> Tensor:
        """1/√(…), float32 or wider, (…, 1)."""

    @abstractmethod
    def apply_scale(self, x: Tensor, scale: Tensor) -> Tensor:
        """The norm of x with a scale that is given: linear in x but for `offset`."""

    @abstractmethod
    def offset(self) -> Tensor | None:
        """What is added whatever x is, (d,), or None."""


@final
class RMSNorm(Normalisation):
    """Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """The normalised stream, same shape and dtype."""
        read = x.to(wide(x.dtype))
        return self.weight * (read * torch.rsqrt(read.square().mean(-1, keepdim=True) + self.eps)).to(x.dtype)

    def scale(self, x: Tensor) -> Tensor:
        """1/√(mean x² + ε), (…, 1)."""
        return torch.rsqrt(x.to(wide(x.dtype)).square().mean(-1, keepdim=True) + self.eps)

    def apply_scale(self, x: Tensor, scale: Tensor) -> Tensor:
        """x · scale · g."""
        return self.weight * (x * scale)

    def offset(self) -> Tensor | None:
        """None: there is no bias."""
        return None


@final
class LayerNorm(Normalisation):
    """Ba, Kiros and Hinton, "Layer Normalization", 2016."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """The normalised stream, same shape and dtype."""
        return nn.functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)

    def scale(self, x: Tensor) -> Tensor:
        """1/√(var x + ε), (…, 1)."""
        return torch.rsqrt(x.to(wide(x.dtype)).var(-1, correction=0, keepdim=True) + self.eps)

    def apply_scale(self, x: Tensor, scale: Tensor) -> Tensor:
        """(x − mean x) · scale · g: the bias stands apart, in `offset`."""
        return self.weight * ((x - x.mean(-1, keepdim=True)) * scale)

    def offset(self) -> Tensor | None:
        """The bias, (d,)."""
        return self.bias


def norm(config: Norm, width: int) -> Normalisation:
    """The norm of a config, over vectors of `width`."""
    return NORMS[config.kind](width, config.eps)


def wide(dtype: torch.dtype) -> torch.dtype:
    """What sums of this dtype are computed in: float32 at least."""
    return torch.promote_types(dtype, torch.float32)


NORMS: dict[str, type[RMSNorm] | type[LayerNorm]] = {"rms": RMSNorm, "layer": LayerNorm}
