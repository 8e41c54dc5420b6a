"""The registry: a folder of experts that were found sound, can be believed, and can stand together.

    folder/registry.db           what is installed (`store`)
    folder/trust.json            whom to believe (`trust`)
    folder/experts/              the files of each (`shelf`)

Everything is decided (`plan`, `admission`) before the first byte is written.  Then, under the lock of the database,
files take their place on the shelf, and the row that makes them count comes last.  So whatever stops an installation,
what was there stays as it was.  Whom to believe changes under the same lock: no process undoes what another one said.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from polyloom.errors import FileError, InputError
from polyloom.experts.admission import Trust, admitted, check_trust
from polyloom.experts.catalogue import Listing, read_catalogue, read_source
from polyloom.experts.fetch import is_address
from polyloom.experts.keys import PublicKey
from polyloom.experts.manifest import Manifest
from polyloom.experts.package import Package
from polyloom.experts.plan import fresh, needed, offered, stand_together
from polyloom.experts.resolve import Conflict, load_order
from polyloom.experts.shelf import Shelf
from polyloom.experts.signing import Verdict, judge
from polyloom.experts.store import Record, Store, drop, put
from polyloom.experts.trust import TrustStore
from polyloom.experts.version import NAME, Requirement, Version


@dataclass(frozen=True)
class Installed:
    """An expert that is installed; `state` is what was known of its signature then."""

    name: str
    version: Version
    folder: Path
    digest: str
    manifest: Manifest
    state: str
    source: str
    installed: str

    def json(self) -> dict[str, Any]:
        """The facts, for machines."""
        told = {"name": self.name, "version": str(self.version), "description": self.manifest.said.description}
        facts = {"digest": self.digest, "state": self.state, "source": self.source, "installed": self.installed}
        return {**told, "folder": str(self.folder), **facts}


Several: TypeAlias = list[Installed]
Packages: TypeAlias = list[Package]


class Registry:
    """Experts in a folder.  Two processes may use it at once."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._store, self._shelf = Store(self.folder / "registry.db"), Shelf(self.folder / "experts")

    @property
    def trusted(self) -> TrustStore:
        """Whom this registry believes."""
        return TrustStore.read(self.folder / "trust.json")

    def trust(self, publisher: str, key: PublicKey) -> TrustStore:
        """Believe one more key, and return whom to believe from now on; raises as `TrustStore.with_key` does."""
        return self._rethink(lambda store: store.with_key(publisher, key))

    def revoke(self, publisher: str, key: PublicKey | None = None) -> TrustStore:
        """Believe a key, or all of a publisher, no more; raises as `TrustStore.revoke` does."""
        return self._rethink(lambda store: store.revoke(publisher, key))

    def believe(self, store: TrustStore) -> None:
        """Believe these and nobody else from now on."""
        self._rethink(lambda _: store)

    def list(self) -> Several:
        """What is installed, in the order of names."""
        return [self._installed(record) for record in self._store.records().values()]

    def in_order(self) -> Several:
        """What is installed, in the order in which it is to be loaded."""
        found = self._store.records()
        return [self._installed(found[offer.name]) for offer in load_order(map(offered, found.values()))]

    def search(self, text: str) -> Several:
        """What is installed and has every word of a text, or one that begins like it; the best hit first."""
        return [self._installed(record) for record in self._store.search(text).values()]

    def info(self, name: str) -> Installed:
        """One expert.  InputError, naming those that there are, if it is not installed."""
        return self._installed(self._record(name))

    def open(self, name: str) -> Package:
        """The package of one expert, unchecked; `verify` checks it."""
        return Package.read(self.info(name).folder)

    def verify(self, name: str) -> Verdict:
        """Compare every byte of an installed expert with what was installed, and its signature with the trust store."""
        record = self._record(name)
        try:
            package = Package.read(self._installed(record).folder)
        except (FileError, OSError) as error:
            return Verdict("tampered", str(error))
        if changed := _changed(record.digests, package.digests):
            return Verdict("tampered", f"changed since it was installed: {', '.join(changed)}")
        return judge(package, self.trusted)

    def install(
        self,
        source: str | os.PathLike[str],
        trust: Trust = "known",
        *,
        sha256: str | None = None,
        catalogue: str | os.PathLike[str] | None = None,
    ) -> Several:
        """Install an expert and what it requires; returns those that are new, the one asked for first.

        Args:
            source: a path, an address (with its `sha256`), or a requirement such as "expert-sql@>=1.2" that the
                catalogue can meet.
            trust: "known": signed by a publisher in the trust store.  "first": a publisher not yet known is taken into
                it.  "anyone": also what is not signed.  Nothing admits a wrong key, a revoked one or a changed package.
            sha256: what the file must have.
            catalogue: where to find what is required, a path or an address.

        Raises:
            Untrusted: it is not believed enough.
            Conflict: it cannot stand beside what is installed, or what it requires cannot be had.
            FileError: it is damaged, unsound or not what was promised.

        """
        check_trust(trust)
        listed = [] if catalogue is None else read_catalogue(catalogue)
        if _is_requirement(source):
            if catalogue is None:
                raise InputError(f"{source} is no path and no address; to install by name, give a catalogue.")
            wanted = Requirement.parse(os.fspath(source))
            packages, sources = self._from_catalogue([wanted], listed, [])
            packages.sort(key=lambda package: package.manifest.name != wanted.name)
        else:
            package = read_source(source, sha256)
            name, version = package.manifest.name, package.manifest.version
            exact = Requirement(name, (("==", version),))
            packages, sources = self._from_catalogue([exact], listed, [package])
            sources[name] = os.fspath(source)
        return self._commit(packages, trust, sources)

    def update(self, name: str | None = None, *, catalogue: str | os.PathLike[str], trust: Trust = "known") -> Several:
        """Bring one expert, or all, to the newest version of a catalogue that stands beside the others.

        Returns those that are new.  Raises as `install` does.
        """
        names = [name] if name is not None else [one.name for one in self.list()]
        wanted = [Requirement(one, ((">=", self.info(one).version),)) for one in names]
        packages, sources = self._from_catalogue(wanted, read_catalogue(catalogue), [], newest=names)
        return self._commit(packages, trust, sources)

    def uninstall(self, name: str) -> None:
        """Remove an expert.  Conflict if another one requires it."""
        self._record(name)
        with self._store.writing() as database:
            left = [offered(one) for one in self._store.records(database).values() if one.name != name]
            if users := [str(one) for one in left if any(rule.name == name for rule in one.requires)]:
                raise Conflict([f"{user} requires {name}" for user in users])
            drop(database, name)
        self._sweep()

    def _from_catalogue(
        self, wanted: Sequence[Requirement], listed: Sequence[Listing], given: Packages, newest: Sequence[str] = ()
    ) -> tuple[Packages, dict[str, str]]:
        """The packages to install so that what is wanted and what is there stand together; and where they are from."""
        found = needed(self._store.records(), wanted, listed, given, newest)
        return [*given, *(one.read() for one in found)], {one.offer.name: one.place for one in found}

    def _commit(self, packages: Packages, trust: Trust, sources: dict[str, str]) -> Several:
        """Judge packages, see that all stand together, and write them, all or none."""
        if not packages:
            return []
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._store.writing() as database:
            there = self._store.records(database)
            self._shelf.sweep({record.folder for record in there.values()})
            new = fresh(packages, there)
            believed, states = admitted(new, self.trusted, trust)
            stand_together(new, there)
            with self._shelf.adding() as add:
                records = [
                    _recorded(one, add(one), state, sources.get(one.manifest.name, ""))
                    for one, state in zip(new, states, strict=True)
                ]
                for record in records:
                    put(database, record)
                if believed != self.trusted:
                    self._write_trust(believed)
        self._sweep()
        return [self._installed(record) for record in records]

    def _sweep(self) -> None:
        """Remove the files of what is no longer there."""
        with self._store.writing() as database:
            self._shelf.sweep({record.folder for record in self._store.records(database).values()})

    def _rethink(self, change: Callable[[TrustStore], TrustStore]) -> TrustStore:
        """Change whom to believe, while nobody else does."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._store.writing():
            store = change(self.trusted)
            self._write_trust(store)
        return store

    def _write_trust(self, store: TrustStore) -> None:
        store.save(self.folder / "trust.json")

    def _record(self, name: str) -> Record:
        found = self._store.records()
        if name not in found:
            raise InputError(f"No expert {name!r} is installed; there are {', '.join(found) or 'none'}.")
        return found[name]

    def _installed(self, record: Record) -> Installed:
        facts = (self._shelf.folder / record.folder, record.digest, record.manifest, record.state)
        return Installed(record.name, record.manifest.version, *facts, record.source, record.installed)

    def __repr__(self) -> str:
        return f"Registry({str(self.folder)!r}, {len(self._store.records())} experts)"


def _is_requirement(source: str | os.PathLike[str]) -> bool:
    text = os.fspath(source)
    plain = not is_address(text) and not Path(text).exists()
    return plain and NAME.fullmatch(text.partition("@")[0].strip()) is not None


def _recorded(package: Package, folder: str, state: str, source: str) -> Record:
    manifest, now = package.manifest, datetime.now(UTC).isoformat(timespec="seconds")
    return Record(manifest.name, folder, package.digest, package.digests, manifest, state, source, now)


def _changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
