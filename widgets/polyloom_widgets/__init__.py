"""Live views of polyloom objects for Jupyter, for one HTML file, for the web."""

from polyloom_widgets.mixer.mixer import Mixer
from polyloom_widgets.training.training import TrainingView
from polyloom_widgets.words import spoken

__all__ = ["Mixer", "TrainingView", "spoken"]
