"""The manifest of an expert: a JSON document, and what it was found to say.

The document is the truth, and the checked models only look at it.  So what this house does not know, in whatever
table, survives every change and every writing, in its order; what it does know is found wrong at once and in full.

    manifest.said.constraints.requires      what it says
    manifest.document["my_own_field"]       all of it

A key that stands twice, NaN and a document over 1 MB are refused: two readers could take them for different things.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from pydantic import ValidationError

from polyloom.errors import FileError
from polyloom.experts.schema import ANY, ManifestOne, ManifestTwo
from polyloom.experts.version import Version

FILE = "manifest.json"
LIMIT = 2**20  # bytes
PLAIN = {"missing": "it is missing", "string_too_short": "it is empty", "too_short": "it is empty"}
Document = dict[str, Any]


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and where."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


class InvalidExpert(FileError):  # noqa: N818 - "invalid" already says that it is an error
    """A manifest or a package has problems; `problems` has them all."""

    def __init__(self, subject: str, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(f"{subject} cannot be used: " + "; ".join(map(str, problems)))


@dataclass(frozen=True)
class Manifest:
    """A document that was found to be a sound manifest.  InvalidExpert with every problem if it is none."""

    document: Document

    def __post_init__(self) -> None:
        if found := problems(self.document):
            raise InvalidExpert("The manifest", found)

    @classmethod
    def parse(cls, text: bytes) -> "Manifest":
        """The manifest that a file holds.  FileError if it is no JSON, InvalidExpert if it is no manifest."""
        return cls(parse(text))

    @cached_property
    def said(self) -> ManifestOne | ManifestTwo:
        """The document as checked models."""
        return ANY.validate_python(self.document)

    @property
    def name(self) -> str:
        """The name, `expert-…`."""
        return self.said.name

    @property
    def version(self) -> Version:
        """The version."""
        return Version.parse(self.said.version)

    def replace(self, **changes: Any) -> "Manifest":
        """Another manifest with these tables or values in place of its own; a table is merged, key by key."""
        return Manifest(cast("Document", _merged(self.document, changes)))

    def bytes(self) -> bytes:
        """The document as a file holds it."""
        return (json.dumps(self.document, ensure_ascii=False, allow_nan=False, indent=2) + "\n").encode()


def parse(text: bytes) -> Document:
    """The JSON object of a file.  FileError if it is too large, no JSON, no object, or says one thing twice."""
    if len(text) > LIMIT:
        raise FileError(f"{FILE} takes {len(text):,} bytes of at most {LIMIT:,}.")
    try:
        found = json.loads(text.decode(), parse_constant=_refuse, object_pairs_hook=_once)
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()  # 1e999, and halves of characters
    except (ValueError, RecursionError) as error:
        raise FileError(f"{FILE} is not JSON that can be used: {error}.") from None
    if not isinstance(found, dict):
        raise FileError(f"{FILE} is not a table but {type(found).__name__}.")
    return cast("Document", found)


def problems(document: Mapping[str, Any]) -> list[Problem]:
    """Everything that is wrong with a document as a manifest."""
    try:
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        return [Problem("", f"it cannot be written as JSON ({error})")]
    try:
        ANY.validate_python(document)
    except ValidationError as error:
        return told(error)
    return []


def told(error: ValidationError) -> list[Problem]:
    """What pydantic found wrong, in the words of this house."""
    return [_problem(cast("Mapping[str, Any]", one)) for one in error.errors(include_url=False)]


def json_schema() -> Document:
    """The JSON Schema of both versions."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **ANY.json_schema()}


def _path(parts: tuple[str | int, ...]) -> str:
    """Where in the document; the first part is only the version that was tried."""
    named = parts[1:] if parts and parts[0] in ("1.0", "2.0") else parts
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in named).lstrip(".")


def _problem(found: Mapping[str, Any]) -> Problem:
    if found["type"] in ("union_tag_invalid", "union_tag_not_found"):
        got = cast("Document", found["input"]).get("schema_version")
        newer = ". If it is newer, upgrade polyloom" if isinstance(got, str) else ""
        return Problem("schema_version", f'expected "1.0" or "2.0", got {got!r}{newer}')
    what = PLAIN.get(found["type"]) or found["msg"].removeprefix("Value error, ").rstrip(".")
    return Problem(_path(found["loc"]), what)


def _merged(old: object, new: object) -> object:
    if not isinstance(old, dict) or not isinstance(new, Mapping):
        return new
    table, changes = cast("Document", old), cast("Mapping[str, Any]", new)
    return {**table, **{key: _merged(table.get(key), value) for key, value in changes.items()}}


def _once(pairs: list[tuple[str, Any]]) -> Document:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} stands twice")
    return found


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON")
