"""The router: learned from examples of what each expert is for."""

from polyloom.compose.routing.router.decision import Routing
from polyloom.compose.routing.router.router import Router

__all__ = ["Router", "Routing"]
