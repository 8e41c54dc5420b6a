"""An adapter: a method and the updates that were learned with it, by the names of the maps that they change.

    adapter = Adapter.first(LoRA(rank=8), model)        changes nothing yet: fit it
    adapter = read_adapter("folder", model)             as PEFT writes it

An adapter is a value that knows no model.  `bind` says whether it fits one, and fails closed: every map that the method
names must have an update of its shape, and no update may be left over.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor, nn

from polyloom.adapters.dora import Directed, DoRA
from polyloom.adapters.ia3 import IA3, Factors
from polyloom.adapters.lora import LoRA, LowRank
from polyloom.adapters.method import Method, listed
from polyloom.adapters.update import Update
from polyloom.arrays import numpy
from polyloom.errors import InputError
from polyloom.model import Arrays, Manifest
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.norm import wide

if TYPE_CHECKING:
    from polyloom.transformer.model import TransformerModel

METHODS: dict[str, tuple[type[Method], type[Update]]] = {
    "lora": (LoRA, LowRank),
    "dora": (DoRA, Directed),
    "ia3": (IA3, Factors),
}
LISTS = ("targets", "inputs", "layers")  # fields that JSON holds as lists


@final
@dataclass(frozen=True, eq=False)
class Adapter:
    """A `method`, and an update for each map by name, such as "blocks.0.attention.q"."""

    method: Method
    updates: Mapping[str, Update]

    @classmethod
    def first(cls, method: Method, model: "TransformerModel", seed: int = 0) -> "Adapter":
        """The adapter of a method before any training, for a model, in float32 at least: it changes nothing yet."""
        dice = torch.Generator().manual_seed(seed)
        updates: dict[str, Update] = {}
        for name, linear in method.parts(model.decoder).items():
            weight = linear.weight  # of a quantised map it is made here, and gone with the next one
            updates[name] = method.first(name, weight.to(wide(weight.dtype)), dice)
        return cls(method, updates)

    @property
    def kind(self) -> str:
        """That of its method."""
        return self.method.kind

    @property
    def tensors(self) -> dict[str, Tensor]:
        """All that was learned, by the name of the map and of the tensor."""
        return {
            f"{name}.{kind}": tensor
            for name, update in self.updates.items()
            for kind, tensor in update.tensors().items()
        }

    def bind(self, decoder: Decoder) -> dict[str, nn.Linear]:
        """The map of each update; InputError listing what is missing, left over or of another shape."""
        wanted = self.method.parts(decoder)
        missing = [f"missing {name}" for name in wanted if name not in self.updates]
        faults = missing + [f"left over {name}" for name in self.updates if name not in wanted]
        faults += [
            f"{name} is {self.updates[name].shape}, the map {(linear.out_features, linear.in_features)}"
            for name, linear in wanted.items()
            if name in self.updates and self.updates[name].shape != (linear.out_features, linear.in_features)
        ]
        if faults or not wanted:
            held = [len(update.tensors()) for name, update in self.updates.items() if name in wanted]
            raise InputError(
                f"The adapter does not fit the model, in {len(faults)} places "
                f"({sum(held)} of {len(self.tensors)} tensors have a map): {listed(dict.fromkeys(faults))}."
            )
        return wanted

    def state(self) -> tuple[Manifest, Arrays]:
        """A JSON-able manifest and named arrays, from which `from_state` restores it."""
        method: dict[str, Any] = {"kind": self.method.kind, **asdict(self.method)}  # pyright: ignore[reportArgumentType] - all are dataclasses
        numbers = {name: update.numbers() for name, update in self.updates.items()}
        arrays = {name: numpy(tensor) for name, tensor in self.tensors.items()}
        return {"method": method, "updates": numbers}, arrays

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays) -> "Adapter":
        """The adapter that `state` described; InputError or KeyError if it is none."""
        given: dict[str, Any] = dict(manifest["method"])
        kind = given.pop("kind")
        if kind not in METHODS:
            raise InputError(f"Unknown method {kind!r} of an adapter; known are {', '.join(METHODS)}.")
        method, update = METHODS[kind]
        values = {name: tuple(x) if name in LISTS and x is not None else x for name, x in given.items()}
        held: dict[str, dict[str, Tensor]] = {name: {} for name in manifest["updates"]}
        for name, array in arrays.items():
            part, _, tensor = name.rpartition(".")
            held[part][tensor] = torch.tensor(array)
        numbers = manifest["updates"]
        return cls(method(**values), {name: update.of(tensors, numbers[name]) for name, tensors in held.items()})

    def __repr__(self) -> str:
        count = sum(tensor.numel() for tensor in self.tensors.values())
        return f"<Adapter {self.method}: {len(self.tensors)} tensors, {count:,} numbers>"
