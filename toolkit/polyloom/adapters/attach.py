"""Attaching: a model with an adapter, as a new model that shares every weight of the old one.

    adapted = attach(model, adapter, scale=0.7)
    detach(adapted) is model
    merge(adapted)                      plain weights, one copy of each map that the adapter changes

Nothing is multiplied when an adapter is attached: only the way to the maps that it changes is made anew, and each of
them becomes an `Adapted` brick.  The result is a `TransformerModel`: it reads, explains, is looked into, and stands in
mixes.  In an explanation the adapter is inside the terms of the parts that it changes.  Adapters add up: attach another
to the result.  A file holds base and adapter apart; a folder in the layout of Hugging Face cannot, so `save` writes one
file for `polyloom.load`, and surgery works on the merged weights.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, final

from torch import nn

from polyloom.adapters.adapter import Adapter
from polyloom.adapters.method import finite
from polyloom.adapters.soft_prompt import KIND as SOFT
from polyloom.adapters.soft_prompt import SoftPrompt
from polyloom.adapters.update import Adapted
from polyloom.errors import InputError
from polyloom.model import Arrays, LanguageModel
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.provenance import Provenance

M = TypeVar("M", bound=nn.Module)


@final
@dataclass(frozen=True)
class Attached(Provenance):
    """A base, an adapter and its scale."""

    base: TransformerModel
    adapter: Adapter | SoftPrompt
    scale: float

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """The base as a member, and the adapter."""
        adapter, arrays = self.adapter.state()
        base, held = self.base.state()
        manifest = {"kind": "adapted", "scale": self.scale, "adapter": adapter, "members": [base]}
        return manifest, {f"adapter/{n}": x for n, x in arrays.items()} | {f"0/{n}": x for n, x in held.items()}

    def __str__(self) -> str:
        count = len(self.adapter.tensors)
        return f"{self.adapter.kind} at {self.scale:g}, {count} of {count} tensors bound"

    def plain(self) -> Decoder:
        """The base's decoder with merged maps."""
        if isinstance(self.adapter, SoftPrompt):
            raise InputError("A soft prompt cannot be merged: no weight says the same. Detach it first.")
        decoder = self.base.plain
        adapted = _bricks(decoder, self.adapter, self.scale)
        return grafted(decoder, {name: brick.merged() for name, brick in adapted.items()})


def attach(model: TransformerModel, adapter: Adapter | SoftPrompt, scale: float = 1.0) -> TransformerModel:
    """The model with an adapter; at scale 0 it says what the model says, at 1 what the adapter learned to say.

    A soft prompt is there or not: its scale is 1.  Raises InputError if the adapter does not fit, listing all that is
    missing, left over or of another shape.
    """
    _given(model, adapter)
    scale = finite("scale", scale)
    decoder = model.decoder
    if isinstance(adapter, Adapter):
        bricks: Mapping[str, nn.Module] = _bricks(decoder, adapter, scale)
    elif scale == 1:
        bricks = {"embedding": adapter.bind(decoder)}
    else:
        raise InputError(f"A soft prompt is there or not: its scale must be 1, got {scale:g}.")
    return TransformerModel(grafted(decoder, bricks), model.vocabulary, Attached(model, adapter, scale))


def detach(model: TransformerModel) -> TransformerModel:
    """The model that the last adapter was attached to; InputError if there is none."""
    return _attached(model).base


def merge(model: TransformerModel) -> TransformerModel:
    """The same as plain weights, with all adapters merged; maps that none of them changes are shared.

    Of a `quantised` base come the weights that its numbers stand for, so the result takes the memory of plain ones.
    """
    _attached(model)
    return TransformerModel(model.plain, model.vocabulary)


def restored(manifest: Mapping[str, Any], arrays: Arrays, base: LanguageModel) -> TransformerModel:
    """The model that `Attached.state` described, of a base that was restored already; InputError if it is none."""
    prefix = "adapter/"
    held = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
    if not isinstance(base, TransformerModel):
        raise InputError(f"An adapter stands on a transformer, the file has a {type(base).__name__}.")
    soft = manifest["adapter"]["method"]["kind"] == SOFT
    adapter = SoftPrompt.from_state(held) if soft else Adapter.from_state(manifest["adapter"], held)
    return attach(base, adapter, manifest["scale"])


def grafted(module: M, bricks: Mapping[str, nn.Module]) -> M:
    """The module with other parts at these paths; the way to them is copied, all else is the very same."""
    found, inner = copy.copy(module), dict(module.named_children())
    below: dict[str, dict[str, nn.Module]] = {}
    for name, brick in bricks.items():
        first, _, rest = name.partition(".")
        if rest:
            below.setdefault(first, {})[rest] = brick
        else:
            inner[first] = brick
    inner |= {first: grafted(inner[first], rest) for first, rest in below.items()}
    for held in ("_parameters", "_buffers", "_modules"):  # a copy of its own tables, of the same tensors
        found.__dict__[held] = dict(found.__dict__[held])
    found.__dict__["_modules"] |= inner
    return found


def chain(model: TransformerModel) -> list[Attached]:
    """The adapters of a model, the first attached first."""
    found: Sequence[Attached] = ()
    while isinstance(model.provenance, Attached):
        found, model = (model.provenance, *found), model.provenance.base
    return list(found)


def _bricks(decoder: Decoder, adapter: Adapter, scale: float) -> dict[str, Adapted]:
    bound = adapter.bind(decoder)
    return {name: Adapted(linear, adapter.updates[name].settled(linear), scale) for name, linear in bound.items()}


def _attached(model: TransformerModel) -> Attached:
    if not isinstance(model, TransformerModel) or not isinstance(model.provenance, Attached):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"Expected a model with an adapter, got {model!r}: attach one first.")
    return model.provenance


def _given(model: object, adapter: object) -> None:
    if not isinstance(model, TransformerModel):
        raise InputError(f"Expected a TransformerModel to attach to, got {type(model).__name__}.")
    if not isinstance(adapter, Adapter | SoftPrompt):
        raise InputError(f"Expected an Adapter, got {adapter!r}: read_adapter(folder, model) reads one.")
