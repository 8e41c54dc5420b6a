"""Compositions: models made of models."""

from polyloom.compose.certificate import Certificate, GateCertificate
from polyloom.compose.gated import Gated
from polyloom.compose.layered import Layer, Layered
from polyloom.compose.recipe import read_recipe, replay
from polyloom.compose.weave import weave

__all__ = ["Certificate", "Gated", "GateCertificate", "Layer", "Layered", "read_recipe", "replay", "weave"]
