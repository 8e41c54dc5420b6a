"""The names of the face that come in when they are used, because what they need is heavy and optional, often torch."""

from importlib import import_module
from typing import Any

from polyloom._compat import need

LATER = {
    "AdapterBank": "polyloom.adapters.bank",
    "LogitsProcessor": "polyloom.bridges.logits",
    "Registry": "polyloom.experts.registry",
    "TransformerConfig": "polyloom.transformer.config",
    "TransformerModel": "polyloom.transformer.model",
    "attach": "polyloom.adapters.attach",
    "int4": "polyloom.transformer.int8",
    "int8": "polyloom.transformer.int8",
}
TORCH = ("torch", "torch")
NEEDS = {"Registry": ("pydantic", "experts")}  # the package and the extra that brings it, where that is not torch


def later(name: str) -> Any:
    """What `polyloom.name` is; AttributeError if there is none, MissingPackage saying what to install."""
    if name not in LATER:
        raise AttributeError(f"module 'polyloom' has no attribute {name!r}")
    need(*NEEDS.get(name, TORCH), f"polyloom.{name}")
    return getattr(import_module(LATER[name]), name)
