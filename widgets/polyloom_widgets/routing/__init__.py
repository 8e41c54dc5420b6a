"""Routing as a widget: who reads which token, how narrowly, and what would change it."""

from polyloom_widgets.routing.routing import RoutingView

__all__ = ["RoutingView"]
