"""What a page asks for, beside the page itself: views, messages, files to take along, and how the demo is.

    POST /polyloom/open     {"kind": "mix", "example": 0, "recipe": {…}, "instead": NAME}   a new view, with its state
    POST /polyloom/compose  a form with files and the kind: a desk over what a visitor brought
    POST /polyloom/say      {"view": NAME, "messages": [...]}        what the widget says to them
    GET  /polyloom/take/NAME/page.html | recipe.json | mix.psamc | tune.mid | tune.wav       the view, to keep
    GET  /polyloom/NAME.js, views.css                                the modules that a notebook uses too
    GET  /health

A request has at most `LARGEST` bytes and is JSON, a form `ALL`; `SLOTS` are worked on at a time, beside them one that
weaves or writes a file, and `LINE` wait.  `FORMS` are taken in at a time: the others wait where they come from.  An
error is an answer with the status that fits and `{"error": …}` in words for the page.
"""

import asyncio
import contextlib
import json
import logging
import os
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, cast, final

from fastapi import APIRouter, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

import polyloom_widgets.base.page as base
from polyloom import __version__
from polyloom.errors import InputError, PolyloomError
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.music.written import write_music
from polyloom_demo.bridge import Gone, turns
from polyloom_demo.kinds import brought, made
from polyloom_demo.library import Library, Waiting
from polyloom_demo.music import written
from polyloom_demo.uploads import ALL, FILES, Upload
from polyloom_demo.visitors import Full, Views
from polyloom_widgets.base.bundle import bundle, bundle_css
from polyloom_widgets.base.widget import THEME, Widget
from polyloom_widgets.generation.generation import GenerationView
from polyloom_widgets.mixer.mixer import Mixer
from polyloom_widgets.roll.roll import PianoRoll

LARGEST = 1_000_000  # bytes of a request: a desk's whole history has fewer
SLOTS = max(2, os.cpu_count() or 2)  # requests that are worked on at a time
LINE = 200  # requests that wait for it
FORMS = 4  # that are in memory at a time
ARRIVED = 120.0  # seconds that a form may take to arrive
OWN_MODELS = 10  # places of a view whose models nobody shares
HERE = Path(__file__).parent
WIDGETS = Path(base.__file__).parents[1]
HEADER = "x-polyloom"  # of a form
SEEN = ("attention", "generation", "listen", "mixer", "roll", "routing")


log = logging.getLogger("polyloom.demo")


class Busy(InputError):  # noqa: N818 - it says how the demo is
    """Too many are waiting already."""


STATUS: Mapping[type[PolyloomError], int] = {Gone: 410, Full: 503, Busy: 503, Waiting: 202}


@final
class Desk:
    """The routes' side of the demo: the models of the house, the views of its visitors, and the line before them."""

    def __init__(self, library: Library, views: Views) -> None:
        self.library, self.views = library, views
        self._slots, self._long, self._forms = map(asyncio.Semaphore, (SLOTS, 1, FORMS))
        self._waiting = 0

    async def work(self, task: Callable[[], Any], long: bool = False) -> Any:
        """Do it in a thread when there is a place; Busy if the line is too long.  Long work has a place of its own."""
        async with self._line(self._long if long else self._slots):
            return await run_in_threadpool(task)

    async def bring(self, request: Request) -> dict[str, Any]:
        """Take a form in when there is room for it, and make a view of what it holds; Busy likewise."""
        async with self._line(self._forms):
            uploads, kind, instead = await _brought(request)
            return await self.work(lambda: self.compose(uploads, kind, instead), long=True)

    @contextlib.asynccontextmanager
    async def _line(self, places: asyncio.Semaphore) -> AsyncGenerator[None]:
        if self._waiting >= LINE:
            raise Busy("Too many visitors are waiting just now. Try again in a moment.")
        self._waiting += 1
        try:
            async with places:
                yield
        finally:
            self._waiting -= 1

    def open(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A new view of an example, as the page needs it to begin."""
        widget, note = self._made(asked)
        return self._opened(widget, 1, str(asked.get("instead"))) | {"note": note}

    def compose(self, uploads: Sequence[Upload], kind: str, instead: str) -> dict[str, Any]:
        """A new view of what was brought, likewise."""
        return self._opened(brought(kind, uploads, self.library), OWN_MODELS, instead) | {"note": ""}

    async def say(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What a view says to what its page says; who says much goes back into the line for every part of it."""
        said, recipe = list[Any](), None
        for part in turns(asked.get("messages")):
            answers, recipe = await self.work(partial(self._heard, str(asked.get("view")), part))
            said += answers
        return {"said": said, "recipe": recipe}

    def _heard(self, name: str, messages: list[Any]) -> tuple[list[Any], dict[str, Any] | None]:
        served = self.views[name]
        return served.hear(messages), served.told(_recipe)

    def take(self, name: str, what: str) -> bytes:
        """A view as a file."""
        served = self.views[name]
        if what not in _takes(served.widget):
            raise InputError(f"There is no {what} of this view.")
        with tempfile.TemporaryDirectory() as folder:
            return served.told(lambda widget: TAKES[what](widget, Path(folder) / what))

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

    def _opened(self, widget: Widget, places: int, instead: str) -> dict[str, Any]:
        """Let a view in, in the place of the one that the page showed before."""
        name = self.views.add(widget, places, instead)
        return self.views[name].state() | {
            "view": name, "module": widget.module.stem, "takes": _takes(widget), "recipe": _recipe(widget),
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


def _tune(widget: Widget, path: Path) -> bytes:
    return write_music(written(cast("Mixer | PianoRoll", widget)), path).read_bytes()


TUNE = ("tune.mid", "tune.wav")
TAKES: Mapping[str, Callable[[Widget, Path], bytes]] = {
    "page.html": _page, "recipe.json": _recipe_file, "mix.psamc": _model, **dict.fromkeys(TUNE, _tune),
}  # fmt: skip


def _takes(widget: Widget) -> list[str]:
    """The files that there are of a widget."""
    if isinstance(widget, Mixer):
        speaks_music = isinstance(widget.mix.vocabulary, MidiVocabulary)
        return ["page.html", "recipe.json", "mix.psamc", *(TUNE if speaks_music else ())]
    if isinstance(widget, PianoRoll):
        return ["page.html", *TUNE]
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
        asked = await _read(request)
        return JSONResponse(await desk.work(lambda: desk.open(asked)))

    async def say(request: Request) -> Response:
        asked = await _read(request)
        return JSONResponse(await desk.say(asked))

    async def compose(request: Request) -> Response:
        return JSONResponse(await desk.bring(request))

    async def take(request: Request) -> Response:
        name, what = request.path_params["name"], request.path_params["what"]
        content = await desk.work(lambda: desk.take(name, what), long=True)
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
    router.post("/polyloom/open")(_answered(open_view))
    router.post("/polyloom/say")(_answered(say))
    router.post("/polyloom/compose")(_answered(compose))
    router.get("/polyloom/take/{name}/{what}")(_answered(take))
    router.get("/polyloom/{file}")(part)
    return router


def _answered(route: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """The route, whose errors are answers."""

    async def answered(request: Request) -> Response:
        try:
            return await route(request)
        except PolyloomError as error:
            status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 400)
            return JSONResponse({"error": str(error)}, status)
        except HTTPException as error:  # a form that is none, or has too many files
            return JSONResponse({"error": error.detail}, error.status_code)
        except ClientDisconnect:  # nobody is there to be told
            return Response(status_code=400)
        except Exception:  # the border: one visitor's fault or ours must not become a page of Python for them
            log.exception("%s failed", request.url.path)
            return JSONResponse({"error": "That failed, and the fault is ours: it stands in the demo's log."}, 500)

    return answered


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
        json.dumps(asked, ensure_ascii=False, allow_nan=False).encode()  # what no answer could hold, half a character
    except (ValueError, RecursionError):
        raise InputError("Expected JSON.") from None
    if not isinstance(asked, dict):
        raise InputError("Expected a JSON object.")
    return cast("dict[str, Any]", asked)


async def _brought(request: Request) -> tuple[list[Upload], str, str]:
    """The files of a form, the kind of their view, and the one whose place it takes.

    No foreign page can send our header with it.
    """
    size = request.headers.get("content-length", "")
    if not size.isdigit() or int(size) > ALL:
        raise InputError(f"All files together may have {ALL // 1_000_000} MB.")
    if HEADER not in request.headers:
        raise InputError(f"Expected a form with the header {HEADER}.")
    try:
        async with asyncio.timeout(ARRIVED), request.form(max_files=FILES, max_fields=2) as form:
            files = [one for one in form.getlist("files") if isinstance(one, UploadFile)]
            uploads = [Upload(one.filename or "", await one.read()) for one in files]
            return uploads, str(form.get("kind", "")), str(form.get("instead", ""))
    except TimeoutError:
        raise InputError(f"The files took more than {ARRIVED:g} seconds to arrive. Bring smaller ones.") from None


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
