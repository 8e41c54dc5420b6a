"""List texts to train on, fetch public ones, and look inside.

The texts are those of `catalogues`; the network is used by `fetch` alone, and there by the catalogue.
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer
from rich.filesize import decimal

from polyloom.cli.catalogues import chosen, entries
from polyloom.cli.options import Json
from polyloom.cli.output import columns, print_json
from polyloom.errors import InputError, PolyloomError

LONGEST = 200  # characters of a line that `show` prints

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

Folder: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where fetched texts are; by default in the user's cache.", show_default=False),
]


@app.callback(invoke_without_command=True)
def data(context: typer.Context) -> None:
    """List texts to train on, fetch public ones, and look inside."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def listed(folder: Folder = None, as_json: Json = False) -> None:
    """List the texts there are: carried, fetched, or to be fetched.

    For example:

        polyloom data list
        polyloom data list --json
    """
    rows = [entry.json(folder) for entry in entries().values()]
    if as_json:
        print_json(rows)
        return
    width = max((len(row["name"]) for row in rows), default=0)
    heads = ("size", "licence", "kept", "name")
    cells = [
        (decimal(row["size"]), row["licence"], _kept(row), f"{row['name']:<{width}}  {row['title']}") for row in rows
    ]
    typer.echo(columns([heads, *cells]))


@app.command()
def fetch(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="As `list` gives them.", show_default=False)],
    offline: Annotated[bool, typer.Option("--offline", help="Use what was fetched before; no network.")] = False,
    folder: Folder = None,
    force: Annotated[bool, typer.Option("--force", help="Replace another file of that name.")] = False,
    as_json: Json = False,
) -> None:
    """Fetch public texts, and print where they are.

    A download that breaks off, also by Ctrl-C, goes on from there the next time.  The file gets its name when its
    SHA-256 is the right one.

    For example:

        polyloom data fetch tinyshakespeare
        polyloom data fetch warandpeace wikitext2_valid --folder texts
        polyloom train $(polyloom data fetch tinyshakespeare) -o plays.psam
    """
    rows: list[dict[str, str | None]] = []
    for entry in chosen(names):
        row: dict[str, str | None] = {"name": entry.name, "path": None, "error": None}
        try:
            row["path"] = str(entry.fetch(folder, offline=offline, force=force))
        except (PolyloomError, OSError, ValueError) as error:  # one text's fault must not cost the others
            if context.find_root().params.get("traceback") or type(error) is ValueError:
                raise
            row["error"] = _one_line(error)
            typer.secho(f"polyloom: {row['error']}", fg="red", err=True)
        if row["path"] and not as_json:
            typer.echo(row["path"])
        rows.append(row)
    if as_json:
        print_json(rows)
    if any(row["error"] for row in rows):
        raise typer.Exit(1)


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As `list` gives it.", show_default=False)],
    lines: Annotated[int, typer.Option(min=0, help="How many lines of it to print.")] = 5,
    whole: Annotated[bool, typer.Option("--text", help="Print the whole text and nothing else.")] = False,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Show the card of a text and its first lines.

    For example:

        polyloom data show sea
        polyloom data show tinyshakespeare --lines 20
        polyloom data show sea --text | polyloom train - -o sea.psam
    """
    (entry,) = chosen([name])
    documents = entry.documents(folder)
    if whole:
        typer.echo("\n\n".join(_there(name, documents)))
        return
    opening = list(islice(_lines(documents or ()), lines))
    if as_json:
        print_json({**entry.json(folder), "lines": opening})
        return
    if documents is None:
        opening = [f"Not fetched yet: polyloom data fetch {name}"]
    typer.echo("\n".join([entry.card().card(), "", *opening]))


def _there(name: str, documents: Iterable[str] | None) -> Iterable[str]:
    if documents is None:
        raise InputError(f"{name} is not fetched yet: polyloom data fetch {name}")
    return documents


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())


def _lines(documents: Iterable[str]) -> Iterator[str]:
    """The lines of documents, those too long cut short, a blank line between documents."""
    for number, document in enumerate(documents):
        yield from [""] * bool(number)
        yield from (line if len(line) <= LONGEST else f"{line[:LONGEST]}…" for line in document.split("\n"))


def _kept(row: dict[str, Any]) -> str:
    return "carried" if row["carried"] else "–" if row["path"] is None else "fetched"
