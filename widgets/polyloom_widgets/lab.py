"""Copy the lessons into a folder of yours and open the first in JupyterLab.

An installed polyloom carries its lessons; in a checkout they are the `notebooks` folder itself, and opening that one
copies nothing.  A lesson that you have changed stays yours.  JupyterLab runs as a child of this command with its output
passed through; for this run alone its question about news and its checks for updates are switched off (by the settings
in `jupyter/`), so that nothing leaves this computer unasked.  On JupyterHub a server is running already, so the command
only copies and says what to open.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from polyloom.errors import InputError, PolyloomError

FOLDER = Path("polyloom-lessons")
FIRST = "01_weave.ipynb"  # what stands before it, the tour, is for those who want to see everything at once
CARRIED = Path(__file__).parent / "lessons"  # in the wheel
CHECKOUT = Path(__file__).parents[2] / "notebooks"  # beside widgets/
HELP = ("h", "help", "help-all", "V", "version")  # which every Jupyter command answers before it reads anything else
SETTINGS = Path(__file__).parent / "jupyter"

command = typer.Typer(add_completion=False, rich_markup_mode="markdown")


@command.command(context_settings={"ignore_unknown_options": True})
def lab(
    folder: Annotated[
        str | None, typer.Argument(metavar="FOLDER", help=f"Where to copy to; ./{FOLDER} if left out.")
    ] = None,
    options: Annotated[
        list[str] | None, typer.Argument(metavar="JUPYTER_OPTIONS", help="What `jupyter lab` is to be told.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace lessons that you have changed.")] = False,
) -> None:
    """Copy the lessons into FOLDER and open the first in JupyterLab.

    Lessons that you have changed are kept, unless `--force` is given.  Options that are not known here, and what
    follows them, go to JupyterLab; FOLDER comes before them.

    For example:

        polyloom lab
        polyloom lab ~/lessons
        polyloom lab ~/lessons --no-browser --port=8890
    """
    place, told = _parted([*([folder] if folder else []), *(options or [])])
    _check(told)
    first = next(lesson for lesson in copied(place, force) if lesson.name == FIRST)
    hub = os.environ.get("JUPYTERHUB_SERVICE_PREFIX")  # JupyterHub's own variable, set in every server it starts
    if hub:
        typer.echo(f"JupyterLab is running already. Open {first} in its file browser.")
        return
    if find_spec("jupyterlab") is None:
        raise PolyloomError(f'{first} is there, but JupyterLab is not installed: pip install "polyloom[widgets]"')
    typer.echo(f"Opening {first} in JupyterLab; its address is printed below. Ctrl-C twice stops it.")
    raise typer.Exit(_run(jupyter(first, told)))


def lessons() -> list[Path]:
    """The lessons in order, where this installation keeps them.  Raises PolyloomError if it carries none."""
    found = sorted((CARRIED if CARRIED.is_dir() else CHECKOUT).glob("*.ipynb"))
    if not found:
        raise PolyloomError(f"Expected lessons in {CARRIED}, found none. Install polyloom again.")
    return found


def copied(folder: Path, force: bool = False) -> list[Path]:
    """The lessons in `folder`, copied there where they were missing; a changed one is replaced only by `force`."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"Expected a folder to copy the lessons to, got the file {folder}.")
    folder.mkdir(parents=True, exist_ok=True)
    there: list[Path] = []
    for lesson in lessons():
        target = folder / lesson.name
        there.append(target)
        if target.exists() and target.read_bytes() == lesson.read_bytes():
            continue
        if target.exists() and not force:
            typer.echo(f"Kept your {target}: it differs from the lesson; --force replaces it.")
            continue
        _place(lesson, target)
        typer.echo(f"Copied {target}")
    return there


def jupyter(lesson: Path, options: Sequence[str]) -> list[str]:
    """The command line that opens a lesson, with the caller's options last, so that they win."""
    line = [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={lesson.parent.resolve()}",
        f"--LabApp.default_url=/lab/tree/{lesson.name}",
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        line.append("--allow-root")  # Jupyter asks root, as in a container, to confirm what it is doing
    return [*line, *options]


def _parted(arguments: Sequence[str]) -> tuple[Path, Sequence[str]]:
    """The folder, if the first argument is one, and what is JupyterLab's.

    The command line cannot tell: to it, an option that it does not know is an argument like any other.
    """
    if arguments and not arguments[0].startswith("-"):
        return Path(arguments[0]).expanduser(), arguments[1:]
    return FOLDER, arguments


def _check(options: Sequence[str]) -> None:
    """Refuse what JupyterLab would refuse, before anything is copied; its names are only known where it is installed.

    A name with a dot is a setting of one of its classes, such as `--ServerApp.token`, and left to JupyterLab.
    """
    names = [option.lstrip("-").partition("=")[0] for option in options if option.startswith("-")]
    if not any(names) or find_spec("jupyterlab") is None:
        return
    app: Any = import_module("jupyterlab.labapp").LabApp
    known = {*app.flags, *app.aliases, *HELP}
    for name in filter(None, names):
        if name not in known and "." not in name:
            near = get_close_matches(name, known, n=1)
            guess = f" Did you mean --{near[0]}?" if near else " `polyloom lab -- --help` lists its options."
            raise typer.BadParameter(f"JupyterLab has no option --{name}.{guess}")


def _place(lesson: Path, target: Path) -> None:
    """Write the whole copy or nothing."""
    partial = target.with_name(f".{target.name}.partial")
    partial.write_bytes(lesson.read_bytes())
    partial.replace(target)


def _run(line: Sequence[str]) -> int:
    """Run until it ends.

    Ctrl-C reaches parent and child alike, and JupyterLab asks before it stops, so the parent only waits; a request to
    end the parent ends the child.
    """
    paths = filter(None, [str(SETTINGS), os.environ.get("JUPYTER_CONFIG_PATH")])
    with subprocess.Popen(line, env=os.environ | {"JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}) as child:

        def end(_number: int, _frame: FrameType | None) -> None:
            child.terminate()

        before = signal.signal(signal.SIGINT, signal.SIG_IGN), signal.signal(signal.SIGTERM, end)
        try:
            return child.wait()
        finally:
            signal.signal(signal.SIGINT, before[0])
            signal.signal(signal.SIGTERM, before[1])
