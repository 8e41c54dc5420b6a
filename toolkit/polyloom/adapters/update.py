"""What an adapter does to one linear map: the family that LoRA, DoRA and IA3 belong to, and the brick that holds one.

    y = W x + b                      the map
    y' = W' x + b'                   the map with the update
    (1 − s) y + s y'                 at a scale s: 0 is the map as it was, 1 the update as it was learned

All updates here are linear in the end, so that there is a W' to merge into, and the scale means the same for each of
them.  An update is a value of tensors; it knows no model and no name.  `Adapted` is the brick that stands in the place
of the map: it reads the map's own weight and the update apart, and says what both are together to whoever looks inside.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self, cast, final

import torch
from torch import Tensor, nn


class Update(ABC):
    """A change of a linear map of `shape` (outputs, inputs)."""

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int]:
        """Outputs and inputs of the maps that it fits."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What it holds, by name."""

    @abstractmethod
    def numbers(self) -> dict[str, Any]:
        """What else it holds, as JSON."""

    @classmethod
    @abstractmethod
    def of(cls, tensors: Mapping[str, Tensor], numbers: Mapping[str, Any]) -> Self:
        """The update that `tensors` and `numbers` tell; InputError if their shapes do not go together."""

    @abstractmethod
    def through(self, linear: nn.Linear, x: Tensor, scale: float) -> Tensor:
        """What the map makes of x (…, inputs) at a scale, (…, outputs)."""

    @abstractmethod
    def weight(self, weight: Tensor, scale: float) -> Tensor:
        """W of the map at a scale, (outputs, inputs), in the dtype of W."""

    def bias(self, bias: Tensor, scale: float) -> Tensor:
        """b of the map at a scale, (outputs,)."""
        del scale
        return bias

    def settled(self, linear: nn.Linear) -> "Update":
        """The same for this map, with all that can be computed beforehand."""
        del linear
        return self


@final
class Adapted(nn.Module):
    """A linear map with an update; `weight` and `bias` are those of both together, made when they are asked for.

    Maps nest: the map may be an adapted one itself.
    """

    def __init__(self, linear: nn.Linear, update: Update, scale: float) -> None:
        super().__init__()
        self.linear, self.update, self.scale = linear, update, scale
        self.out_features, self.in_features = linear.out_features, linear.in_features

    def forward(self, x: Tensor) -> Tensor:
        """What the map makes of x, (…, outputs)."""
        return self.update.through(self.linear, x, self.scale)

    @property
    def weight(self) -> Tensor:
        """The merged weight, (outputs, inputs)."""
        return self.update.weight(self.linear.weight, self.scale)

    @property
    def bias(self) -> Tensor | None:
        """The merged bias, (outputs,), or None."""
        bias = cast("Tensor | None", self.linear.bias)
        return None if bias is None else self.update.bias(bias, self.scale)

    def merged(self) -> nn.Linear:
        """A plain map that does the same."""
        weight, bias = self.weight, self.bias
        with torch.device("meta"):
            found = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
        found.weight = nn.Parameter(weight, requires_grad=False)
        if bias is not None:
            found.bias = nn.Parameter(bias, requires_grad=False)
        return found
