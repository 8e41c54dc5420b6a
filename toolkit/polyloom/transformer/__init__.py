"""Transformers: bricks, built from a config, that are language models like any other."""

from polyloom.transformer.build import PRESETS, build, parameters, preset
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

__all__ = [
    "PRESETS",
    "Attention",
    "Decoder",
    "Experts",
    "FeedForward",
    "Norm",
    "Position",
    "Scaling",
    "TransformerConfig",
    "build",
    "parameters",
    "preset",
]
