"""Writing: one token after another, with a record of who chose each."""

from polyloom.generate.fill import Filled, generate_middle
from polyloom.generate.loop import generate
from polyloom.generate.middle import Filling, Middle, predict_middle
from polyloom.generate.sampling import Sampling
from polyloom.generate.speculate import Speculated, Speculation
from polyloom.generate.trace import Generation, Step

__all__ = [
    "Filled",
    "Filling",
    "Generation",
    "Middle",
    "Sampling",
    "Speculated",
    "Speculation",
    "Step",
    "generate",
    "generate_middle",
    "predict_middle",
]
