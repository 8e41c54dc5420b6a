"""What every widget of Polyloom has: one module, three forms, and answers to questions.

- The front end is a folder of ES modules that `bundle` makes into one; it travels as text, so no file is watched and
  nothing keeps a closed widget alive.
- In a notebook's output each widget stands in three forms: live, as HTML without scripts (what a viewer without Python
  shows), and as stable text.
- The page asks by messages `{op, id, …}`; the method `_answer_OP` replies, and an error it raises is the answer.
- `to_html` writes the same module into one page that needs no kernel and no network.
"""

import os
import tempfile
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

from polyloom.errors import InputError, PolyloomError
from polyloom_widgets.base.bundle import bundle, bundle_css
from polyloom_widgets.base.page import page

THEME = Path(__file__).with_name("theme.css")
PAGE_LIMIT = 5_000_000  # bytes of an exported page


@cache
def _module(path: Path) -> str:
    return bundle(path)


@cache
def _styles(path: Path) -> str:
    return bundle_css([THEME, path])


class Widget(anywidget.AnyWidget):
    """Base class: a leaf names its `module` (its style sheet stands beside it) and gives `_text`, `_still`, `_export`."""

    module: ClassVar[Path]

    _esm = traitlets.Unicode().tag(sync=True)
    _css = traitlets.Unicode().tag(sync=True)

    @traitlets.default("_esm")
    def _default_esm(self) -> str:
        return _module(self.module)

    @traitlets.default("_css")
    def _default_css(self) -> str:
        return _styles(self.module.with_suffix(".css"))

    def __init__(self, **traits: Any) -> None:
        super().__init__(**traits)
        self.on_msg(_reply)

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

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        del options  # include= and exclude= are the notebook's to apply
        view = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return {
            "application/vnd.jupyter.widget-view+json": view,
            "text/html": self._still(),
            "text/plain": self._text(),
        }

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
        return _written(Path(path), content)


def _reply(widget: Widget, content: dict[str, Any], buffers: object) -> None:
    """Answer one message from the page."""
    del buffers
    op, id = content.get("op"), content.get("id")
    answer = getattr(widget, f"_answer_{op}", None) if isinstance(op, str) else None
    if answer is None:
        widget.send({"op": op, "id": id, "error": f"{type(widget).__name__} does not know {op!r}."})
        return
    try:
        found = answer(content)
    except PolyloomError as error:
        found = {"error": str(error)}
    widget.send({"op": op, "id": id, **found})


def _written(path: Path, content: bytes) -> Path:
    """Put a file in place in one step."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path
