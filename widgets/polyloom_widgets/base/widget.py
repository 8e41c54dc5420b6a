"""What every widget of Polyloom has: one module, three forms, and answers to questions.

- The front end is a folder of ES modules that `bundle` makes into one; it travels as text, so no file is watched and
  nothing keeps a closed widget alive.
- In a notebook's output each widget stands in three forms: live, as HTML without scripts (what a viewer without Python
  shows), and as stable text.
- The page asks by messages `{op, id, …}`; the method `_answer_OP` replies, and an error it raises is the answer.
- The page reports the traits named in `reported` and no others. What a validator refuses takes the whole report back:
  the page gets the old values again, and the reason.
- `a.link(b)` lets what `a` shows flow into `b`: the text, the mix, the token, whatever both of them name in `shared`.
- `to_html` writes the same module into one page that needs no kernel and no network.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false
# ipywidgets carries no types: of what is inherited from it, nothing is known.

import contextlib
import os
import weakref
from collections.abc import Callable, Generator, Mapping
from difflib import get_close_matches
from functools import cache
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar, cast

import anywidget
import ipywidgets
import traitlets

from polyloom.errors import InputError, PolyloomError
from polyloom.files import replacing
from polyloom_widgets.base.bundle import bundle, bundle_css
from polyloom_widgets.base.page import page

THEME = Path(__file__).with_name("theme.css")
PAGE_LIMIT = 5_000_000  # bytes of an exported page


class Refused(InputError, traitlets.TraitError):  # noqa: N818 - it says what became of the value
    """A value that a trait cannot take; of this kind, so that traitlets takes back what came along with it."""


@contextlib.contextmanager
def refusing() -> Generator[None]:
    """In a validator: what is no good input is refused."""
    try:
        yield
    except InputError as error:
        raise Refused(str(error)) from None


@cache
def _module(path: Path) -> str:
    return bundle(path)


@cache
def _styles(path: Path) -> str:
    return bundle_css([THEME, path])


class Widget(anywidget.AnyWidget):
    """Base class.

    A leaf names its `module` (the style sheet stands beside it), the traits that are `reported`, and in `shared` the
    traits that other views may follow, by what they are: text, model, token, head.  It gives `_text`, `_still` and
    `_export`.
    """

    module: ClassVar[Path]
    reported: ClassVar[frozenset[str]] = frozenset()
    shared: ClassVar[Mapping[str, str]] = {}

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)

    @traitlets.default("_esm")
    def _default_esm(self) -> str:
        return _module(self.module)

    @traitlets.default("_css")
    def _default_css(self) -> str:
        return _styles(self.module.with_suffix(".css"))

    def __init__(self, **traits: Any) -> None:
        if unknown := [name for name in traits if not self.has_trait(name)]:
            near = get_close_matches(unknown[0], [*signature(type(self)).parameters, "layout"], 1)
            advice = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{type(self).__name__} takes no {unknown[0]!r}.{advice}")
        self._laid_out = "layout" not in traits  # by ipywidgets, for this widget alone
        self._links: dict[int, Callable[[], None]] = {}
        super().__init__(**traits)
        self.on_msg(_reply)

    def close(self) -> None:
        """Close the widget and its layout, which ipywidgets would keep for ever."""
        if self.comm is None:
            return
        for undo in list(self._links.values()):
            undo()
        layout = cast("Any", self.layout)
        super().close()
        if self._laid_out:
            layout.close()

    def link(self, other: "Widget") -> Callable[[], None]:
        """Let what this view shows flow into `other`, now and whenever it changes; returns what undoes it.

        What flows is what both know, such as the text.  `other` shows the reason where it cannot take something.  For
        both directions link both ways.  Raises InputError if the two have nothing in common, or are one and the same.
        """
        if not isinstance(other, Widget):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"Expected a view of Polyloom, got {type(other).__name__}.")
        pairs = [(self.shared[what], other.shared[what]) for what in self.shared if what in other.shared]
        if not pairs or other is self:
            raise InputError(f"{type(self).__name__} shows nothing that this {type(other).__name__} could follow.")
        self.unlink(other)
        key, view = id(other), weakref.ref(other, lambda _: undo())
        flows = [(ours, _flow(view, theirs)) for ours, theirs in pairs]
        for ours, flow in flows:
            flow({"new": getattr(self, ours)})
        for ours, flow in flows:
            self.observe(flow, ours)

        def undo() -> None:  # it may outlive the other view, so it does not hold it
            if self._links.get(key) is not undo:
                return
            del self._links[key]
            for ours, flow in flows:
                self.unobserve(flow, ours)

        self._links[key] = undo
        return undo

    def unlink(self, other: "Widget") -> None:
        """Let nothing flow into `other` any more."""
        self._links.get(id(other), _nothing)()

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the page reports: all of it, or nothing and say why."""
        try:
            if strange := sync_data.keys() - self.reported - _LAID_OUT:
                raise InputError(f"The page may not set {', '.join(sorted(strange))}.")
            super().set_state(sync_data)
        except (PolyloomError, traitlets.TraitError) as error:
            self.send_state([name for name in sync_data if name in self.keys])
            self.send({"op": "set", "error": str(error)})

    def _text(self) -> str:
        """One stable line: the class and what it shows."""
        raise NotImplementedError

    def _still(self) -> str:
        """HTML without scripts that shows the same."""
        raise NotImplementedError

    def _export(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The traits of a page without Python: those that JSON holds, and those that are bytes."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return self._text()

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        del options  # include= and exclude= are the notebook's to apply
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        forms = {
            "application/vnd.jupyter.widget-view+json": view,
            "text/html": self._still(),
            "text/plain": self._text(),
        }
        return forms, {}

    def to_html(self, path: str | os.PathLike[str], title: str | None = None) -> Path:
        """Write the widget as one HTML file that runs without Python and without a network; returns its path.

        The file is written whole or not at all.  Raises InputError if it would pass 5 MB, OSError if it cannot be
        written; what was at `path` then stays as it was.
        """
        state, buffers = self._export()
        text = page(title or f"Polyloom {type(self).__name__}", self._esm, self._css, state, buffers)
        content = text.encode("utf-8")
        if len(content) > PAGE_LIMIT:
            raise InputError(f"The page would take {len(content):,} bytes of at most {PAGE_LIMIT:,}. Show less text.")
        with replacing(Path(path)) as file:
            file.write(content)
        return Path(path)


def _flow(other: "weakref.ref[Widget]", name: str) -> Callable[[Any], None]:
    """What hands a value on to a trait of a view that is still open."""

    def flow(change: Any) -> None:
        view = other()
        if view is None or view.comm is None or change["new"] is None:
            return
        try:
            setattr(view, name, change["new"])
        except Refused as refusal:
            if not view.has_trait("error"):
                raise
            view.set_trait("error", str(refusal))

    return flow


def _nothing() -> None:
    """There is nothing to undo."""


_LAID_OUT = frozenset(ipywidgets.DOMWidget.class_trait_names(sync=True))  # what every widget's host may set


def _reply(widget: Widget, content: object, _: object) -> None:
    """Answer one message from the page; `buffers` of an answer travel as bytes beside it."""
    question = cast("dict[str, Any]", content) if isinstance(content, dict) else {}
    op, id = question.get("op"), question.get("id")
    answer = getattr(widget, f"_answer_{op}", None) if isinstance(op, str) else None
    if answer is None:
        widget.send({"op": op, "id": id, "error": f"{type(widget).__name__} does not know {op!r}."})
        return
    try:
        found = answer(question)
    except PolyloomError as error:
        found = {"error": str(error)}
    buffers = found.pop("buffers", None)
    widget.send({"op": op, "id": id, **found}, buffers)
