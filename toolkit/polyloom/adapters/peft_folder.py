"""Folders of PEFT, both ways: `adapter_config.json` and `adapter_model.safetensors`.

    adapter = read_adapter("folder", model)
    write_adapter(adapter, "folder", model)

A folder speaks of modules by the names of a family (Llama, Mistral, Qwen3, GPT-2); which of ours lie in which of theirs
says `huggingface_names`.  Reading fails closed: the modules that the config names must all be there with tensors of
their shape, no tensor may be left over (so what adapts embeddings, the output or a mixture's experts is refused, for
none of them is a linear map of a block), and a setting that would change what is computed, and that is not known here,
is refused by name.  Tensors of 16 bits are read as float32.  Pickled adapters are refused, because opening one runs
code.
"""

import math
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from polyloom.adapters.adapter import Adapter
from polyloom.adapters.dora import DoRA
from polyloom.adapters.ia3 import IA3
from polyloom.adapters.lora import LoRA
from polyloom.adapters.method import Method, linears, listed
from polyloom.adapters.peft_parts import Module, joined, shapes, split
from polyloom.adapters.peft_prompt import PROMPT, prompt_table, read_prompt
from polyloom.adapters.soft_prompt import SoftPrompt
from polyloom.adapters.update import Update
from polyloom.errors import FileError
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.huggingface_config import family_of
from polyloom.transformer.huggingface_names import TABLES
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.model_folder import inside, read_table, replacing_folder, write_table
from polyloom.transformer.weights import mapped, write_weights

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
OWN = (CONFIG, WEIGHTS, "README.md")
PREFIX = "base_model.model."
# Settings that must be absent or say nothing; each of the others does not change what an adapter computes.
SILENT = (
    *("modules_to_save", "trainable_token_indices", "layer_replication", "target_parameters", "lora_bias"),
    *("alora_invocation_tokens", "arrow_config", "kasa_config", "velora_config", "use_qalora", "use_bdlora"),
)
BASE_CHANGING = ("pissa", "olora", "corda", "loftq", "lora_ga")  # first weights that are taken out of the base


def read_adapter(folder: str | os.PathLike[str], model: TransformerModel) -> Adapter | SoftPrompt:
    """The adapter, or the soft prompt, of a folder, bound to the parts of a model that it will be attached to.

    Raises FileError listing all that is missing, left over or of another shape, and for what is not supported or could
    run code; FileNotFoundError if there is no such folder.
    """
    place = Path(folder)
    if not place.is_dir():
        raise FileNotFoundError(f"There is no folder {place}.")
    table = read_table(inside(place, CONFIG))
    if not (place / WEIGHTS).is_file():
        raise FileError(f"{place} has no {WEIGHTS}; a pickled adapter is not opened: save it anew with PEFT.")
    tensors = {name: _exact(tensor) for name, tensor in mapped(inside(place, WEIGHTS))}
    if table.get("peft_type") == "PROMPT_TUNING":
        return read_prompt(tensors, model.decoder, place)
    kind = _kind(table, place)
    there = _modules(model.decoder)
    modules = {path: maps for path, maps in there.items() if _targeted(table, path, place)}
    updates: dict[str, Update] = {}
    faults, known = list[str](), set[str]()
    for path, maps in modules.items():
        rank, factor = _low(table, path) if kind != "ia3" else (0, 1.0)
        inputs = kind == "ia3" and _named(table.get("feedforward_modules"), path)
        wanted = shapes(kind, list(maps.values()), rank, inputs)
        found = {name: tensors[full] for name in wanted if (full := f"{PREFIX}{path}.{name}") in tensors}
        known |= {f"{PREFIX}{path}.{name}" for name in wanted}
        faults += [f"missing {PREFIX}{path}.{name}" for name in wanted if name not in found]
        faults += [f"{path}.{n} is {tuple(x.shape)}, not {wanted[n]}" for n, x in found.items() if x.shape != wanted[n]]
        if not faults:
            updates |= zip(maps, split(kind, Module(found, rank, factor), list(maps.values()), inputs), strict=True)
    faults += [f"left over {name}" for name in tensors if name not in known]
    if faults or not modules:
        bound = len(known & set(tensors))
        why = f"in {len(faults)} places: {listed(dict.fromkeys(faults))}" if faults else "it names no module of it"
        raise FileError(
            f"{place} does not fit the model, {bound} of {len(tensors)} tensors bound; {why}.{_beyond(table, there)}"
        )
    return Adapter(_method(kind, table, updates, model.decoder), updates)


def write_adapter(adapter: Adapter | SoftPrompt, folder: str | os.PathLike[str], model: TransformerModel) -> Path:
    """Write an adapter as a folder that PEFT loads onto the model's checkpoint, whole or not at all; returns its path.

    Raises InputError if the adapter does not fit the model, FileError if something else is in the folder's place.
    """
    adapter.bind(model.decoder)
    if isinstance(adapter, SoftPrompt):
        return _written(Path(folder), {PROMPT: adapter.vectors}, prompt_table(adapter, model.config))
    kind, found = adapter.kind, dict[str, Module]()
    for path, maps in _modules(model.decoder).items():
        if any(name in adapter.updates for name in maps):
            found[path] = joined([adapter.updates.get(name) for name in maps], list(maps.values()))
    tensors = {f"{PREFIX}{path}.{name}": x for path, one in found.items() for name, x in one.tensors.items()}
    turned = family_of(model.config) == "gpt2"
    return _written(Path(folder), tensors, _table(adapter, kind, found) | {"fan_in_fan_out": turned})


def _written(folder: Path, tensors: Mapping[str, Tensor], table: dict[str, Any]) -> Path:
    with replacing_folder(folder, OWN, CONFIG) as fresh:
        write_weights(fresh / WEIGHTS, tensors)
        write_table(fresh / CONFIG, table | {"inference_mode": True, "task_type": "CAUSAL_LM"})
    return folder


def _modules(decoder: Decoder) -> dict[str, dict[str, nn.Linear]]:
    """The modules of the model's family by path, and the maps of ours that lie in each, by name and in order."""
    table, found = TABLES.get(family_of(decoder.config), {}), dict[str, dict[str, nn.Linear]]()
    for name, linear in linears(decoder).items():
        _, layer, part = name.split(".", 2)
        path = table.get(f"blocks.*.{part}", f"blocks.*.{part}").replace("*", layer)
        found.setdefault(path, {})[name] = linear
    return found


def _kind(table: Mapping[str, Any], place: Path) -> str:
    """Which of our methods a config means; FileError if none, or if it says more than that method does."""
    said = table.get("peft_type")
    if said not in ("LORA", "IA3"):
        raise FileError(
            f"{place} holds an adapter of type {said!r}; Polyloom reads LORA (DoRA too), IA3 and PROMPT_TUNING."
        )
    loud = [name for name in SILENT if table.get(name)] + ["bias"] * (table.get("bias", "none") != "none")
    if loud:
        raise FileError(
            f"{place / CONFIG} sets {loud[0]} to {table[loud[0]]!r}, which Polyloom does not know how to do."
        )
    first = str(table.get("init_lora_weights")).lower()
    if first.startswith(BASE_CHANGING):
        raise FileError(
            f"{place} was begun by {first!r}, which changes the base too: save it as a plain LoRA with PEFT."
        )
    return "ia3" if said == "IA3" else "dora" if table.get("use_dora") else "lora"


def _targeted(table: Mapping[str, Any], path: str, place: Path) -> bool:
    """Whether a config means the module of that path."""
    layers, number = table.get("layers_to_transform"), re.search(r"\.(\d+)\.", path)
    if layers is not None and (
        number is None or int(number[1]) not in ([layers] if isinstance(layers, int) else layers)
    ):
        return False
    targets = table.get("target_modules")
    if targets is None:
        raise FileError(f"{place / CONFIG} names no target_modules.")
    if _named(table.get("exclude_modules"), path):
        return False
    return targets == "all-linear" or _named(targets, path)


def _named(given: object, path: str) -> bool:
    """Whether a path is one that PEFT's words for modules mean: a pattern, or a list of names and ends of names."""
    if isinstance(given, str):
        return re.fullmatch(given, path) is not None
    return any(path == name or path.endswith(f".{name}") for name in cast("Iterable[str]", given or ()))


def _beyond(table: Mapping[str, Any], paths: Iterable[str]) -> str:
    """A sentence on the modules that a config names and that cannot be adapted here; empty if there are none."""
    targets, known = table["target_modules"], list(paths)
    named = [] if isinstance(targets, str) else [one for one in targets if not any(_named([one], x) for x in known)]
    ends = ", ".join(dict.fromkeys(path.rpartition(".")[2] for path in known))
    return f" It is for {', '.join(named)} too; of this model can be adapted: {ends}." if named else ""


def _low(table: Mapping[str, Any], path: str) -> tuple[int, float]:
    """Rank and factor of a module."""
    rank, alpha = _patterned(table, "rank_pattern", path, "r"), _patterned(table, "alpha_pattern", path, "lora_alpha")
    return int(rank), alpha / (math.sqrt(rank) if table.get("use_rslora") else rank)


def _patterned(table: Mapping[str, Any], patterns: str, path: str, usual: str) -> float:
    given = cast("dict[str, float]", table.get(patterns) or {})
    for pattern, value in given.items():
        if re.match(rf"(.*\.)?({pattern})$", path):
            return value
    return table[usual]


def _method(kind: str, table: Mapping[str, Any], updates: Mapping[str, Update], decoder: Decoder) -> Method:
    """The method that changes exactly these maps: parts of all blocks where that says it, else maps by their names."""
    parts = tuple(dict.fromkeys(name.split(".", 2)[2] for name in updates))
    whole = IA3(parts).parts(decoder).keys() == updates.keys()
    targets = parts if whole else tuple(updates)
    if kind == "ia3":
        fed = {name.split(".", 2)[2] for name, x in updates.items() if getattr(x, "inputs", False)}
        return IA3(targets, tuple(sorted(fed)))
    made = LoRA if kind == "lora" else DoRA
    return made(int(table["r"]), float(table["lora_alpha"]), bool(table.get("use_rslora")), targets)


def _table(adapter: Adapter, kind: str, found: Mapping[str, Module]) -> dict[str, Any]:
    """The config of these modules."""
    method, paths = adapter.method, list(found)
    if isinstance(method, IA3):
        fed = [path for path, one in found.items() if next(iter(one.tensors.values())).shape[0] == 1]
        return {"peft_type": "IA3", "target_modules": paths, "feedforward_modules": fed}
    low = cast("LoRA | DoRA", method)
    alphas = {p: one.factor * (math.sqrt(one.rank) if low.stabilised else one.rank) for p, one in found.items()}
    return {
        "peft_type": "LORA",
        "r": low.rank,
        "lora_alpha": low.alpha,
        "use_rslora": low.stabilised,
        "use_dora": kind == "dora",
        "target_modules": paths,
        "rank_pattern": {path: one.rank for path, one in found.items() if one.rank != low.rank},
        "alpha_pattern": {path: alpha for path, alpha in alphas.items() if not math.isclose(alpha, low.alpha)},
    }


def _exact(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor
