"""Association models: exact counts of what came after what, mixed into one distribution that explains itself."""

from polyloom.association.model import AssociationModel

__all__ = ["AssociationModel"]
