"""Who is here: a view of their own for each visitor, named by a secret that only their page knows.

    views = Views(most=300, idle=1800)
    name = views.add(widget)
    views[name].hear(messages)        Gone if it was put away

Nobody's faders are another's, since nobody shares a widget; models are shared, and are values.  Memory has an end: a
view that nobody touched for `idle` seconds is put away, and of `most` views the one that rested longest makes room,
unless it was touched within `fresh` seconds: then the house is full, and the one who comes is told so.
"""

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import final

from polyloom.errors import InputError
from polyloom_demo.bridge import Served
from polyloom_widgets.base.widget import Widget


class Gone(InputError):  # noqa: N818 - it says what became of the view
    """There is no view of that name, or none any more."""


class Full(InputError):  # noqa: N818
    """There is no room for another view now."""


@final
class Views:
    """The views of all visitors, the longest untouched first."""

    def __init__(
        self, most: int = 300, idle: float = 1800, fresh: float = 60, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.most, self._idle, self._fresh, self._clock = most, idle, fresh, clock
        self._views: OrderedDict[str, tuple[float, Served]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._views)

    def add(self, widget: Widget) -> str:
        """Keep a widget; the name by which its page asks for it.  Raises Full, with the widget closed."""
        served, name = Served(widget), secrets.token_urlsafe(18)
        try:
            away = self._make_room()
        except Full:
            served.close()
            raise
        with self._lock:
            self._views[name] = self._clock(), served
        for one in away:
            one.close()
        return name

    def __getitem__(self, name: str) -> Served:
        """The view of that name, touched."""
        with self._lock:
            if name not in self._views:
                raise Gone("This view rested too long and was put away. Reload the page: it opens a new one.")
            _, served = self._views[name]
            self._views[name] = self._clock(), served
            self._views.move_to_end(name)
        return served

    def drop(self, name: str) -> None:
        """Put a view away, if it is there: its page has shown another in its place."""
        with self._lock:
            _, served = self._views.pop(name, (0.0, None))
        if served is not None:
            served.close()

    def sweep(self) -> None:
        """Put away what nobody touched for long."""
        with self._lock:
            away = self._rested(self._idle)
        for one in away:
            one.close()

    def close(self) -> None:
        """Put all away."""
        with self._lock:
            away = self._rested(float("-inf"))
        for one in away:
            one.close()

    def _make_room(self) -> list[Served]:
        with self._lock:
            away = self._rested(self._idle)
            while len(self._views) >= self.most:
                touched, served = next(iter(self._views.values()))
                if self._clock() - touched < self._fresh:
                    raise Full(f"All {self.most} places are taken. Try again in a minute.")
                self._views.popitem(last=False)
                away.append(served)
        return away

    def _rested(self, seconds: float) -> list[Served]:
        """Take out the views that were not touched for so long."""
        now = self._clock()
        names = [name for name, (touched, _) in self._views.items() if now - touched > seconds]
        return [self._views.pop(name)[1] for name in names]
