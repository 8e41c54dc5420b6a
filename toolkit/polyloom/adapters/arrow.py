"""Arrow: which of many adapters a text is for, told by their weights alone (Ostapenko et al. 2024).

    v_km = the first right singular vector of B A       of adapter k at map m: the input that it changes most
    s_k  = mean over tokens and maps of |x_m · v_km| / ‖x_m‖

x_m is what map m of the base reads.  The paper takes |x · v| and chooses at each map and token anew; divided by the
length of x no choice there changes, and each place has the same voice in the mean.  B A is never formed: with
B = Q R and Aᵀ = P S its singular vectors are those of R Sᵀ, (r, r), turned by P.

    arrow = Arrow.of(model, {"sea": adapter, "law": other})
    arrow.scores("the tide is low")                     {"sea": 0.31, "law": 0.22}
    Router.fit(examples, arrow=arrow)                   as one more witness of a router

No example is needed and nothing is learned, so scores are not calibrated, and some adapters have more of every text.
Reading costs one pass through the base.  K adapters, M maps, T tokens.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np
import torch
from torch import Tensor, nn

from polyloom.adapters.adapter import Adapter
from polyloom.adapters.attach import grafted
from polyloom.adapters.dora import Directed
from polyloom.adapters.lora import LowRank
from polyloom.adapters.method import linears
from polyloom.arrays import numpy
from polyloom.errors import InputError
from polyloom.model import Floats, Prompt

if TYPE_CHECKING:
    from polyloom.transformer.model import TransformerModel


@final
@dataclass(frozen=True, eq=False)
class Arrow:
    """Adapters by name, and of each map that one of them changes the `prototypes` (K, inputs): length 1 or, where an
    adapter changes nothing, 0.

    `digest` stands for the base and the adapters: 64 hexadecimal digits.
    """

    model: "TransformerModel"
    names: tuple[str, ...]
    prototypes: Mapping[str, Tensor]
    digest: str

    @classmethod
    def of(cls, model: "TransformerModel", adapters: Mapping[str, Adapter]) -> "Arrow":
        """That of adapters for a model.

        Raises InputError for an adapter that does not fit, is not of low rank or changes nothing, and for none at all.
        """
        if not isinstance(adapters, Mapping) or not adapters:  # pyright: ignore[reportUnnecessaryIsInstance] - may be untyped
            raise InputError(f'Expected adapters by name, such as {{"sea": adapter}}, got {adapters!r}.')
        found: dict[str, dict[str, Tensor]] = {}
        for name, adapter in adapters.items():
            found[name] = _directions(model, name, adapter)
        prototypes = {
            place: torch.stack([own.get(place, _nothing(linear)) for own in found.values()])
            for place, linear in linears(model.decoder).items()
            if any(place in own for own in found.values())
        }
        return cls(model, tuple(found), prototypes, _digest(model, adapters))

    @property
    def places(self) -> tuple[str, ...]:
        """The maps that are listened to, in the order of the blocks."""
        return tuple(self.prototypes)

    @torch.no_grad()
    def along(self, text: Prompt) -> dict[str, Tensor]:
        """How alike what each map reads is to each prototype, float64 (T, K) from 0 to 1, by map.

        Of a text longer than the context it is the last window, and T the tokens in there.
        """
        ids, _ = self.model.seen(text)
        front = len(self.model.network.front) if len(self.model.ids(text)) else len(ids)
        bricks = {
            place: Listening(self.model.decoder.get_submodule(place), vectors)
            for place, vectors in self.prototypes.items()
        }
        if front < len(ids):
            grafted(self.model.decoder, bricks).stream(ids[None])
        return {place: brick.heard[front:] for place, brick in bricks.items()}

    def judge(self, text: Prompt) -> Floats:
        """What each map adds to the score of each adapter, float64 (K, M): 0 where a text has no token."""
        heard = [x.mean(0) if len(x) else x.new_zeros(len(self.names)) for x in self.along(text).values()]
        there = torch.stack([vectors.abs().sum(1) > 0 for vectors in self.prototypes.values()], 1)
        return numpy(torch.stack(heard, 1) / there.sum(1, keepdim=True).to(heard[0]))

    def scores(self, text: Prompt) -> dict[str, float]:
        """The score of each adapter, from 0 to 1."""
        return dict(zip(self.names, self.judge(text).sum(1).tolist(), strict=True))

    def __repr__(self) -> str:
        return f"<Arrow of {len(self.names)} adapters at {len(self.places)} maps>"


@final
class Listening(nn.Module):
    """A map that notes how alike what it reads, x (…, T, inputs), is to some vectors (K, inputs)."""

    def __init__(self, linear: nn.Module, vectors: Tensor) -> None:
        super().__init__()
        self.linear, self.vectors = linear, vectors
        self.heard: Tensor = vectors.new_zeros(0, len(vectors))

    def forward(self, x: Tensor) -> Tensor:
        """What the map makes of x."""
        wide = x.flatten(0, -2).to(self.vectors.dtype)  # a mixture has no batch axis
        length = wide.square().sum(-1, keepdim=True).sqrt()
        self.heard = (wide @ self.vectors.T).abs() / torch.where(length > 0, length, 1.0)
        return self.linear(x)


def direction(update: LowRank | Directed) -> Floats | None:
    """The first right singular vector of B A, float64 (inputs,), its largest number above 0; None if B A is 0."""
    turn, inner = np.linalg.qr(numpy(update.a.double()).T)
    outer = np.linalg.qr(numpy(update.b.double()), mode="r")
    _, much, right = np.linalg.svd(outer @ inner.T)
    found = turn @ right[0]
    return found * np.sign(found[np.abs(found).argmax()]) if much[0] else None


def _directions(model: "TransformerModel", name: str, adapter: object) -> dict[str, Tensor]:
    """The prototypes of one adapter by map, without those where it changes nothing."""
    if not isinstance(adapter, Adapter):
        raise InputError(f"Expected an Adapter for {name!r}, got {adapter!r}: read_adapter(folder, model) reads one.")
    adapter.bind(model.decoder)
    there: dict[str, Tensor] = {}
    for place, update in adapter.updates.items():
        if not isinstance(update, LowRank | Directed):
            raise InputError(f"The adapter {name!r} is {adapter.kind}, not of low rank: Arrow needs LoRA or DoRA.")
        vector = direction(update)
        if vector is not None:
            there[place] = torch.as_tensor(vector, device=model.network.device)
    if not there:
        raise InputError(f"The adapter {name!r} changes nothing, so it has no direction: fit it first.")
    return there


def _nothing(linear: nn.Linear) -> Tensor:
    return torch.zeros(linear.in_features, dtype=torch.float64, device=linear.weight.device)


def _digest(model: "TransformerModel", adapters: Mapping[str, Adapter]) -> str:
    seen = hashlib.sha256(model.digest.encode())
    for name, adapter in adapters.items():
        for part, tensor in sorted(adapter.tensors.items()):
            seen.update(f"{name}/{part}:{tuple(tensor.shape)}".encode())
            seen.update(np.ascontiguousarray(numpy(tensor.double())).data)
    return seen.hexdigest()
