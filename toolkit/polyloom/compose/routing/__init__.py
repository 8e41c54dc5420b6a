"""Routing: what tells which members of a `Routed` should speak."""

from polyloom.compose.routing.cascade import Cascade
from polyloom.compose.routing.chooser import Chooser, Decision
from polyloom.compose.routing.function import ByFunction
from polyloom.compose.routing.keyword import ByKeyword
from polyloom.compose.routing.language import ByLanguage
from polyloom.compose.routing.likelihood import ByLikelihood
from polyloom.compose.routing.policy import Blend
from polyloom.compose.routing.router.decision import Routing
from polyloom.compose.routing.router.router import Router
from polyloom.compose.routing.text import TextChooser

__all__ = [
    "Blend",
    "ByFunction",
    "ByKeyword",
    "ByLanguage",
    "ByLikelihood",
    "Cascade",
    "Chooser",
    "Decision",
    "Router",
    "Routing",
    "TextChooser",
]
