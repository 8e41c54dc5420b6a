"""Optimisers: who moves which weight.

    optimiser   matrices of the blocks, experts included   embeddings, output, gates   vectors (norms, biases)
    muon        Muon, with decay                           AdamW, with decay           AdamW, none
    adamw       AdamW, with decay                          AdamW, with decay           AdamW, none

`Optimiser` holds them as one: one step, one state.  The state is plain tensors under the names of the weights, so that
it goes into a file beside them.  AdamW (Loshchilov and Hutter 2019) is torch's, in one fused pass, with β = 0.9, 0.95
as usual for language models; Muon is described in `muon`.
"""

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor, nn

from polyloom.errors import FileError
from polyloom.train.muon import Muon
from polyloom.train.settings import Training
from polyloom.transformer.experts import Gate

BETAS = (0.9, 0.95)
STILL = 1e-8  # added to the root of the second moment


@final
class Optimiser:
    """Moves all weights of a network; `rate` of a step is that of the schedule, 0 to 1."""

    def __init__(self, network: nn.Module, training: Training) -> None:
        self._names: dict[Tensor, str] = {weight: name for name, weight in network.named_parameters()}
        matrices = hidden_matrices(network) if training.optimiser == "muon" else {}
        moved = set(matrices.values())
        rest = [weight for weight in self._names if weight not in moved]
        groups = [
            {"params": [weight for weight in rest if weight.ndim > 1], "weight_decay": training.weight_decay},
            {"params": [weight for weight in rest if weight.ndim <= 1], "weight_decay": 0.0},
        ]
        rate, decay = training.learning_rate or 0.0, training.weight_decay
        self._parts: list[torch.optim.Optimizer] = [
            torch.optim.AdamW([group for group in groups if group["params"]], rate, BETAS, STILL, fused=True)
        ]
        if matrices:
            self._parts.append(Muon(matrices.values(), training.matrix_learning_rate, weight_decay=decay))
        self._rates = [[group["lr"] for group in part.param_groups] for part in self._parts]

    def step(self, factor: float) -> None:
        """Move the weights along their gradients, at `factor` times the rates."""
        for part, rates in zip(self._parts, self._rates, strict=True):
            for group, rate in zip(part.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            part.step()

    def clear(self) -> None:
        """Forget the gradients."""
        for part in self._parts:
            part.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """What it remembers, as `<what>.<weight>`; the tensors are those it goes on with."""
        return {
            f"{what}.{self._names[weight]}": value
            for part in self._parts
            for weight, held in part.state.items()
            for what, value in held.items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from what `state` gave; FileError if that was of other weights."""
        weights = {name: weight for weight, name in self._names.items()}
        owners = {weight: part for part in self._parts for group in part.param_groups for weight in group["params"]}
        for part in self._parts:
            part.state.clear()
        for key, value in state.items():
            what, _, name = key.partition(".")
            if name not in weights or value.shape not in ((), weights[name].shape):
                raise FileError(f"The optimiser remembers {key!r} of shape {tuple(value.shape)}; no weight fits it.")
            owners[weights[name]].state[weights[name]][what] = value.to(weights[name].device)


def hidden_matrices(network: nn.Module) -> dict[str, nn.Parameter]:
    """The weights inside the blocks that multiply the stream, by name: not gates, not embeddings, not vectors."""
    gates = {id(weight) for part in network.modules() if isinstance(part, Gate) for weight in part.parameters()}
    blocks = network.get_submodule("blocks")
    inside = {f"blocks.{name}": weight for name, weight in blocks.named_parameters()}
    return {name: weight for name, weight in inside.items() if weight.ndim > 1 and id(weight) not in gates}
