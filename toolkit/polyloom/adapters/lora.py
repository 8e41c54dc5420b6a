"""LoRA: a small change of a linear map, as the product of two thin matrices (Hu et al. 2021).

    W' = W + f B A          A (r, inputs), B (outputs, r)
    f  = α / r              or  α / √r, rank-stabilised (Kalajdzievski 2023), which lets high ranks learn

A starts random and B at zero, so that training begins with the map as it was.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import torch
from torch import Tensor, nn

from polyloom.adapters.method import Method, drawn, finite
from polyloom.adapters.update import Update
from polyloom.errors import InputError
from polyloom.whole import whole
from polyloom_kernels.lora import Thin
from polyloom_kernels.lora import thin as laid


@final
@dataclass(frozen=True, eq=False)
class LowRank(Update):
    """f B A beside a map: `a` (r, inputs), `b` (outputs, r)."""

    a: Tensor
    b: Tensor
    factor: float

    @property
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs."""
        return self.b.shape[0], self.a.shape[1]

    @property
    def rank(self) -> int:
        """How many directions it changes."""
        return self.a.shape[0]

    @cached_property
    def laid(self) -> Thin:
        """A and B as compiled code reads them, float32 or bfloat16: A as it is, B as a copy."""
        return laid(self.a, self.b)

    def tensors(self) -> dict[str, Tensor]:
        """A and B."""
        return {"a": self.a, "b": self.b}

    def numbers(self) -> dict[str, Any]:
        """The factor."""
        return {"factor": self.factor}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> "LowRank":
        """A and B of one rank, and the factor."""
        a, b = thin(tensors["a"], tensors["b"])
        return cls(a, b, finite("factor", numbers["factor"]))

    def through(self, linear: nn.Linear, x: Tensor, scale: float) -> Tensor:
        """W x + b + s f B (A x), without ever making B A."""
        return linear(x) + (scale * self.factor * self.beside(x)).to(x.dtype)

    def beside(self, x: Tensor) -> Tensor:
        """B A x, in the dtype of A and B."""
        return nn.functional.linear(nn.functional.linear(x.to(self.a.dtype), self.a), self.b)

    def weight(self, weight: Tensor, scale: float) -> Tensor:
        """W + s f B A."""
        return torch.add(weight, (self.b @ self.a).to(weight.dtype), alpha=scale * self.factor)


@final
@dataclass(frozen=True)
class LoRA(Method):
    """How to adapt by low rank: see the module, and `Method` for `targets` and `layers`.

    Raises InputError for numbers that make no adapter.
    """

    kind: ClassVar[str] = "lora"
    rank: int = 16
    alpha: float = 32.0
    stabilised: bool = False
    targets: tuple[str, ...] = ()
    layers: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        whole("rank", self.rank, 1)
        finite("alpha", self.alpha)

    @property
    def factor(self) -> float:
        """What B A is multiplied by."""
        return self.alpha / (math.sqrt(self.rank) if self.stabilised else self.rank)

    def first(self, name: str, weight: Tensor, dice: torch.Generator) -> LowRank:
        """A random, B zero."""
        del name
        a = drawn((self.rank, weight.shape[1]), weight.shape[1], weight, dice)
        return LowRank(a, weight.new_zeros(weight.shape[0], self.rank), self.factor)


def thin(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """A (r, inputs) and B (outputs, r) of one rank; InputError if they are not."""
    if a.ndim != 2 or b.ndim != 2 or len(a) != b.shape[1] or not len(a):
        found = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise InputError(f"A (rank, inputs) and B (outputs, rank) must share a rank, got {found}.")
    return a, b
