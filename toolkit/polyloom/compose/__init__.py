"""Compositions: models made of models."""

from polyloom.compose.certificate import Certificate
from polyloom.compose.layered import Layer, Layered
from polyloom.compose.recipe import read_recipe, replay
from polyloom.compose.weave import weave

__all__ = ["Certificate", "Layer", "Layered", "read_recipe", "replay", "weave"]
