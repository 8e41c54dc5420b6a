"""The demo as one ASGI application, and its server on this machine.

    application(library, views)      the routes, with Gradio's page mounted over everything else
    serve("127.0.0.1", 7860)         until Ctrl-C

Nothing is shared through anybody's tunnel, nobody is counted, and nothing is asked of another machine: the variables
below say so to Gradio, which reads them when it is imported.
"""

# pyright: reportMissingTypeStubs=false, reportUnknownMemberType=false

import asyncio
import contextlib
import gc
import os
import socket
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Any

from polyloom._compat import need
from polyloom.errors import InputError
from polyloom_demo.library import Library
from polyloom_demo.memory import tidy
from polyloom_demo.visitors import Views

SWEEP = 60.0  # seconds
QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_SHARE": "False", "HF_HUB_OFFLINE": "1", "DO_NOT_TRACK": "1"}


def application(library: Library, views: Views) -> Any:
    """The demo's FastAPI application; it begins the library's work when it starts, and ends all when it stops."""
    os.environ.update(QUIET)
    gradio = need("gradio", "demo", "The web demo")
    from fastapi import FastAPI

    from polyloom_demo.layout import looks, page
    from polyloom_demo.routes import Desk, routes

    @contextlib.asynccontextmanager
    async def alive(app: FastAPI) -> AsyncGenerator[None]:
        del app
        library.begin(then=partial(tidy, views))
        sweeping = asyncio.create_task(_sweep(views))
        yield
        sweeping.cancel()
        library.close()
        views.close()
        gc.unfreeze()

    app = FastAPI(lifespan=alive, docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(routes(Desk(library, views)))
    return gradio.mount_gradio_app(
        app, page(), path="", footer_links=[], run_history=False, enable_monitoring=False, ssr_mode=False, pwa=False,
        mcp_server=False, show_error=False, max_file_size=1,  # byte: files come by a route of ours, which checks them
        **looks(),
    )  # fmt: skip


def serve(host: str, port: int, tell: Callable[[str], object] = print) -> None:
    """Serve until Ctrl-C; `tell` is called with the address.  Raises InputError if it is taken or no address."""
    app = application(Library(), Views())
    import uvicorn

    with _bound(host, port) as door:
        tell(f"http://{host}:{door.getsockname()[1]}")
        config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3, server_header=False)
        with contextlib.suppress(KeyboardInterrupt):  # uvicorn ends in good order and says it once more
            uvicorn.Server(config).run(sockets=[door])


def _bound(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise InputError(f"Nothing can be served at {host}:{port} ({error.strerror}). Try another --port.") from None


async def _sweep(views: Views) -> None:
    while True:
        await asyncio.sleep(SWEEP)
        await asyncio.to_thread(views.sweep)
        await asyncio.to_thread(tidy, views)
