"""How good a model is on text it has not seen."""

from polyloom.evaluate.perplexity import perplexity
from polyloom.evaluate.report import Bin, Figure, Report, evaluate

__all__ = ["Bin", "Figure", "Report", "evaluate", "perplexity"]
