"""The catalogues of texts that packages register under `polyloom.data`, as one table by name.

A catalogue is an object, usually a module, with the functions of `Catalogue`.  `polyloom` itself carries no text and
knows no address.  Where two catalogues use one name, that of polyloom wins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol

import typer

from polyloom.cli import plugins
from polyloom.errors import InputError, PolyloomError

GROUP = "polyloom.data"


class Catalogue(Protocol):
    """What a package registers.

    A corpus is an iterable of documents, a recipe says where one can be fetched and has a `name`; both have `title`,
    `description`, `licence`, `size` in bytes and `card()`, a few lines that say all this.
    """

    def names(self) -> Iterable[str]:
        """What `load` knows."""
        ...

    def load(self, name: str) -> Any:
        """A corpus that is carried."""
        ...

    def recipes(self) -> Iterable[Any]:
        """What can be fetched."""
        ...

    def fetch(self, corpus: Any, folder: Path | None, *, offline: bool, force: bool) -> Path:
        """The file of a recipe, downloaded if need be.  Raises an OSError, or an error that is a kind of ValueError."""
        ...

    def fetched(self, corpus: Any, folder: Path | None) -> Path | None:
        """The file of a recipe if it is there."""
        ...

    def read(self, source: Path) -> Iterable[str]:
        """The documents of a file."""
        ...


@dataclass(frozen=True)
class Entry:
    """A text of a catalogue, by its name; `recipe` is None for one that is carried."""

    name: str
    catalogue: Catalogue
    recipe: Any = None

    def card(self) -> Any:
        """What is known of it: a corpus or a recipe."""
        return self.catalogue.load(self.name) if self.recipe is None else self.recipe

    def path(self, folder: Path | None) -> Path | None:
        """Its file, if it was fetched."""
        return None if self.recipe is None else self.catalogue.fetched(self.recipe, folder)

    def fetch(self, folder: Path | None, *, offline: bool, force: bool) -> Path:
        """Its file, downloaded if need be.  Raises InputError if it is carried, otherwise what the catalogue raises."""
        if self.recipe is None:
            raise InputError(
                f"{self.name} is carried and needs no fetching. See it: polyloom data show {self.name} --text"
            )
        return self.catalogue.fetch(self.recipe, folder, offline=offline, force=force)

    def documents(self, folder: Path | None) -> Iterable[str] | None:
        """Its text; None if it must be fetched first."""
        if self.recipe is None:
            return self.catalogue.load(self.name)
        path = self.path(folder)
        return None if path is None else self.catalogue.read(path)

    def json(self, folder: Path | None) -> dict[str, Any]:
        """Its row of `--json`."""
        card, path = self.card(), self.path(folder)
        known = {key: getattr(card, key) for key in ("title", "description", "licence", "size")}
        kept = {"carried": self.recipe is None, "path": None if path is None else str(path)}
        origin = {key: getattr(self.recipe, key, None) for key in ("url", "sha256")}
        return {"name": self.name, **known, **kept, **origin}


def entries() -> dict[str, Entry]:
    """Every text by name, ours first; what is carried stands before what is fetched."""
    found: dict[str, Entry] = {}
    for point in plugins.found(GROUP).values():
        catalogue: Catalogue = plugins.load(point)
        for name in catalogue.names():
            found.setdefault(name, Entry(name, catalogue))
        for recipe in catalogue.recipes():
            found.setdefault(recipe.name, Entry(recipe.name, catalogue, recipe))
    if not found:
        raise PolyloomError(f"No package registers texts under {GROUP}. Install polyloom again.")
    return found


def chosen(names: list[str]) -> list[Entry]:
    """The texts of these names, each once.  Raises typer.BadParameter, which is wrong usage, for an unknown one."""
    known = entries()
    for name in names:
        if name not in known:
            near = get_close_matches(name.lower(), known, n=1)
            guess = f" Did you mean {near[0]!r}?" if near else ""
            raise typer.BadParameter(f"no text {name!r}; there are {', '.join(known)}.{guess}")
    return [known[name] for name in dict.fromkeys(names)]
