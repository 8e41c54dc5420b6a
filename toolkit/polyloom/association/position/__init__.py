"""The classic association model: how well each token at a distance goes with the next one."""

from polyloom.association.position.model import PositionModel

__all__ = ["PositionModel"]
