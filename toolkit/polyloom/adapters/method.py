"""How to adapt a model, as a frozen value: which maps, and how.  An `Adapter` is a method with its learned tensors.

    LoRA(rank=16, alpha=32)     DoRA(rank=16)     IA3()

A method says where it stands in a model, not what was learned: `parts(decoder)` are the maps that it changes, and an
adapter that lacks one of them, or brings another, does not fit.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, cast

import torch
from torch import Tensor, nn

from polyloom.adapters.update import Adapted, Update
from polyloom.errors import InputError
from polyloom.real import number
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.quantised import QuantisedLinear


class Method(ABC):
    """A way to adapt the linear maps of a decoder's blocks.

    `targets` are parts of a block, such as "attention.q", or single maps, such as "blocks.0.attention.q"; empty, all
    linear maps.  `layers` are the blocks, None all of them.
    """

    kind: ClassVar[str]
    targets: tuple[str, ...]
    layers: tuple[int, ...] | None

    @abstractmethod
    def first(self, name: str, weight: Tensor, dice: torch.Generator) -> Update:
        """The update of a map of that name, before any training: it changes nothing."""

    def parts(self, decoder: Decoder) -> dict[str, nn.Linear]:
        """The maps that it changes by name, such as "blocks.0.attention.q"; InputError naming a target that is none."""
        found, there = linears(decoder), list[str]()
        for name in found:
            part = name.split(".", 2)[2]
            there += [] if part in there else [part]
        unknown = [target for target in self.targets if target not in there and target not in found]
        if unknown:
            raise InputError(f"The model has no part {unknown[0]!r}; its blocks have {', '.join(there)}.")
        return {name: linear for name, linear in found.items() if self._changes(name)}

    def _changes(self, name: str) -> bool:
        _, layer, part = name.split(".", 2)
        meant = not self.targets or part in self.targets or name in self.targets
        return meant and (self.layers is None or int(layer) in self.layers)


def linears(decoder: Decoder) -> dict[str, nn.Linear]:
    """All linear maps of the blocks by name, adapted and quantised ones included.

    Those two are bricks of their own that answer like a linear map; their `weight` is made when it is asked for.  A
    mixture's experts are none, its shared one is.
    """
    found: dict[str, nn.Linear] = {}
    named = cast("Iterable[tuple[str, nn.Module]]", decoder.blocks.named_modules(prefix="blocks"))  # pyright: ignore[reportUnknownMemberType] - partly untyped
    for name, part in named:
        if isinstance(part, nn.Linear | Adapted | QuantisedLinear) and not name.endswith(".linear"):
            found[name] = cast("nn.Linear", part)
    return found


def drawn(shape: Sequence[int], inputs: int, like: Tensor, dice: torch.Generator) -> Tensor:
    """Random numbers as those of a fresh linear map: uniform within ±1/√inputs."""
    bound = 1 / math.sqrt(inputs)
    return ((2 * torch.rand(tuple(shape), generator=dice) - 1) * bound).to(like.device, like.dtype)


def finite(name: str, value: object) -> float:
    """`value` as a float; InputError if it is no finite number."""
    found = number(value)
    if not math.isfinite(found):
        raise InputError(f"{name} must be a finite number, got {value!r}.")
    return found


def listed(given: Mapping[str, object], most: int = 12) -> str:
    """Names, at most so many of them."""
    names = list(given)
    return ", ".join(names[:most] + [f"… and {len(names) - most} more"] * (len(names) > most))
