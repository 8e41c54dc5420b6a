"""Live views of polyloom objects for Jupyter, for one HTML file, for the web."""

from polyloom_widgets.attention.attention import AttentionView
from polyloom_widgets.attention.bertviz import head_view, model_view
from polyloom_widgets.generation.generation import GenerationView
from polyloom_widgets.mixer.mixer import Mixer
from polyloom_widgets.rack.rack import ExpertRack
from polyloom_widgets.routing.routing import RoutingView
from polyloom_widgets.training.training import TrainingView
from polyloom_widgets.words import spoken

__all__ = [
    "AttentionView",
    "ExpertRack",
    "GenerationView",
    "Mixer",
    "RoutingView",
    "TrainingView",
    "head_view",
    "model_view",
    "spoken",
]
