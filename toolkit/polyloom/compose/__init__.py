"""Compositions: models made of models."""

from polyloom.compose.layered import Layer, Layered
from polyloom.compose.weave import weave

__all__ = ["Layer", "Layered", "weave"]
