"""The commands of `polyloom expert` that look after a registry: whom to trust, and what is installed."""

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from polyloom.cli.options import Json
from polyloom.cli.output import columns, print_json
from polyloom.experts.admission import Trust
from polyloom.experts.keys import PublicKey
from polyloom.experts.registry import Installed, Registry

Folder: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--registry", metavar="DIR", help="Where experts are; by default among your data.", show_default=False
    ),
]
Catalogue: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Where to find experts by name: a path or an address.", show_default=False),
]
Name: TypeAlias = Annotated[str, typer.Argument(metavar="NAME", help="As `list` gives it.", show_default=False)]
Believed: TypeAlias = Annotated[
    Trust, typer.Option("--trust", help="Publishers that are known, also new ones, or anyone, signed or not.")
]


def registry_in(folder: Path | None) -> Registry:
    """The registry of the option, or the one of this user."""
    if folder is None:
        import platformdirs

        folder = platformdirs.user_data_path("polyloom", appauthor=False) / "experts"
    return Registry(folder)


def add_commands(app: typer.Typer) -> None:
    """Put the commands below `polyloom expert`."""
    for command in (trust, install, info, search, update, uninstall):
        app.command()(command)
    app.command("list")(listed)


def trust(
    publisher: Annotated[str | None, typer.Argument(metavar="PUBLISHER", help="Whose key.", show_default=False)] = None,
    key: Annotated[
        str | None, typer.Argument(metavar="KEY", help="As `keygen` printed it.", show_default=False)
    ] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Believe this key, or all of them, no more.")] = False,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """List whom to trust, or trust a publisher's key, or revoke it.

    For example:

        polyloom expert trust
        polyloom expert trust maria 5ZnZq4…=
        polyloom expert trust maria --revoke
    """
    registry = registry_in(folder)
    store = registry.trusted
    if publisher is not None:
        if key is None and not revoke:
            raise typer.BadParameter(f"which key of {publisher}? Give it, or --revoke all.", param_hint="KEY")
        public = PublicKey.parse(key) if key is not None else None
        store = registry.revoke(publisher, public) if revoke or public is None else registry.trust(publisher, public)
    elif revoke:
        raise typer.BadParameter("whose key?", param_hint="PUBLISHER")
    rows = [{"publisher": name, **one.json()} for name, keys in store.publishers.items() for one in keys]
    if as_json:
        print_json(rows)
    elif rows:
        cells = [(one["publisher"], one["key"], f"revoked {one['revoked']}" if one["revoked"] else "") for one in rows]
        typer.echo(columns([("publisher", "key", ""), *cells]))
    else:
        typer.echo("Nobody is trusted yet. See: polyloom expert trust --help")


def install(
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="A path, an address, or a name of the catalogue.")],
    trust: Believed = "known",
    sha256: Annotated[
        str | None, typer.Option(metavar="HEX", help="What the file must have.", show_default=False)
    ] = None,
    catalogue: Catalogue = None,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Install an expert and what it requires, whole or not at all.

    For example:

        polyloom expert install sql.expert
        polyloom expert install https://example.org/sql.expert --sha256 9f2c…
        polyloom expert install "expert-sql@>=1.2" --catalogue https://example.org/experts.json
    """
    _print(registry_in(folder).install(source, trust, sha256=sha256, catalogue=catalogue), as_json, "Nothing new.")


def listed(
    in_order: Annotated[bool, typer.Option("--in-order", help="In the order of loading.")] = False,
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """List the experts that are installed.

    For example:

        polyloom expert list
    """
    registry = registry_in(folder)
    _print(registry.in_order() if in_order else registry.list(), as_json, "No expert is installed.")


def info(name: Name, folder: Folder = None, as_json: Json = False) -> None:
    """Say what is known of an expert.

    For example:

        polyloom expert info expert-sql --json
    """
    found = registry_in(folder).info(name)
    said = found.manifest.said
    rules = {"requires": said.constraints.requires, "incompatible_with": said.constraints.incompatible_with}
    lists = {"capabilities": said.capabilities, **rules}
    told = {**found.json(), "publisher": said.integrity.publisher}
    if as_json:
        print_json({**told, **lists, "manifest": found.manifest.document})
        return
    facts = told | {key: ", ".join(values) for key, values in lists.items()}
    typer.echo("\n".join(f"{key:<17} {value}" for key, value in facts.items() if value))


def search(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="Words, or how they begin.", show_default=False)],
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Find installed experts by their name, description, tags, capabilities and keywords.

    For example:

        polyloom expert search "sql postgres"
    """
    _print(registry_in(folder).search(text), as_json, "No expert has all of these words.")


def update(
    catalogue: Annotated[str, typer.Option(metavar="FILE", help="A path or an address.", show_default=False)],
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One expert; otherwise all.")] = None,
    trust: Believed = "known",
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Bring one expert, or all, to the newest version that can stand beside the others.

    For example:

        polyloom expert update --catalogue experts.json
    """
    _print(registry_in(folder).update(name, catalogue=catalogue, trust=trust), as_json, "Nothing newer.")


def uninstall(name: Name, folder: Folder = None, as_json: Json = False) -> None:
    """Remove an expert that no other requires.

    For example:

        polyloom expert uninstall expert-sql
    """
    registry_in(folder).uninstall(name)
    if as_json:
        print_json({"uninstalled": name})
    else:
        typer.echo(f"{name} is uninstalled.")


def _print(found: list[Installed], as_json: bool, none: str) -> None:
    rows = [one.json() for one in found]
    if as_json:
        print_json(rows)
    elif rows:
        cells = [(one["name"], one["version"], one["state"], one["description"]) for one in rows]
        typer.echo(columns([("name", "version", "state", "description"), *cells]))
    else:
        typer.echo(none)
