"""Experts that are adapters: how the folder of one is written, and a registry of them as models on one base.

    base = Base.read("Qwen3-0.6B")
    write_expert("expert-sea", adapter, base, base.manifest("expert-sea", description="Tells of the sea"))
    adapted(Registry("experts"), base, budget=2**30).get("expert-sea").generate("The tide")

A base is known by the name of its folder or repository, and by the SHA-256 of its weights as they lie there: of the
one file, as `sha256sum` says it, or over the names and digests of several.  All of it needs torch, so none of it is in
the face of the package.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

from polyloom.adapters.adapter import Adapter
from polyloom.adapters.attach import attach
from polyloom.adapters.peft_folder import CONFIG, OWN, WEIGHTS, read_adapter, write_adapter
from polyloom.experts.held import held_bytes
from polyloom.experts.manager import ExpertManager
from polyloom.experts.manifest import FILE, Manifest
from polyloom.experts.registry import Registry
from polyloom.experts.suited import unsuited
from polyloom.transformer.huggingface_cache import resolve
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.model_folder import read_table, replacing_folder

FACTS = {"target_modules": "target_modules", "r": "r", "alpha": "lora_alpha"}  # a manifest's word and PEFT's
NEVER = ("tampered", "revoked", "wrong key")  # verdicts with which nothing is ever installed, nor used later


@final
@dataclass(frozen=True)
class Base:
    """A model that experts stand on, with the `name` and the digest (64 hexadecimal digits) that manifests give it."""

    model: TransformerModel
    name: str
    sha256: str

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> "Base":
        """The model of a folder, or of a repository id, as `TransformerModel.load` finds it and raises."""
        place, own = resolve(folder), Path(folder).is_dir()
        return cls(TransformerModel.load(place), place.resolve().name if own else os.fspath(folder), _digest(place))

    def manifest(self, name: str, version: str = "0.1.0", **more: Any) -> Manifest:
        """A manifest of version 2 for an expert on this base.  InvalidExpert with all that is wrong with it."""
        head = {"schema_version": "2.0", "name": name, "version": version}
        return Manifest({**head, **more, "base_models": [{"name": self.name, "sha256": self.sha256}]})

    def refuses(self, manifest: Manifest) -> str | None:
        """Why an expert is not for this base; None if it is."""
        return unsuited(manifest, self.name, self.sha256)


def write_expert(folder: str | os.PathLike[str], adapter: Adapter, base: Base, manifest: Manifest) -> Path:
    """Write the folder of an expert, as PEFT reads it and `Package.read` too; whole or not at all.

    The manifest is for this base alone and describes the adapter.  Raises InputError if the adapter does not fit the
    base, FileError if something else is in the folder's place.
    """
    place = Path(folder)
    with replacing_folder(place, (*OWN, FILE), CONFIG) as fresh:
        write_adapter(adapter, fresh, base.model)
        model = {"name": base.name, "sha256": base.sha256, "adapters": [_described(fresh, adapter.kind)]}
        (fresh / FILE).write_bytes(manifest.replace(base_models=[model]).bytes())
    return place


def adapted(registry: Registry, base: Base, budget: int) -> ExpertManager[TransformerModel]:
    """The experts of a registry as models: the base with the adapter of each, within `budget` bytes beside the base.

    Refused is what is for another base, was changed since it was installed, or has a wrong or a revoked signature.
    """

    def load(name: str) -> TransformerModel:
        return attach(base.model, read_adapter(registry.info(name).folder, base.model))

    def refuse(name: str) -> str | None:
        verdict = registry.verify(name)
        if verdict.state in NEVER:
            return str(verdict)
        return base.refuses(registry.info(name).manifest)

    return ExpertManager(load, budget, refuse=refuse, measure=partial(held_bytes, shared=[base.model]))


def _described(folder: Path, kind: str) -> dict[str, Any]:
    """What a manifest says of the adapter in a folder."""
    table, weights = read_table(folder / CONFIG), folder / WEIGHTS
    facts = {ours: table[theirs] for ours, theirs in FACTS.items() if theirs in table}
    return {"type": kind, **facts, "size_bytes": weights.stat().st_size, "sha256": _sha256(weights)}


def _digest(folder: Path) -> str:
    """That of the weights of a model folder."""
    files = sorted(folder.glob("model*.safetensors"))
    digests = [_sha256(file) for file in files]
    if len(files) == 1:
        return digests[0]
    lines = (f"{file.name}\0{digest}\n" for file, digest in zip(files, digests, strict=True))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
