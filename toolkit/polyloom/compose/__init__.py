"""Compositions: models made of models."""

from polyloom.compose.algebra import difference, interpolate, intersection
from polyloom.compose.cascading import CascadePoint, cascade_curve
from polyloom.compose.certificate import Certificate, GateCertificate, PruneCertificate
from polyloom.compose.choice import best_blend, best_member
from polyloom.compose.cluster import cluster
from polyloom.compose.contrast import Contrast, avoid
from polyloom.compose.ensemble import Ensemble
from polyloom.compose.gated import Gated
from polyloom.compose.lane import Lane
from polyloom.compose.laned import Laned
from polyloom.compose.layered import Layer, Layered
from polyloom.compose.perplexities import perplexity_matrix
from polyloom.compose.reach import Reach
from polyloom.compose.recipe import replay
from polyloom.compose.recipe_file import open_recipe
from polyloom.compose.routed import Routed
from polyloom.compose.routing import (
    Blend,
    ByFunction,
    ByKeyword,
    ByLanguage,
    ByLikelihood,
    Cascade,
    Chooser,
    Decision,
    Router,
    Routing,
    TextChooser,
)
from polyloom.compose.sequenced import Sequenced
from polyloom.compose.shapley import Shapley
from polyloom.compose.similarity import nearest, similarity, similarity_matrix
from polyloom.compose.simplify import simplify
from polyloom.compose.stage import Stage
from polyloom.compose.weave import weave

__all__ = [
    "Blend",
    "ByFunction",
    "ByKeyword",
    "ByLanguage",
    "ByLikelihood",
    "Cascade",
    "CascadePoint",
    "Certificate",
    "Chooser",
    "Contrast",
    "Decision",
    "Ensemble",
    "GateCertificate",
    "Gated",
    "Lane",
    "Laned",
    "Layer",
    "Layered",
    "PruneCertificate",
    "Reach",
    "Routed",
    "Router",
    "Routing",
    "Sequenced",
    "Shapley",
    "Stage",
    "TextChooser",
    "avoid",
    "best_blend",
    "best_member",
    "cascade_curve",
    "cluster",
    "difference",
    "interpolate",
    "intersection",
    "nearest",
    "open_recipe",
    "perplexity_matrix",
    "replay",
    "similarity",
    "similarity_matrix",
    "simplify",
    "weave",
]
