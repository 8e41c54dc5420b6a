"""Association models: exact counts of what came after what, mixed into one distribution that explains itself."""

from polyloom.association.model import AssociationModel
from polyloom.association.position.model import PositionModel
from polyloom.association.presets import PRESETS
from polyloom_kernels.history import Memory

__all__ = ["PRESETS", "AssociationModel", "Memory", "PositionModel"]
