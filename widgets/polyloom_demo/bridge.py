"""One widget of one visitor, whose page talks through requests instead of a notebook's kernel.

    served = Served(widget)
    served.state()              what a page needs to begin: {"state": traits, "buffers": bytes in base64}
    served.hear(messages)       what the page says, in order; what the widget says to that
    turns(messages)             the same in parts, between which others can be heard
    served.told(still)          what is made of the widget as it stands, such as a file

Messages are those of ipywidgets, as JSON: `{"method": "update", "state": …}` and `{"method": "custom", "content": …}`.
A page may set what its widget lets a page set, and nothing of the notebook around it; texts have an end.  Whatever else
it says gets a reason back, as in a notebook, and changes nothing.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false, reportPrivateUsage=false
# ipywidgets carries no types, and a message reaches a widget by a method that it calls its own.

import base64
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from threading import Lock
from typing import Any, TypeVar, cast, final

import ipywidgets

from polyloom.errors import InputError
from polyloom_widgets.base.widget import Widget

LONGEST = 4_000  # characters of a text in a message
MOST = 64  # messages at a time
TURN = 8  # of them are heard, then others have their turn
TRIES = 3  # at something that is made of the widget while its page goes on
PATIENCE = 2.0  # seconds that messages wait for those before them
OF_THE_NOTEBOOK = frozenset(ipywidgets.DOMWidget.class_trait_names(sync=True))

Message = dict[str, Any]
Made = TypeVar("Made")


class Gone(InputError):  # noqa: N818 - it says what became of the view
    """There is no view of that name, or none any more."""

    def __init__(self) -> None:
        super().__init__("This view rested too long and was put away. Reload the page: it opens a new one.")


@final
class Served:
    """A widget and all that it says; one message is heard at a time."""

    def __init__(self, widget: Widget) -> None:
        self.widget = widget
        self._said: list[Message] = []
        self._lock = Lock()
        self._heard = 0  # how often
        cast("Any", widget.comm).send = self._record  # there is no kernel that would take it

    def state(self) -> Message:
        """The traits that the page draws from."""
        keys = cast("list[str]", self.widget.keys)
        names = [name for name in keys if name not in OF_THE_NOTEBOOK and not name.startswith("_")]
        with self._lock:
            found = cast("dict[str, Any]", self.widget.get_state(names))
            self._said.clear()
        buffers = {name: _text(value) for name, value in found.items() if isinstance(value, bytes)}
        return {"state": {name: value for name, value in found.items() if name not in buffers}, "buffers": buffers}

    def hear(self, messages: object) -> list[Message]:
        """What the widget says to these messages; InputError if they are no list of at most `MOST`, Gone if closed."""
        given = _checked(messages)
        with self._turn():
            if self.widget.comm is None:
                raise Gone
            self._heard += 1
            for message in given:
                self._take(message)
            said, self._said = self._said, []
        return said

    def told(self, made: Callable[[Widget], Made]) -> Made:
        """What is `made` of the widget as it stands; the page may speak meanwhile, and then it is made anew."""
        for _ in range(TRIES):
            with self._turn():
                before = self._heard
            found = made(self.widget)
            if self._heard == before:
                return found
        raise InputError("This view changed while it was written down. Let it rest for a moment, and try again.")

    def close(self) -> None:
        """Close the widget, when it has heard what it is hearing."""
        with self._lock:
            self.widget.close()

    @contextmanager
    def _turn(self) -> Generator[None]:
        """Alone with the widget; a page waits for its answers, so one that does not blocks itself alone."""
        if not self._lock.acquire(timeout=PATIENCE):
            raise InputError("This view is still at work on what was asked before.")
        try:
            yield
        finally:
            self._lock.release()

    def _take(self, message: object) -> None:
        try:
            method, content = _read(message)
        except InputError as error:
            self.widget.send({"op": "set", "error": str(error)})
            return
        if method == "custom":
            self.widget._handle_custom_msg(content, [])
        elif strange := content.keys() - self.widget.reported:
            self.widget.send({"op": "set", "error": f"The page may not set {', '.join(sorted(strange))}."})
        else:
            self.widget.set_state(content)

    def _record(self, data: Message | None = None, buffers: Sequence[Any] | None = None, **_: object) -> None:
        """Keep what the widget sends; an echo is of no use, since this page is the only one."""
        if not data or data.get("method") not in ("update", "custom"):
            return
        sent = [_text(bytes(one)) for one in buffers or ()]
        if data["method"] == "custom":
            self._said.append({"content": data["content"], "buffers": sent})
            return
        paths: list[list[str]] = data.get("buffer_paths", [])
        named = {name: text for (name, *_), text in zip(paths, sent, strict=True)}
        self._said.append({"state": data["state"], "buffers": named})


def turns(messages: object) -> list[list[Any]]:
    """Messages in parts, at least one; InputError likewise."""
    given = _checked(messages)
    return [given[at : at + TURN] for at in range(0, len(given), TURN)] or [[]]


def _checked(messages: object) -> list[Any]:
    if not isinstance(messages, list) or len(cast("list[Any]", messages)) > MOST:
        raise InputError(f"Expected a list of at most {MOST} messages.")
    return cast("list[Any]", messages)


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _read(message: object) -> tuple[str, dict[str, Any]]:
    """The method and what came with it."""
    given = cast("dict[str, Any]", message) if isinstance(message, dict) else {}
    method = given.get("method")
    content = given.get({"update": "state", "custom": "content"}.get(str(method), ""))
    if not isinstance(content, dict):
        raise InputError("Expected a message: an update with its state, or a custom one with its content.")
    if (size := _longest(cast("object", content))) > LONGEST:
        raise InputError(f"A text may have {LONGEST:,} characters here, and this one has {size:,}. Take a part of it.")
    return str(method), cast("dict[str, Any]", content)


def _longest(value: object) -> int:
    """Characters of the longest text anywhere in a JSON value."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        value = list(cast("dict[str, object]", value).values())
    return max(map(_longest, cast("list[object]", value)), default=0) if isinstance(value, list) else 0
