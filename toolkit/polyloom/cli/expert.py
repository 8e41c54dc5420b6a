"""Make, sign and keep experts: packages of an adapter or a model that say what they are and who made them.

These are the commands that make and check a package.  Those of the registry are in `expert_registry`; `expert_train`
learns what to package, `expert_route` and `expert_chat` ask what is installed.
"""

import json
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from polyloom.cli.expert_chat import chat
from polyloom.cli.expert_registry import Folder, add_commands, registry_in
from polyloom.cli.expert_route import route
from polyloom.cli.expert_train import train
from polyloom.cli.options import Force, Json
from polyloom.cli.output import check_free, note, print_json
from polyloom.errors import InputError
from polyloom.experts.catalogue import write_beside
from polyloom.experts.detached import with_beside
from polyloom.experts.keys import SecretKey, new_key
from polyloom.experts.manifest import FILE, Manifest, json_schema
from polyloom.experts.package import Form, Package, check, notes, sound
from polyloom.experts.signing import judge
from polyloom.experts.signing import sign as signed
from polyloom.files import replacing

app = typer.Typer(add_completion=False, rich_markup_mode="markdown")

Source: TypeAlias = Annotated[
    Path, typer.Argument(metavar="PACKAGE", help="A folder, or a file .expert.", show_default=False)
]
Target: TypeAlias = Annotated[
    Path | None,
    typer.Option("-o", "--output", metavar="FILE", help="By default named by custom, here.", show_default=False),
]
KeyFile: TypeAlias = Annotated[
    Path, typer.Option("--key", metavar="FILE", help="As `keygen` wrote.", show_default=False)
]
Beside: TypeAlias = Annotated[bool, typer.Option("--sha256", help="Write FILE.sha256 too, which `install` compares.")]
AsForm: TypeAlias = Annotated[Form, typer.Option("--form", help="A tar.gz, or one file to map, or one compressed.")]


@app.callback(invoke_without_command=True)
def expert(context: typer.Context) -> None:
    """Make, sign and keep experts: adapters or models that say what they are and who made them."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="expert-…, in small letters.", show_default=False)],
    base: Annotated[list[str], typer.Option("--base", metavar="MODEL", help="A model it is for.", show_default=False)],
    version: Annotated[str, typer.Option(help="A semantic version.")] = "0.1.0",
    description: Annotated[str, typer.Option(help="What it is good at.")] = "",
    old: Annotated[bool, typer.Option("--v1", help="A manifest of version 1, for one base model.")] = False,
    as_json: Json = False,
) -> None:
    """Make a folder with a manifest to fill in.

    For example:

        polyloom expert new expert-sql --base Qwen/Qwen3-0.6B --description "Writes SQL"
    """
    if old and len(base) > 1:
        raise typer.BadParameter("version 1 has one base model; leave out --v1 for several.", param_hint="--base")
    head = {"schema_version": "1.0" if old else "2.0", "name": name, "version": version, "description": description}
    models: dict[str, Any] = (
        {"base_model": {"name": base[0]}} if old else {"base_models": [{"name": one} for one in base]}
    )
    manifest = Manifest(
        {**head, **models, "tags": [], "capabilities": [], "routing": {"keywords": [], "priority": 0.5}}
    )
    folder = Path(name)
    folder.mkdir()
    with replacing(folder / FILE) as file:
        file.write(manifest.bytes())
    if as_json:
        print_json({"folder": str(folder), "manifest": manifest.document})
    else:
        typer.echo(folder)


@app.command()
def package(
    source: Source,
    output: Target = None,
    form: AsForm = "archive",
    beside: Beside = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Write a package as one file, from a folder or from another form of it.

    Nothing is lost: archive, mapped file and compressed file hold the same files byte for byte.

    For example:

        polyloom expert package expert-sql
        polyloom expert package sql.expert --form mapped -o sql.mapped.expert
    """
    held = sound(Package.read(source), str(source))
    _tell(held)
    path = check_free(output or Path(held.file_name), force, [source])
    _written(held.save(path, form), held, beside, as_json)


@app.command()
def validate(
    source: Annotated[Path | None, typer.Argument(metavar="PACKAGE", help="A folder, or a file .expert.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a manifest instead.")] = False,
    as_json: Json = False,
) -> None:
    """Say everything that is wrong with a package.

    For example:

        polyloom expert validate expert-sql
        polyloom expert validate --schema > expert.schema.json
    """
    if schema:
        typer.echo(json.dumps(json_schema(), indent=1))
        return
    if source is None:
        raise typer.BadParameter("give a package, or --schema.", param_hint="PACKAGE")
    held = Package.read(source)
    found = check(held)
    if as_json:
        rows = [{"where": one.where, "what": one.what} for one in found]
        print_json({"package": str(source), "sound": not found, "problems": rows, "notes": notes(held)})
    else:
        _tell(held)
        typer.echo("\n".join(map(str, found)) or f"{source} is sound.")
    if found:
        raise typer.Exit(1)


@app.command()
def keygen(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the private key.", show_default=False)],
    as_json: Json = False,
) -> None:
    """Make a key to sign with, readable by you alone, and print the public key to give to others.

    For example:

        polyloom expert keygen maria.key
    """
    key = new_key()
    key.save(path)
    if as_json:
        print_json({"file": str(path), "public": key.public.text})
    else:
        typer.echo(key.public.text)


@app.command()
def sign(
    source: Source,
    key: KeyFile,
    publisher: Annotated[str, typer.Option(metavar="NAME", help="In whose name.", show_default=False)],
    output: Target = None,
    form: AsForm = "archive",
    beside: Beside = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Sign a package, every byte of it, and write it as one file.

    For example:

        polyloom expert sign expert-sql --key maria.key --publisher maria
    """
    secret = SecretKey.read(key)
    held = signed(sound(Package.read(source), str(source)), secret, publisher)
    _tell(held)
    path = check_free(output or Path(held.file_name), force, [source, key])
    _written(held.save(path, form), held, beside, as_json)


@app.command()
def verify(
    source: Annotated[str, typer.Argument(metavar="PACKAGE", help="A path, or an expert that is installed.")],
    folder: Folder = None,
    as_json: Json = False,
) -> None:
    """Check every byte of a package and who vouches for it; the exit code is 0 if it is trusted.

    For example:

        polyloom expert verify sql.expert
        polyloom expert verify expert-sql
    """
    registry, place = registry_in(folder), Path(source)
    if place.exists():
        verdict = judge(with_beside(_to_be_judged(Package.read(place), source), place), registry.trusted)
    elif source in {one.name for one in registry.list()}:
        verdict = registry.verify(source)
    else:
        raise InputError(f"{source} is neither a path nor an expert that is installed. See: polyloom expert list")
    if as_json:
        key = verdict.key.text if verdict.key else None
        told = {"state": verdict.state, "reason": verdict.reason, "publisher": verdict.publisher, "key": key}
        print_json({"package": source, **told, "detached": verdict.detached})
    else:
        typer.echo(str(verdict))
    if verdict.state != "trusted":
        raise typer.Exit(1)


def _to_be_judged(held: Package, subject: str) -> Package:
    """The package, if it could be judged: a wrong digest is a verdict, anything else is a fault of the package."""
    if any(not problem.where.startswith("integrity.files") for problem in check(held)):
        sound(held, subject)
    return held


def _tell(held: Package) -> None:
    for one in notes(held):
        note(one)


def _written(path: Path, held: Package, beside: bool, as_json: bool) -> None:
    if beside:
        write_beside(path)
    if as_json:
        print_json({"file": str(path), "bytes": path.stat().st_size, "digest": held.digest, "files": held.digests})
    else:
        typer.echo(path)


for command in (train, route, chat):
    app.command()(command)
add_commands(app)
