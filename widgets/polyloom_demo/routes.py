"""What a page asks for, beside the page itself: views, messages, files to take along, and how the demo is.

    POST /polyloom/open     {"kind": "mix", "example": 0, "recipe": {…}, "instead": NAME}   a new view, with its state
    POST /polyloom/open     {"view": NAME}                           one that Python has laid out
    POST /polyloom/say      {"view": NAME, "messages": [...]}        what the widget says to them
    GET  /polyloom/take/NAME/page.html | recipe.json | mix.psamc     the view, to keep
    GET  /polyloom/NAME.js, views.css                                the modules that a notebook uses too
    GET  /health

A request has at most `LARGEST` bytes and is JSON; so many are worked on at a time, as there are places, and so many
wait.  An error is an answer with the status that fits and `{"error": …}` in words for the page.
"""

import asyncio
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from functools import cache, partial
from pathlib import Path
from typing import Any, cast, final

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse

import polyloom_widgets.base.page as base
from polyloom import __version__
from polyloom.errors import InputError, PolyloomError
from polyloom_demo.kinds import made
from polyloom_demo.library import Library, Waiting
from polyloom_demo.visitors import Full, Gone, Views
from polyloom_widgets.base.bundle import bundle, bundle_css
from polyloom_widgets.base.widget import THEME, Widget
from polyloom_widgets.generation.generation import GenerationView
from polyloom_widgets.mixer.mixer import Mixer

LARGEST = 1_000_000  # bytes of a request: a desk's whole history has fewer
SLOTS = max(2, os.cpu_count() or 2)  # requests that are worked on at a time
LINE = 200  # requests that wait for it
HERE = Path(__file__).parent
WIDGETS = Path(base.__file__).parents[1]
SEEN = ("attention", "generation", "mixer", "routing")


class Busy(InputError):  # noqa: N818 - it says how the demo is
    """Too many are waiting already."""


STATUS: Mapping[type[PolyloomError], int] = {Gone: 410, Full: 503, Busy: 503, Waiting: 202}


@final
class Desk:
    """The routes' side of the demo: the models of the house, the views of its visitors, and the line before them."""

    def __init__(self, library: Library, views: Views) -> None:
        self.library, self.views = library, views
        self._slots = asyncio.Semaphore(SLOTS)
        self._waiting = 0

    async def work(self, task: Callable[[], Any]) -> Any:
        """Do it in a thread when there is a place; Busy if the line is too long."""
        if self._waiting >= LINE:
            raise Busy("Too many visitors are waiting just now. Try again in a moment.")
        self._waiting += 1
        try:
            async with self._slots:
                return await run_in_threadpool(task)
        finally:
            self._waiting -= 1

    def open(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A new view of an example, or the one of that name, as the page needs it to begin."""
        name = asked.get("view")
        if not isinstance(name, str):
            widget, note = self._made(asked)
            name = self.views.add(widget)
            self.views.drop(str(asked.get("instead")))
        else:
            note = ""
        return {"view": name, "note": note} | self._seen(name)

    def say(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a view says to what its page says."""
        served = self.views[str(asked.get("view"))]
        return {"said": served.hear(asked.get("messages")), "recipe": _recipe(served.widget)}

    def take(self, name: str, what: str) -> bytes:
        """A view as a file."""
        widget = self.views[name].widget
        if what not in _takes(widget):
            raise InputError(f"There is no {what} of this view.")
        with tempfile.TemporaryDirectory() as folder:
            return TAKES[what](widget, Path(folder) / what)

    def _made(self, asked: Mapping[str, Any]) -> tuple[Widget, str]:
        widget = made(asked.get("kind"), asked.get("example", 0), self.library)
        recipe = asked.get("recipe")
        if recipe is None or not isinstance(widget, Mixer):
            return widget, ""
        try:
            widget.restore(recipe)
        except InputError as error:
            return widget, f"The address holds a recipe that does not fit: {error}"
        return widget, ""

    def _seen(self, name: str) -> dict[str, Any]:
        served = self.views[name]
        widget = served.widget
        return served.state() | {
            "module": widget.module.stem, "takes": _takes(widget), "recipe": _recipe(widget),
        }  # fmt: skip


def _page(widget: Widget, path: Path) -> bytes:
    return widget.to_html(path).read_bytes()


def _model(widget: Widget, path: Path) -> bytes:
    cast("Mixer", widget).mix.save(path)
    return path.read_bytes()


def _recipe_file(widget: Widget, path: Path) -> bytes:
    del path
    if isinstance(widget, GenerationView):
        return json.dumps(widget.generation.recipe, indent=2).encode()
    return json.dumps(_recipe(widget), indent=2).encode()


TAKES: Mapping[str, Callable[[Widget, Path], bytes]] = {
    "page.html": _page, "recipe.json": _recipe_file, "mix.psamc": _model,
}  # fmt: skip


def _takes(widget: Widget) -> list[str]:
    """The files that there are of a widget."""
    if isinstance(widget, Mixer):
        return list(TAKES)
    return ["page.html", "recipe.json"] if isinstance(widget, GenerationView) else ["page.html"]


def _recipe(widget: Widget) -> dict[str, Any] | None:
    """What goes into the address: what a desk is set to."""
    return widget.to_recipe() if isinstance(widget, Mixer) else None


def routes(desk: Desk) -> APIRouter:
    """The routes of the module's head."""

    async def health() -> Response:
        views = desk.views
        return JSONResponse({
            "status": "ok", "version": __version__, "views": len(views), "most": views.most,
            "transformer": desk.library.state,
        })  # fmt: skip

    async def open_view(request: Request) -> Response:
        return await _answered(request, desk, desk.open)

    async def say(request: Request) -> Response:
        return await _answered(request, desk, desk.say)

    async def take(name: str, what: str) -> Response:
        try:
            content = await desk.work(lambda: desk.take(name, what))
        except PolyloomError as error:
            return _failed(error)
        kept = {"Content-Disposition": f'attachment; filename="polyloom-{what}"', "Cache-Control": "no-store"}
        return Response(content, media_type="application/octet-stream", headers=kept)

    async def part(file: str) -> Response:
        found = PARTS.get(file)
        if found is None:
            return JSONResponse({"error": f"There is no {file}."}, 404)
        kind = "text/css" if file.endswith(".css") else "text/javascript"
        return Response(found(), media_type=kind, headers={"Cache-Control": "no-cache"})

    router = APIRouter()
    router.get("/health")(health)
    router.post("/polyloom/open")(open_view)
    router.post("/polyloom/say")(say)
    router.get("/polyloom/take/{name}/{what}")(take)
    router.get("/polyloom/{file}")(part)
    return router


async def _answered(request: Request, desk: Desk, task: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Response:
    try:
        asked = await _read(request)
        return JSONResponse(await desk.work(lambda: task(asked)))
    except PolyloomError as error:
        return _failed(error)


async def _read(request: Request) -> Mapping[str, Any]:
    """The JSON object of a request; only a page of this server can send one as JSON."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise InputError("Expected JSON.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise InputError(f"A request may have {LARGEST:,} bytes.")
    try:
        asked = json.loads(body)
    except (ValueError, RecursionError):
        raise InputError("Expected JSON.") from None
    if not isinstance(asked, dict):
        raise InputError("Expected a JSON object.")
    return cast("dict[str, Any]", asked)


def _failed(error: PolyloomError) -> Response:
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
    return JSONResponse({"error": str(error)}, status)


@cache
def _styles() -> str:
    """One sheet for all views; the root class said twice weighs more than what Gradio says of every page's fields."""
    sheet = bundle_css([THEME, HERE / "served.css", *(WIDGETS / name / f"{name}.css" for name in SEEN)])
    return sheet.replace(".polyloom", ".polyloom.polyloom")


def _module(path: Path) -> Callable[[], str]:
    return cache(partial(bundle, path))


PARTS: Mapping[str, Callable[[], str]] = {
    "views.css": _styles,
    "served.js": _module(HERE / "served.js"),
    **{f"{name}.js": _module(WIDGETS / name / f"{name}.js") for name in SEEN},
}
