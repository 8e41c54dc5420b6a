"""Music: the theory of harmony."""

from polyloom.music import theory

__all__ = ["theory"]
