"""Attention as a widget: overview, one head, the text, what follows from it."""

from polyloom_widgets.attention.attention import AttentionView
from polyloom_widgets.attention.bertviz import head_view, model_view

__all__ = ["AttentionView", "head_view", "model_view"]
