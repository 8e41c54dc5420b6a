"""Writing: one token after another, with a record of who chose each."""

from polyloom.generate.loop import generate
from polyloom.generate.sampling import Sampling
from polyloom.generate.speculate import Speculated, Speculation
from polyloom.generate.trace import Generation, Step

__all__ = ["Generation", "Sampling", "Speculated", "Speculation", "Step", "generate"]
