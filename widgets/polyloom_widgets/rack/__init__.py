"""A rack of experts as a widget: attached, at a scale, believed or not."""

from polyloom_widgets.rack.rack import ExpertRack

__all__ = ["ExpertRack"]
