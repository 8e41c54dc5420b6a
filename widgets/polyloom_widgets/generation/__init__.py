"""Writing as a widget: stream, scrub, alternatives, forks."""

from polyloom_widgets.generation.generation import GenerationView

__all__ = ["GenerationView"]
