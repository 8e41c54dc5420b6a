"""IA3: a factor for each output of some maps, and for each input of others (Liu et al. 2022).

    y' = l ⊙ (W x + b)      outputs: keys and values
    y' = W (l ⊙ x) + b      inputs: the way down of a feed-forward

Factors start at 1, so that training begins with the map as it was.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from polyloom.adapters.method import Method
from polyloom.adapters.update import Update
from polyloom.errors import InputError


@final
@dataclass(frozen=True, eq=False)
class Factors(Update):
    """`factors` (n,) for the inputs or the outputs of a map; `other` is how many there are of the other ones."""

    factors: Tensor
    inputs: bool
    other: int

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return (self.other, len(self.factors)) if self.inputs else (len(self.factors), self.other)

    def tensors(self) -> dict[str, Tensor]:
        """The factors."""
        return {"factors": self.factors}

    def numbers(self) -> dict[str, Any]:
        """Which side they are for, and how large the other one is."""
        return {"inputs": self.inputs, "other": self.other}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> "Factors":
        """Factors of one axis."""
        factors, inputs, other = tensors["factors"], numbers["inputs"], numbers["other"]
        if factors.ndim != 1 or not isinstance(inputs, bool) or type(other) is not int:
            raise InputError(f"Factors must be one for each input or output, got {tuple(factors.shape)}.")
        return cls(factors, inputs, other)

    def through(self, linear: nn.Linear, x: Tensor, scale: float) -> Tensor:
        """Inputs times their factors, or outputs, bias included."""
        factors = self._at(scale)
        return linear((x * factors).to(x.dtype)) if self.inputs else (linear(x) * factors).to(x.dtype)

    def weight(self, weight: Tensor, scale: float) -> Tensor:
        """W with its columns, or its rows, times their factors."""
        factors = self._at(scale)
        return (weight * (factors if self.inputs else factors[:, None])).to(weight.dtype)

    def bias(self, bias: Tensor, scale: float) -> Tensor:
        """b, times the factors of the outputs."""
        return bias if self.inputs else (bias * self._at(scale)).to(bias.dtype)

    def _at(self, scale: float) -> Tensor:
        return torch.add(1.0 - scale, self.factors, alpha=scale) if scale != 1.0 else self.factors


@final
@dataclass(frozen=True)
class IA3(Method):
    """How to adapt by factors: `targets` as in LoRA; those that are in `inputs` too have factors for their inputs."""

    kind: ClassVar[str] = "ia3"
    targets: tuple[str, ...] = ("attention.k", "attention.v", "feed_forward.down")
    inputs: tuple[str, ...] = ("feed_forward.down",)
    layers: tuple[int, ...] | None = None

    def first(self, name: str, weight: Tensor, dice: torch.Generator) -> Factors:
        """All 1."""
        del dice
        inputs = name.split(".", 2)[2] in self.inputs
        return Factors(weight.new_ones(weight.shape[int(inputs)]), inputs, weight.shape[1 - int(inputs)])
