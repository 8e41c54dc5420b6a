"""The tensors of one module of PEFT, and the updates of the maps of ours that lie in it.

    lora_A.weight (r, inputs)   lora_B.weight (outputs, r)   lora_magnitude_vector (outputs,)
    ia3_l (outputs, 1) or (1, inputs)

A module is one map, but for `c_attn` of GPT-2, which is three of ours, one after another along the outputs.  Read, they
share A and have their rows of B.  Written, maps that share A are put together again; others become one of the sum of
their ranks, each with its own directions and zeros elsewhere, which is the same change.  A map that is not adapted
among others that are gets an update that changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from polyloom.adapters.dora import Directed, lengths_of
from polyloom.adapters.ia3 import Factors
from polyloom.adapters.lora import LowRank
from polyloom.adapters.update import Update
from polyloom.errors import InputError

A, B, MAGNITUDE, IA3 = "lora_A.weight", "lora_B.weight", "lora_magnitude_vector", "ia3_l"


@dataclass(frozen=True)
class Module:
    """A module of PEFT: its tensors, and for low rank the rank and the factor of B A."""

    tensors: Mapping[str, Tensor]
    rank: int = 0
    factor: float = 1.0


def names(kind: str) -> tuple[str, ...]:
    """What the tensors of a module are called."""
    return {"lora": (A, B), "dora": (A, B, MAGNITUDE), "ia3": (IA3,)}[kind]


def shapes(kind: str, maps: Sequence[nn.Linear], rank: int, inputs: bool) -> dict[str, tuple[int, ...]]:
    """The shapes of a module's tensors that holds these maps; `inputs` for IA3 on the side of the inputs."""
    into, out = maps[0].in_features, sum(linear.out_features for linear in maps)
    if kind == "ia3":
        return {IA3: (1, into) if inputs else (out, 1)}
    found: dict[str, tuple[int, ...]] = {A: (rank, into), B: (out, rank)}
    return found | ({MAGNITUDE: (out,)} if kind == "dora" else {})


def split(kind: str, module: Module, maps: Sequence[nn.Linear], inputs: bool) -> list[Update]:
    """The updates of the maps of a module, whose tensors have the shapes of `shapes`."""
    sizes, given = [linear.out_features for linear in maps], module.tensors
    if kind == "ia3":
        factors = given[IA3].flatten()
        parts = [factors] * len(maps) if inputs else list(torch.split(factors, sizes))
        others = sizes if inputs else [linear.in_features for linear in maps]
        return [Factors(part, inputs, other) for part, other in zip(parts, others, strict=True)]
    low = [LowRank(given[A], b, module.factor) for b in torch.split(given[B], sizes)]
    if kind == "lora":
        return list(low)
    lengths = torch.split(given[MAGNITUDE], sizes)
    return [Directed(one.a, one.b, m, module.factor) for one, m in zip(low, lengths, strict=True)]


def joined(updates: Sequence[Update | None], maps: Sequence[nn.Linear]) -> Module:
    """The module that holds the updates of these maps; None is a map that stays as it is."""
    kinds = {type(update) for update in updates if update is not None}
    if kinds == {Factors}:
        return Module({IA3: _factors(updates, maps)})
    low = [x if isinstance(x, LowRank | Directed) else None for x in updates]
    found = _low(low, maps)
    if kinds != {Directed}:
        return found
    lengths = [
        lengths_of(linear.weight) if x is None else x.magnitude
        for x, linear in zip((x if isinstance(x, Directed) else None for x in low), maps, strict=True)
    ]
    return Module({**found.tensors, MAGNITUDE: torch.cat(lengths)}, found.rank, found.factor)


def _low(updates: Sequence[LowRank | Directed | None], maps: Sequence[nn.Linear]) -> Module:
    there = [update for update in updates if update is not None]
    first = there[0]
    if all(x.a is first.a or torch.equal(x.a, first.a) for x in there) and all(x.factor == first.factor for x in there):
        rows = [
            first.b.new_zeros(linear.out_features, len(first.a)) if x is None else x.b
            for x, linear in zip(updates, maps, strict=True)
        ]
        return Module({A: first.a, B: torch.cat(rows)}, len(first.a), first.factor)
    blocks = [
        first.b.new_zeros(linear.out_features, 0) if x is None else x.b * (x.factor / first.factor)
        for x, linear in zip(updates, maps, strict=True)
    ]
    a = torch.cat([x.a for x in there])
    b = torch.block_diag(*blocks)  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - untyped
    return Module({A: a, B: cast("Tensor", b)}, len(a), first.factor)


def _factors(updates: Sequence[Update | None], maps: Sequence[nn.Linear]) -> Tensor:
    there = [update for update in updates if isinstance(update, Factors)]
    first = there[0]
    if any(x.inputs != first.inputs for x in there):
        raise InputError("Maps that lie in one module have factors either for their inputs or for their outputs.")
    if first.inputs:
        if len(there) < len(updates) or not all(torch.equal(x.factors, first.factors) for x in there):
            raise InputError("Maps that lie in one module read the same inputs: their factors must be the same.")
        return first.factors[None]
    rows = [
        update.factors if isinstance(update, Factors) else first.factors.new_ones(linear.out_features)
        for update, linear in zip(updates, maps, strict=True)
    ]
    return torch.cat(rows)[:, None]
