"""`polyloom demo`: the web demo on this machine."""

from typing import Annotated

import typer

from polyloom_demo.app import serve

PORT = 7860  # Gradio's usual


def command(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Who may come: 127.0.0.1 this machine alone, 0.0.0.0 the network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = PORT,
) -> None:
    """Serve the web demo: mix, attend, route, compose, generate and play music in a browser.

    Every visitor has faders of their own.  It needs no network, tells nobody that it runs, and is shared only by
    `--host`.  The first start trains a small transformer in the background.  Ctrl-C ends it.

    For example:

        polyloom demo
        polyloom demo --port 8000
        polyloom demo --host 0.0.0.0
    """
    serve(host, port, lambda address: typer.echo(f"The demo is at {address} (Ctrl-C ends it)"))
