"""Checkpoints: all that a training is at one moment, in one file that is written whole or not at all.

    folder/last.checkpoint     where to go on
    folder/best.checkpoint     the smallest held-out loss so far

Both are complete: weights, what the optimiser remembers, the history, and where the data stand.  No state of a random
generator is among them, because every step seeds its own from the seed and its number.  A file is a container of
`polyloom.files`: safetensors with a manifest, digests, and a rename as the last act, so that whoever is killed at any
moment leaves the checkpoint before or the one after.

`identity` says what run it belongs to: settings, config, vocabulary, first weights, documents.  A run is only resumed
by the same one, since anything else would be neither the old nor the new.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from polyloom.errors import FileError, InputError
from polyloom.files import read, verify, write
from polyloom.train.history import History

KIND, FORMAT = "training", 1
LAST, BEST = "last.checkpoint", "best.checkpoint"

Identity = dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` steps; `data` is where the source of batches stands."""

    step: int
    weights: Mapping[str, Tensor]
    optimiser: Mapping[str, Tensor]
    history: History
    data: dict[str, Any]
    threads: int


@final
class Store:
    """The folder of one run."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        folder.mkdir(exist_ok=True)
        for name in (LAST, BEST):
            for half in folder.glob(f".{name}.*"):  # written by a run that was killed meanwhile
                half.unlink()
        self._folder, self._identity = folder, identity

    def save(self, name: str, state: Checkpoint) -> None:
        """Put a state under a name; OSError if the disk does not take it, and what was there stays."""
        write_checkpoint(self._folder / name, self._identity, state)

    def load(self, name: str) -> Checkpoint | None:
        """The state of that name, or None if there is none yet; raises what `read_checkpoint` does."""
        path = self._folder / name
        return read_checkpoint(path, self._identity) if path.exists() else None


def write_checkpoint(path: Path, identity: Identity, state: Checkpoint) -> None:
    """Write a checkpoint; OSError if the disk does not take it, and what was there stays."""
    manifest = {"kind": KIND, "format": FORMAT, "identity": identity}
    manifest |= {"step": state.step, "data": state.data, "threads": state.threads}
    arrays: dict[str, NDArray[Any]] = {}
    for prefix, tensors in (("weights", state.weights), ("optimiser", state.optimiser)):
        arrays |= {f"{prefix}.{name}": tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
    write(path, manifest, arrays | {f"history.{name}": array for name, array in state.history.arrays().items()})


def read_checkpoint(path: Path, identity: Identity) -> Checkpoint:
    """The checkpoint of a file, checked to the last byte.

    Raises FileError if it is damaged, foreign or of the future, InputError if it is of another run.
    """
    verify(path)
    manifest, arrays = read(path)
    if manifest.get("kind") != KIND:
        raise FileError(f"{path} holds {manifest.get('kind')!r}, not a training. Choose another folder.")
    if type(manifest.get("format")) is not int or not 1 <= manifest["format"] <= FORMAT:
        raise FileError(f"{path} is of format {manifest.get('format')!r}; known up to {FORMAT}. Upgrade polyloom.")
    _check_same(path, manifest.get("identity"), identity)
    try:
        history = History.from_arrays(_under("history", arrays))
        weights, optimiser = (_tensors(_under(prefix, arrays)) for prefix in ("weights", "optimiser"))
        return Checkpoint(manifest["step"], weights, optimiser, history, manifest["data"], manifest["threads"])
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is damaged: a part of the training is missing or misshapen ({error}).") from None


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and lasting buffers by name, those that are shared once: the tensors themselves."""
    shared = dict(network.named_parameters(remove_duplicate=False))
    buffers = {name: tensor for name, tensor in network.state_dict().items() if name not in shared}
    return {**{name: weight.detach() for name, weight in network.named_parameters()}, **buffers}


@torch.no_grad()
def restore_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put weights back, in place; FileError if they are not those of this network."""
    ours = weights_of(network)
    if set(ours) != set(weights) or any(ours[name].shape != weights[name].shape for name in ours):
        raise FileError("The checkpoint holds the weights of another network. Choose another folder.")
    for name, weight in ours.items():
        weight.copy_(weights[name])


def _check_same(path: Path, found: object, identity: Identity) -> None:
    theirs = cast("Identity", found) if isinstance(found, dict) else {}
    flat = [_flat(one) for one in (theirs, identity)]
    names = sorted(name for name in flat[0].keys() | flat[1].keys() if flat[0].get(name) != flat[1].get(name))
    if names:
        was, now = (_short(one.get(names[0])) for one in flat)
        raise InputError(
            f"{path} is of another training: its {names[0]} is {was}, now it is {now}. Go on with the same settings, "
            f"model and documents, or train in another folder."
        )


def _flat(table: Mapping[str, Any]) -> dict[str, object]:
    """The settings one by one, everything else as it is."""
    settings = cast("object", table.get("settings"))
    opened = cast("dict[str, object]", settings) if isinstance(settings, dict) else {}
    return {**opened, **{name: value for name, value in table.items() if name != "settings"}}


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    start = f"{prefix}."
    return {name.removeprefix(start): array for name, array in arrays.items() if name.startswith(start)}


def _tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    return {name: torch.as_tensor(np.array(array)) for name, array in arrays.items()}
