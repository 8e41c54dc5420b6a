"""Catalogues: which experts can be had where, in a JSON file on the disk or on the web.

    {"experts": [{"name": "expert-sql", "version": "1.2.0", "url": "sql.expert", "sha256": "…",
                  "requires": [], "incompatible_with": [], "load_order": 9, "description": "…"}]}

An address may be relative to that of the catalogue.  What a catalogue says is checked against the package that comes.
"""

import hashlib
import json
import os
import tempfile
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from pydantic import Field, ValidationError

from polyloom.errors import FileError, InputError
from polyloom.experts.detached import with_beside
from polyloom.experts.fetch import fetch, is_address
from polyloom.experts.manifest import told
from polyloom.experts.package import Package, sound
from polyloom.experts.resolve import Offer
from polyloom.experts.schema import Digest, Name, Needed, Part, Semantic
from polyloom.experts.version import Requirement, Version
from polyloom.files import replacing

LIMIT = 64 * 2**20  # bytes of a catalogue


class Entry(Part):
    """One expert of a catalogue."""

    name: Name
    version: Semantic
    url: str
    sha256: Digest
    requires: list[Needed] = Field(default_factory=list[Needed])
    incompatible_with: list[Needed] = Field(default_factory=list[Needed])
    load_order: int = Field(default=10, ge=1, le=10)
    description: str = ""


class _Entries(Part):
    experts: list[Entry]


@dataclass(frozen=True)
class Listing:
    """An expert that can be had, and from where: a path or an address."""

    offer: Offer
    place: str
    sha256: str
    description: str

    def read(self) -> Package:
        """The package.  FileError if it is not the one that the catalogue speaks of."""
        package = read_source(self.place, self.sha256)
        if (found := Offer.of(package.manifest)) != self.offer:
            raise FileError(
                f"The catalogue speaks of {self.offer}; {self.place} holds {found}, or states other constraints."
            )
        return package


def read_catalogue(place: str | os.PathLike[str]) -> list[Listing]:
    """The experts of a catalogue.  FileError if it cannot be understood."""
    text = os.fspath(place)
    data = fetch(text, None, LIMIT) if is_address(text) else Path(text).read_bytes()
    try:
        found = _Entries.model_validate(json.loads(data))
    except ValidationError as error:
        faults = "; ".join(map(str, told(error)))
        raise FileError(f"{text} is no catalogue that can be used: {faults}.") from None
    except (ValueError, RecursionError) as error:
        raise FileError(f"{text} is no catalogue: it is not JSON ({error}).") from None
    return [_listing(entry, text) for entry in found.experts]


def read_source(place: str | os.PathLike[str], sha256: str | None = None) -> Package:
    """A sound package from a path, or from an address with its digest.  FileError if it is not the one.

    By the custom of experts a file `.sha256` beside a path is a digest that was told too, a file `.sig` a signature.
    """
    text = os.fspath(place)
    if not text:
        raise InputError("Expected a path or an address, got nothing.")
    if "://" not in text:
        sha256 = sha256 if sha256 is not None else _beside(Path(text))
        if sha256 is not None and (found := _sha256(Path(text))) != sha256.lower():
            raise FileError(f"{text} is another file: its SHA-256 is {found}, expected {sha256.lower()}.")
        return with_beside(sound(_held(Path(text)), text), Path(text))
    if sha256 is None:
        raise FileError(f"{text} comes over the network, and needs the SHA-256 that it should have.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fetched.expert"
        path.write_bytes(fetch(text, sha256))
        return sound(_held(path), text)


def _held(path: Path) -> Package:
    """A package in memory: what is judged is what is written, whoever changes the file meanwhile."""
    package = Package.read(path)
    return Package({name: memoryview(bytes(content)) for name, content in package.files.items()}, package.sealed)


def write_beside(path: Path) -> Path:
    """Write the SHA-256 of a file beside it, as `sha256sum` does, which can check it; returns where."""
    place = path.with_name(f"{path.name}.sha256")
    with replacing(place) as file:
        file.write(f"{_sha256(path)}  {path.name}\n".encode())
    return place


def _beside(path: Path) -> str | None:
    if path.is_dir() or not (place := path.with_name(f"{path.name}.sha256")).is_file():
        return None
    with place.open("rb") as file:
        return file.read(64).decode("ascii", "replace")


def _sha256(path: Path) -> str:
    if path.is_dir():
        raise FileError(f"{path} is a folder, which has no SHA-256.")
    with path.open("rb") as file:
        return hashlib.file_digest(cast("Any", file), "sha256").hexdigest()


def _listing(entry: Entry, catalogue: str) -> Listing:
    rules = (tuple(map(Requirement.parse, texts)) for texts in (entry.requires, entry.incompatible_with))
    offer = Offer(entry.name, Version.parse(entry.version), *rules, order=entry.load_order)
    if is_address(catalogue):
        place = urllib.parse.urljoin(catalogue, entry.url)
    else:
        place = entry.url if is_address(entry.url) else str(Path(catalogue).parent / entry.url)
    return Listing(offer, place, entry.sha256.lower(), entry.description)
