"""Whether an expert is for a base model: by the digest where both have one, and else by the name.

A name stands for the same model whatever its case and whoever keeps it, in whatever folder: "Qwen/Qwen3-0.6B" is
"qwen3-0.6b".  Quantised weights are other weights: an expert that says how its base was quantised is for no other.
"""

from polyloom.experts.manifest import Manifest
from polyloom.experts.schema import BaseModelOne, ManifestOne


def unsuited(manifest: Manifest, base: str, sha256: str | None = None, quantization: str | None = None) -> str | None:
    """Why an expert cannot be used with a base model; None if it can."""
    said = manifest.said
    meant = [said.base_model] if isinstance(said, ManifestOne) else list(said.base_models)
    reasons = [_reason(one, base, sha256, quantization) for one in meant]
    return None if None in reasons else f"{manifest.name} is {', nor '.join(map(str, reasons))}"


def _reason(meant: BaseModelOne, base: str, sha256: str | None, quantization: str | None) -> str | None:
    if meant.sha256 and sha256:
        if meant.sha256.lower() != sha256.lower():
            return f"for {meant.name} with the digest {meant.sha256[:12]}…, and not for {base} with {sha256[:12]}…"
    elif _plain(meant.name) != _plain(base):
        return f"for {meant.name}, and not for {base}"
    if meant.quantization not in (None, quantization):
        return f"for {meant.name} as {meant.quantization}, and not as {quantization or 'it was trained'}"
    return None


def _plain(name: str) -> str:
    return name.replace("\\", "/").rsplit("/", 1)[-1].casefold()
