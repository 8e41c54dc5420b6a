"""Live views of polyloom objects for Jupyter, for one HTML file, for the web."""

from typing import TYPE_CHECKING, Any

from polyloom._compat import need
from polyloom_widgets.attention.attention import AttentionView
from polyloom_widgets.attention.bertviz import head_view, model_view
from polyloom_widgets.generation.generation import GenerationView
from polyloom_widgets.listen.listen import ListenAB
from polyloom_widgets.mixer.mixer import Mixer
from polyloom_widgets.roll.roll import PianoRoll
from polyloom_widgets.routing.routing import RoutingView
from polyloom_widgets.training.training import TrainingView
from polyloom_widgets.words import spoken

if TYPE_CHECKING:
    from polyloom_widgets.rack.rack import ExpertRack

__all__ = [
    "AttentionView",
    "ExpertRack",
    "GenerationView",
    "ListenAB",
    "Mixer",
    "PianoRoll",
    "RoutingView",
    "TrainingView",
    "head_view",
    "model_view",
    "spoken",
]


def __getattr__(name: str) -> Any:
    """The rack stands on torch, so it is read when it is asked for; MissingPackage says what to install."""
    if name != "ExpertRack":
        raise AttributeError(f"module 'polyloom_widgets' has no attribute {name!r}")
    need("torch", "torch", "polyloom_widgets.ExpertRack")
    from polyloom_widgets.rack.rack import ExpertRack

    return ExpertRack
