"""A rack of experts as a widget: attached, at a scale, believed or not."""
