"""The group of subcommands that packages register under `polyloom.commands`, each imported only when it is run.

An entry point names a function, read as `typer` reads functions, or a `typer.Typer`.  In a list of commands it stands
as a name with the first line of its docstring; running it puts the real command in its place.  How it ends, and what
is said then, is the business of `exits`.
"""

import inspect
import re
import textwrap
from importlib.metadata import EntryPoint
from typing import Any, final

import typer
from typer.core import TyperCommand, TyperGroup

from polyloom.cli import plugins
from polyloom.cli.exits import ending
from polyloom.errors import PolyloomError

GROUP = "polyloom.commands"


@final
class Commands(TyperGroup):
    """The group; contexts are typed Any because typer carries click under different names across its versions."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.points = plugins.found(GROUP)
        for name in self.points:
            self.add_command(TyperCommand(name))

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Read the global options."""
        with ending():
            return super().make_context(info_name, args, parent, **extra)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The list of commands: only now is it read what each says of itself."""
        for name, point in self.points.items():
            self.commands[name].help = plugins.summary(point)
        super().format_help(ctx, formatter)

    def get_params(self, ctx: Any) -> list[Any]:
        """The global options, the one for help included."""
        return _flags_take_nothing(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that `args` begin with, imported now."""
        name, command, rest = super().resolve_command(ctx, args)
        point = self.points.get(name or "")
        return name, command if point is None else _built(point, ctx), rest

    def invoke(self, ctx: Any) -> Any:
        """Run it; errors that speak of the input or of the usage become one line."""
        with ending(bool(ctx.params.get("traceback"))):
            return super().invoke(ctx)


def _built(point: EntryPoint, context: Any) -> Any:
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
    _explained(command, context)
    return command


def _explained(command: Any, context: Any) -> None:
    """Mend the help of a command and of those below it."""
    _flags_take_nothing(command.get_params(context))
    command.help = _with_fences(inspect.cleandoc(command.help or ""))
    for below in getattr(command, "commands", {}).values():
        _explained(below, context)


def _with_fences(text: str) -> str:
    """Examples, which stand four spaces in, between fences: typer takes away the spaces that all lines but one have."""
    return re.sub(r"(?m)(?:^ {4}.*\n?)+", lambda found: f"```\n{textwrap.dedent(found[0]).rstrip()}\n```\n", text)


def _flags_take_nothing(parameters: list[Any]) -> list[Any]:
    """Flags without a type: typer prints `<bool>` beside them as if a value were to follow."""
    for parameter in parameters:
        if getattr(parameter, "is_flag", False) and parameter.metavar is None:
            parameter.metavar = ""
    return parameters
