"""Transformers: bricks, built from a config, that are language models like any other."""

from polyloom.transformer.build import PRESETS, build, parameters, preset
from polyloom.transformer.capture import Capture, capture
from polyloom.transformer.config import (
    Attention,
    Experts,
    FeedForward,
    Norm,
    Position,
    Scaling,
    TransformerConfig,
)
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.lens import LogitLens
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.opened import opened
from polyloom.transformer.patching import PatchMap, patch
from polyloom.transformer.quantised import quantised
from polyloom.transformer.routing import Routing
from polyloom.transformer.surgery import ablate, force, transplant

__all__ = [
    "PRESETS",
    "Attention",
    "Capture",
    "Decoder",
    "Experts",
    "FeedForward",
    "LogitLens",
    "Norm",
    "PatchMap",
    "Position",
    "Routing",
    "Scaling",
    "TransformerConfig",
    "TransformerModel",
    "ablate",
    "build",
    "capture",
    "force",
    "opened",
    "parameters",
    "patch",
    "preset",
    "quantised",
    "transplant",
]
