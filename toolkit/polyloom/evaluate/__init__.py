"""How good a model is on text it has not seen."""

from polyloom.evaluate.perplexity import perplexity

__all__ = ["perplexity"]
