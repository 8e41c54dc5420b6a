"""The names of the face that come in when they are used, because what they need is heavy and optional: torch."""

from importlib import import_module
from typing import Any

from polyloom._compat import need

LATER = {
    "AdapterBank": "polyloom.adapters.bank",
    "LogitsProcessor": "polyloom.bridges.logits",
    "TransformerConfig": "polyloom.transformer.config",
    "TransformerModel": "polyloom.transformer.model",
    "attach": "polyloom.adapters.attach",
}


def later(name: str) -> Any:
    """What `polyloom.name` is; AttributeError if there is none, MissingPackage saying what to install."""
    if name not in LATER:
        raise AttributeError(f"module 'polyloom' has no attribute {name!r}")
    need("torch", "torch", f"polyloom.{name}")
    return getattr(import_module(LATER[name]), name)
