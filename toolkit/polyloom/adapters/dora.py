"""DoRA: the direction of each row of a map by low rank, and its length learned apart (Liu et al. 2024).

    V  = W + f B A
    W' = m · V / ‖V‖        ‖V‖ over the inputs, one length for each output; m (outputs,), the magnitude

The magnitude starts as ‖W‖, so that training begins with the map as it was.  In training ‖V‖ counts as a constant, as
in the paper; afterwards m / ‖V‖ is computed once for each map.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast, final

import torch
from torch import Tensor, nn

from polyloom.adapters.lora import LoRA, thin
from polyloom.adapters.method import Method, finite
from polyloom.adapters.update import Update
from polyloom.errors import InputError


@final
@dataclass(frozen=True, eq=False)
class Directed(Update):
    """A direction by low rank, `a` (r, inputs) and `b` (outputs, r), and a `magnitude` (outputs,).

    `gain` is m / ‖V‖, (outputs,), once the map is known.
    """

    a: Tensor
    b: Tensor
    magnitude: Tensor
    factor: float
    gain: Tensor | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.b.shape[0], self.a.shape[1]

    def tensors(self) -> dict[str, Tensor]:
        """A, B and m."""
        return {"a": self.a, "b": self.b, "magnitude": self.magnitude}

    def numbers(self) -> dict[str, Any]:
        """The factor."""
        return {"factor": self.factor}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> "Directed":
        """A and B of one rank, a magnitude for each output, and the factor."""
        a, b = thin(tensors["a"], tensors["b"])
        if tensors["magnitude"].shape != b.shape[:1]:
            raise InputError(f"The magnitude must be ({len(b)},), got {tuple(tensors['magnitude'].shape)}.")
        return cls(a, b, tensors["magnitude"], finite("factor", numbers["factor"]))

    def through(self, linear: nn.Linear, x: Tensor, scale: float) -> Tensor:
        """b + (1 − s) W x + s (m / ‖V‖) (W x + f B A x)."""
        bias = cast("Tensor | None", linear.bias)
        kept = nn.functional.linear(x, linear.weight) if type(linear) is nn.Linear else linear(x)
        if type(linear) is not nn.Linear and bias is not None:
            kept = kept - bias
        beside = nn.functional.linear(nn.functional.linear(x.to(self.a.dtype), self.a), self.b)
        gain = self._gain(linear.weight) if self.gain is None else self.gain
        found = kept + (scale * ((gain - 1) * kept + gain * self.factor * beside)).to(kept.dtype)
        return found if bias is None else found + bias

    def weight(self, weight: Tensor, scale: float) -> Tensor:
        """(1 − s) W + s m V / ‖V‖."""
        turned = self._gain(weight)[:, None] * self._direction(weight)
        return torch.lerp(weight, turned.to(weight.dtype), scale)

    def settled(self, linear: nn.Linear) -> "Directed":
        """With the gain for this map."""
        return replace(self, gain=self._gain(linear.weight))

    def _direction(self, weight: Tensor) -> Tensor:
        return torch.add(weight.to(self.b.dtype), self.b @ self.a, alpha=self.factor)

    def _gain(self, weight: Tensor) -> Tensor:
        return self.magnitude / lengths_of(self._direction(weight)).detach()


@final
@dataclass(frozen=True)
class DoRA(Method):
    """How to adapt by direction and magnitude: see the module; the fields are those of LoRA."""

    kind: ClassVar[str] = "dora"
    rank: int = 16
    alpha: float = 32.0
    stabilised: bool = False
    targets: tuple[str, ...] = ()
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        self._low()

    def first(self, name: str, weight: Tensor, dice: torch.Generator) -> Directed:
        """A random, B zero, the magnitude that of the map."""
        low = self._low().first(name, weight, dice)
        return Directed(low.a, low.b, lengths_of(weight), low.factor)

    def _low(self) -> LoRA:
        return LoRA(self.rank, self.alpha, self.stabilised)


def lengths_of(weight: Tensor) -> Tensor:
    """The length of each row, (outputs,)."""
    return weight.square().sum(1).sqrt()
