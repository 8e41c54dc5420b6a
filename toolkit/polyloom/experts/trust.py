"""Whom to believe: the publishers of experts and their keys, in a JSON file that only its owner changes.

    {"version": 1, "publishers": {"maria": [{"key": "zJ2…=", "added": "2026-02-28", "revoked": null}]}}

A publisher may have several keys, so that one can follow another.  A revoked key stays in the file: it is known, and
what it signed is refused.  A key belongs to one publisher.  Changing gives a new store; `save` writes it.
"""

import json
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from polyloom.errors import FileError, InputError
from polyloom.experts.keys import PublicKey
from polyloom.files import replacing

VERSION = 1


@dataclass(frozen=True)
class TrustedKey:
    """A key, and since when it has been believed or no more."""

    key: PublicKey
    added: str
    revoked: str | None = None

    def json(self) -> dict[str, Any]:
        """The key as the file holds it."""
        return {"key": self.key.text, "added": self.added, "revoked": self.revoked}


@dataclass(frozen=True)
class TrustStore:
    """The keys of each publisher."""

    publishers: dict[str, tuple[TrustedKey, ...]] = field(default_factory=dict[str, tuple[TrustedKey, ...]])

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "TrustStore":
        """The store in a file; an empty one if there is none.  FileError if it is damaged: nobody is believed."""
        place = Path(path)
        if not place.exists():
            return cls()
        try:
            document = json.loads(place.read_text(encoding="utf-8"))
            if document["version"] != VERSION:
                raise FileError(
                    f"{place} is of version {document['version']!r}, this polyloom reads {VERSION}. Upgrade it."
                )
            given = cast("dict[str, list[dict[str, Any]]]", document["publishers"])
            return cls({name: tuple(map(_key, keys)) for name, keys in given.items()})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileError(
                f"{place} is no store of trusted publishers, or damaged ({error}). Nobody is trusted."
            ) from None

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the store; what was there stays if that fails."""
        keys = {name: [key.json() for key in keys] for name, keys in self.publishers.items()}
        with replacing(Path(path)) as file:
            file.write(
                (json.dumps({"version": VERSION, "publishers": keys}, ensure_ascii=False, indent=1) + "\n").encode()
            )
        return Path(path)

    def keys(self, publisher: str) -> tuple[TrustedKey, ...]:
        """The keys of a publisher; none for one that is not known."""
        return self.publishers.get(publisher, ())

    def with_key(self, publisher: str, key: PublicKey) -> "TrustStore":
        """The store with one more key.  InputError if it was revoked, or belongs to somebody else."""
        if not publisher.strip() or not publisher.isprintable():
            raise InputError(f"Expected the name of a publisher, got {publisher!r}.")
        for name, keys in self.publishers.items():
            for known in keys:
                if known.key == key and name != publisher:
                    raise InputError(f"The key {key.text} is already that of {name!r}; a key has one owner.")
                if known.key == key and known.revoked:
                    raise InputError(f"The key {key.text} was revoked on {known.revoked}. Ask {name!r} for a new one.")
                if known.key == key:
                    return self
        return self._with(publisher, (*self.keys(publisher), TrustedKey(key, _today())))

    def revoke(self, publisher: str, key: PublicKey | None = None) -> "TrustStore":
        """The store with a key of a publisher revoked, or all of them.  InputError if there is none."""
        known = self.keys(publisher)
        if not [each for each in known if key in (None, each.key)]:
            raise InputError(
                f"There is no such key of {publisher!r}; known publishers: {', '.join(self.publishers) or 'none'}."
            )
        changed = (replace(one, revoked=one.revoked or _today()) if key in (None, one.key) else one for one in known)
        return self._with(publisher, tuple(changed))

    def _with(self, publisher: str, keys: tuple[TrustedKey, ...]) -> "TrustStore":
        return TrustStore({**self.publishers, publisher: keys})


def _key(given: dict[str, Any]) -> TrustedKey:
    revoked = given["revoked"]
    if not isinstance(given["added"], str) or not (revoked is None or (isinstance(revoked, str) and revoked)):
        raise ValueError("a key without the day it was added or revoked")
    return TrustedKey(PublicKey.parse(given["key"]), given["added"], revoked)


def _today() -> str:
    return datetime.now(UTC).date().isoformat()
