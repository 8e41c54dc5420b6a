"""The web demo: mix, attend, route, compose and generate in a browser, with the widgets of the notebooks."""

from polyloom_demo.app import application, serve
from polyloom_demo.library import Library
from polyloom_demo.visitors import Views

__all__ = ["Library", "Views", "application", "serve"]
