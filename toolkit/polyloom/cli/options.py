"""Options and arguments that several commands share, so that they are named, checked and described alike."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from polyloom.cli.texts import Cut

ModelFile: TypeAlias = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="A file or folder that `train` or `compose` wrote.", show_default=False),
]
TextFiles: TypeAlias = Annotated[
    list[Path], typer.Argument(metavar="FILE", help="UTF-8 text; `-` is standard input.", show_default=False)
]
Prompt: TypeAlias = Annotated[
    str | None,
    typer.Argument(
        metavar="PROMPT",
        help="The text so far; `-`, or nothing in a pipe: standard input, without its last line break.",
        show_default=False,
    ),
]
Documents: TypeAlias = Annotated[Cut, typer.Option("--documents", help="What is one document of a text.")]
Output: TypeAlias = Annotated[
    Path, typer.Option("-o", "--output", metavar="FILE", help="The file, or folder, to write.", show_default=False)
]
Force: TypeAlias = Annotated[bool, typer.Option("--force", help="Replace FILE if it is there.")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
