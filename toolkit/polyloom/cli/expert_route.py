"""`polyloom expert route`: which expert a text is for, and why, or that it is for none of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from polyloom.cli.expert_registry import Folder, registry_in
from polyloom.cli.options import Json
from polyloom.cli.output import columns, print_json
from polyloom.cli.texts import Cut, Texts
from polyloom.compose.routing.router.decision import Routing
from polyloom.compose.routing.router.router import Router
from polyloom.errors import InputError

WORDS = 5  # reasons that are given


def route(
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What somebody asks.", show_default=False)],
    examples: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=FILE", help="A text for this expert in each line; repeatable. Instead of what is installed."
        ),
    ] = None,
    folder: Folder = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Experts to list.")] = 3,
    as_json: Json = False,
) -> None:
    """Say which expert a text is for, and why; or that none of them is meant.

    Learned at once from the manifests of the experts that are installed (description, keywords, priority, examples), or
    from files of examples.  Each score is a probability; what is left of 1 is for nobody.

    For example:

        polyloom expert route "When is high tide?"
        polyloom expert route "When is high tide?" --examples sea=sea.txt --examples law=law.txt
    """
    if examples and folder is not None:
        raise typer.BadParameter("give examples or a registry, not both.", param_hint="--examples")
    known: Mapping[str, Any] = _examples(examples) if examples else manifests(folder)
    if not examples and len(known) < 2:
        raise InputError(
            f"Routing needs two experts or more, and {len(known)} installed. Install others, or --examples."
        )
    found = Router.fit(known).route(text)
    ordered = sorted(found.scores.items(), key=lambda one: -one[1])[:k]
    if as_json:
        print_json({"text": text, **told(found), "scores": dict(ordered)})
        return
    typer.echo(f"{found.name or 'nobody'} {because(found)}")
    typer.echo(columns((f"{score:.3f}", name) for name, score in ordered))


def manifests(folder: Path | None) -> dict[str, Any]:
    """The manifests of the experts that are installed, by name."""
    return {one.name: one.manifest for one in registry_in(folder).list()}


def because(found: Routing) -> str:
    """Why a text is for an expert, or for none, in words that go on from a name."""
    if found.name is None:
        return f"because {found.best} has {found.score:.3f}, below the threshold of {found.threshold:.3f}"
    words = ", ".join(found.reasons(WORDS))
    return f"because {f'of {words}' if words else 'it is the nearest'} ({found.score:.3f})"


def told(found: Routing) -> dict[str, Any]:
    """A decision for machines; `expert` is null where nobody is meant."""
    facts = {"expert": found.name, "best": found.best, "score": found.score, "threshold": found.threshold}
    return {**facts, "reasons": found.reasons(WORDS)}


def _examples(given: list[str]) -> dict[str, list[str]]:
    """The lines of each file, by the name before it."""
    found: dict[str, list[str]] = {}
    for one in given:
        name, sign, file = one.partition("=")
        if not (name and sign and file):
            raise typer.BadParameter(f"expected NAME=FILE, got {one!r}.", param_hint="--examples")
        found.setdefault(name, []).extend(Texts([Path(file)], Cut.LINES).documents())
    return found
