"""The group of subcommands that packages register under `polyloom.commands`, each imported only when it is run.

An entry point names a function, read as `typer` reads functions, or a `typer.Typer`.  In a list of commands it stands
as a name with the first line of its docstring; running it puts the real command in its place.

Whatever a command raises because of its input becomes one line on standard error and exit code 1; `--traceback` lets
the traceback through.  A bare ValueError is a fault of ours, not of the input, and always shows its traceback.  Wrong
usage is `typer`'s to report, with exit code 2.
"""

from importlib.metadata import EntryPoint
from typing import Any, final

import typer
from typer.core import TyperCommand, TyperGroup

from polyloom.cli import plugins
from polyloom.errors import PolyloomError

GROUP = "polyloom.commands"


@final
class Commands(TyperGroup):
    """The group; contexts are typed Any because typer carries click under different names across its versions."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.points = plugins.found(GROUP)
        for name, point in self.points.items():
            self.add_command(TyperCommand(name, help=plugins.summary(point)))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that `args` begin with, imported now."""
        name, command, rest = super().resolve_command(ctx, args)
        point = self.points.get(name or "")
        return name, command if point is None else _built(point), rest

    def invoke(self, ctx: Any) -> Any:
        """Run it; errors that speak of the input become one line."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise  # the reader went away, as with `| head`: typer ends quietly
        except (PolyloomError, OSError, ValueError) as error:
            if ctx.params.get("traceback") or type(error) is ValueError:
                raise
            typer.secho(f"polyloom: {_one_line(error)}", fg="red", err=True)
            raise typer.Exit(1) from error


def _built(point: EntryPoint) -> Any:
    given = plugins.load(point)
    if not isinstance(given, typer.Typer):
        if not callable(given):
            kind = type(given).__name__
            raise PolyloomError(f"{point.name} ({point.value}): expected a function or a typer.Typer, got {kind}.")
        app = typer.Typer(add_completion=False, rich_markup_mode="markdown")
        app.command(name=point.name)(given)
        given = app
    command = typer.main.get_command(given)
    command.name = point.name
    return command


def _one_line(error: Exception) -> str:
    text = f"{error.filename}: {error.strerror}" if isinstance(error, OSError) and error.filename else str(error)
    return " ".join(text.split()) or type(error).__name__
