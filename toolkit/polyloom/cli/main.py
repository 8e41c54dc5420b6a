"""The `polyloom` command itself: its global options; the subcommands come from `polyloom.commands`."""

import sys
from io import TextIOWrapper
from typing import Annotated, cast

import typer

from polyloom import __version__
from polyloom.cli.commands import Commands
from polyloom.cli.exits import epilog

EXAMPLES = """
Examples:

    polyloom train poems.txt -o poems.psam     a model of your text
    polyloom predict poems.psam "At night the"
    polyloom compose sea=sea.psam law=law.psam:0.5 -o mix.psamc
    polyloom lab                               the lessons, in JupyterLab
    polyloom demo                              the desk and other views, as a web page
    polyloom bench                             every benchmark

"""

app = typer.Typer(cls=Commands, add_completion=False, rich_markup_mode="markdown")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"polyloom {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True, epilog=EXAMPLES + epilog())
def polyloom_command(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an error comes from.")] = False,  # noqa: ARG001
) -> None:
    """Mix language models like sound: every model is a fader, every word comes with a receipt."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command; what `polyloom` on the command line calls."""
    if isinstance(stream := cast("object", sys.stdout), TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # a character that the terminal lacks must not end the command
    typer.main.get_command(app)(prog_name="polyloom")
