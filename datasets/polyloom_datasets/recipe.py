"""A recipe: where a public corpus lies, and how to know that what came is it.

A `Recipe` is a value that is checked when it is made. Its size and SHA-256 are promises about the bytes, so it does not
matter who serves them: nothing longer is ever written, nothing else is ever used. Its name is also the name of the
file, which is why it holds small letters, digits and underscores only.

Addresses are https. Plain http is for a server on this very computer (a test, a mirror behind a tunnel). It knows
nothing of files or connections.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from polyloom_datasets.errors import DataError

SUFFIXES = (".txt", ".md", ".jsonl")  # what `read` reads

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_THIS_COMPUTER = {"localhost", "127.0.0.1", "::1"}
_MOST = 2**40  # bytes: a guard against a size in the wrong unit


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to fetch one file.

    Attributes:
        name: what `fetch` calls it ("tinyshakespeare").
        title: a short human title.
        description: a sentence or two: what it is, and what it is used for.
        licence: an SPDX identifier, or words where there is none ("public domain").
        url: an address whose content never changes, such as one with the full commit in it.
        size: its length in bytes.
        sha256: 64 hexadecimal digits in lower case.
        language: a BCP 47 tag ("en").

    Raises:
        DataError: a field is blank, or not of the form above.

    """

    name: str
    title: str
    description: str
    licence: str
    url: str
    size: int
    sha256: str
    language: str = "en"

    def __post_init__(self) -> None:
        for field, expected, fits in self._rules():
            if not fits:
                got = getattr(self, field)
                raise DataError(f"recipe {self.name!r}, {field}: expected {expected}, got {got!r}. Mend the recipe.")

    def _rules(self) -> Iterator[tuple[str, str, bool]]:
        """Each field, what it must be, and whether it is."""
        yield "name", "small letters, digits and underscores", bool(_NAME.fullmatch(self.name))
        yield "title", "some text", bool(self.title.strip())
        yield "description", "some text", bool(self.description.strip())
        yield "licence", "an SPDX identifier or words", bool(self.licence.strip())
        yield "url", "an https address", is_allowed(self.url)
        yield "url", f"the address of a file that ends in {', '.join(SUFFIXES)}", self._suffix in SUFFIXES
        yield "size", "a number of bytes", 0 < self.size <= _MOST
        yield "sha256", "64 hexadecimal digits in lower case", bool(_SHA256.fullmatch(self.sha256))

    @property
    def file(self) -> str:
        """The name of the file that it becomes ("tinyshakespeare.txt")."""
        return self.name + self._suffix

    @property
    def _suffix(self) -> str:
        return PurePosixPath(urlsplit(self.url).path).suffix.lower()

    def card(self) -> str:
        """What to know before fetching it: title, size, description, licence and source, in three short lines."""
        return f"{self.title}: {readable(self.size)}\n  {self.description}\n  {self.licence}. {self.url}"


def is_allowed(url: str) -> bool:
    """Whether an address is https, or http on this computer."""
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that are no IPv6 address
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _THIS_COMPUTER)
    )


def readable(size: int) -> str:
    """A size in bytes as people write it; 1 kB is 1000 bytes."""
    if size < 1000:
        return f"{size} bytes"
    return f"{size / 1e3:.1f} kB" if size < 1e6 else f"{size / 1e6:.1f} MB" if size < 1e9 else f"{size / 1e9:.1f} GB"
