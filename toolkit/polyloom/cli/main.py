"""The `polyloom` command itself: its global options; the subcommands come from `polyloom.commands`."""

from typing import Annotated

import typer

from polyloom import __version__
from polyloom.cli.commands import Commands

EXAMPLES = """
Examples:

    polyloom lab                         the lessons, in JupyterLab
    polyloom lab ~/lessons --no-browser  the same, in a folder you choose
    polyloom bench                       every benchmark
"""

app = typer.Typer(cls=Commands, add_completion=False, rich_markup_mode="markdown")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"polyloom {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
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
    typer.main.get_command(app)(prog_name="polyloom")
