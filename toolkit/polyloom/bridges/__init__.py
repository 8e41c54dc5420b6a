"""Bridges: Polyloom's models inside other people's software."""

from polyloom.bridges.logits import LogitsProcessor

__all__ = ["LogitsProcessor"]
