"""Who is here: a view of their own for each visitor, named by a secret that only their page knows.

    views = Views(most=300, idle=1800)
    name = views.add(widget)          or views.add(widget, 10): it weighs as much as ten
    views.add(another, instead=name)  in its place
    views[name].hear(messages)        Gone if it was put away

Nobody's faders are another's, since nobody shares a widget; models are shared, and are values.  Memory has an end: a
view that nobody touched for `idle` seconds is put away, and of `most` views the one that rested longest makes room,
unless it was touched within `fresh` seconds: then the house is full, and the one who comes is told so.
"""

import gc
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import final

from polyloom.errors import InputError
from polyloom_demo.bridge import Gone, Served
from polyloom_widgets.base.widget import Widget


class Full(InputError):  # noqa: N818
    """There is no room for another view now."""


@dataclass
class View:
    """When it was touched last, how many places it takes, and what it serves."""

    touched: float
    places: int
    served: Served


@final
class Views:
    """The views of all visitors, the longest untouched first."""

    def __init__(
        self, most: int = 300, idle: float = 1800, fresh: float = 60, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most, self._idle, self._fresh, self._clock = most, idle, fresh, clock
        self._views: OrderedDict[str, View] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._views)

    def add(self, widget: Widget, places: int = 1, instead: str = "") -> str:
        """Keep a widget, in place of the view that its page showed before; the name by which the page asks for it.

        Raises Full, with the widget closed and the other view where it was.
        """
        served, name = Served(widget), secrets.token_urlsafe(18)
        try:
            with self._lock:
                away = self._make_room(places, instead)
                self._views[name] = View(self._clock(), places, served)
        except Full:
            served.close()
            raise
        _close(away)
        return name

    def __getitem__(self, name: str) -> Served:
        """The view of that name, touched."""
        with self._lock:
            if name not in self._views:
                raise Gone
            view = self._views[name]
            view.touched = self._clock()
            self._views.move_to_end(name)
        return view.served

    def sweep(self) -> None:
        """Put away what nobody touched for long."""
        with self._lock:
            away = self._rested(self._idle)
        _close(away)

    def close(self) -> None:
        """Put all away."""
        with self._lock:
            away = self._rested(float("-inf"))
        _close(away)

    def _make_room(self, places: int, instead: str) -> list[View]:
        """Take out `instead`, what rested long, and as much more as needs be; nothing if that is not enough."""
        before = self._clock() - self._fresh
        stays = [view for name, view in self._views.items() if view.touched >= before and name != instead]
        free = self.most - sum(view.places for view in stays)
        if free < places:
            raise Full(f"All {self.most} places are taken. Try again in a minute.")
        away = self._rested(self._idle)
        if instead in self._views:
            away.append(self._views.pop(instead))
        while sum(view.places for view in self._views.values()) + places > self.most:
            away.append(self._views.popitem(last=False)[1])
        return away

    def _rested(self, seconds: float) -> list[View]:
        """Take out the views that were not touched for so long."""
        now = self._clock()
        names = [name for name, view in self._views.items() if now - view.touched > seconds]
        return [self._views.pop(name) for name in names]


def _close(away: list[View]) -> None:
    """Close views; models that nobody shares weigh too much to wait for the next minute (see `memory`)."""
    large = any(view.places > 1 for view in away)
    while away:
        away.pop().served.close()
    if large:
        gc.collect()
