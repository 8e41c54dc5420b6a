"""The registry: a folder of experts that were found sound, can be believed, and can stand together.

    folder/registry.db           what is installed (`store`)
    folder/trust.json            whom to believe (`trust`)
    folder/experts/NAME-VERSION-DIGEST/    the files of each

Everything is decided before the first byte is written.  Then, under the lock of the database, files go to a folder that
nobody looks at, are flushed, and take their name; the row that makes them count comes last.  So whatever stops an
installation, what was there stays as it was, and folders without a row are swept away by the next writer.
"""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from polyloom.errors import FileError, InputError
from polyloom.experts.admission import Trust, admitted, check_trust
from polyloom.experts.catalogue import Listing, read_catalogue, read_source
from polyloom.experts.fetch import is_address
from polyloom.experts.manifest import Manifest
from polyloom.experts.package import Package
from polyloom.experts.resolve import Conflict, Offer, load_order, resolve
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
Paths: TypeAlias = list[Path]


class Registry:
    """Experts in a folder.  Two processes may use it at once."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._store = Store(self.folder / "registry.db")

    @property
    def trusted(self) -> TrustStore:
        """Whom this registry believes."""
        return TrustStore.read(self.folder / "trust.json")

    def believe(self, store: TrustStore) -> None:
        """Write whom to believe from now on."""
        self.folder.mkdir(parents=True, exist_ok=True)
        store.save(self.folder / "trust.json")

    def list(self) -> Several:
        """What is installed, in the order of names."""
        return [self._installed(record) for record in self._store.records().values()]

    def in_order(self) -> Several:
        """What is installed, in the order in which it is to be loaded."""
        found = self._store.records()
        return [self._installed(found[offer.name]) for offer in load_order(map(_offer, found.values()))]

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
            offer = Offer.of(package.manifest)
            exact = Requirement(offer.name, (("==", offer.version),))
            packages, sources = self._from_catalogue([exact], listed, [package])
            sources[offer.name] = os.fspath(source)
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
            left = [_offer(one) for one in self._store.records(database).values() if one.name != name]
            if users := [str(one) for one in left if any(rule.name == name for rule in one.requires)]:
                raise Conflict([f"{user} requires {name}" for user in users])
            drop(database, name)
        with self._store.writing() as database:
            self._sweep(database)

    def _from_catalogue(
        self, wanted: Sequence[Requirement], listed: Sequence[Listing], given: Packages, newest: Sequence[str] = ()
    ) -> tuple[Packages, dict[str, str]]:
        """The packages to install so that what is wanted and what is there stand together; and where they are from."""
        there = {one.name: _offer(one) for one in self._store.records().values()}
        named = {rule.name for rule in wanted}
        asked = [*wanted, *(Requirement(name) for name in there if name not in named)]
        mine = [Offer.of(package.manifest) for package in given]
        taken = {offer.name for offer in mine}
        others = [one for one in listed if one.offer.name not in taken and _not_older(one.offer, there)]
        offers = {(one.name, one.version): one for one in [*(one.offer for one in others), *there.values(), *mine]}
        preferred = {name: one.version for name, one in there.items() if name not in newest}
        chosen = resolve(asked, offers.values(), preferred)
        fresh = [
            one for one in others if chosen.get(one.offer.name) == one.offer and there.get(one.offer.name) != one.offer
        ]
        return [*given, *(one.read() for one in fresh)], {one.offer.name: one.place for one in fresh}

    def _commit(self, packages: Packages, trust: Trust, sources: dict[str, str]) -> Several:
        """Judge packages, see that all stand together, and write them, all or none."""
        if not packages:
            return []
        self.folder.mkdir(parents=True, exist_ok=True)
        with self._store.writing() as database:
            self._sweep(database)
            there = self._store.records(database)
            fresh = [package for package in packages if _is_new(package, there)]
            believed, states = admitted(fresh, self.trusted, trust)
            _stand_together(fresh, there)
            written: list[Path] = []
            try:
                records = [self._write(one, state, sources, written) for one, state in zip(fresh, states, strict=True)]
                for record in records:
                    put(database, record)
                if believed != self.trusted:
                    self.believe(believed)
            except BaseException:
                for folder in written:
                    shutil.rmtree(folder, ignore_errors=True)
                raise
        with self._store.writing() as database:
            self._sweep(database)
        return [self._installed(record) for record in records]

    def _write(self, package: Package, state: str, sources: dict[str, str], written: Paths) -> Record:
        manifest, digest = package.manifest, package.digest
        place = self._experts / f"{manifest.name}-{manifest.version}-{digest[:16]}"
        self._experts.mkdir(exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=".new-", dir=self._experts))
        written.append(staged)
        package.extract(staged)
        staged.chmod(0o755)
        staged.rename(place)
        written[-1] = place
        _flush(self._experts)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        told = (state, sources.get(manifest.name, ""), now)
        return Record(manifest.name, place.name, digest, package.digests, manifest, *told)

    def _sweep(self, database: sqlite3.Connection) -> None:
        """Remove folders that no row speaks of: what an installation that was stopped left, and what is replaced."""
        kept = {record.folder for record in self._store.records(database).values()}
        for place in self._experts.iterdir() if self._experts.is_dir() else ():
            if place.name not in kept:
                shutil.rmtree(place, ignore_errors=True)

    def _record(self, name: str) -> Record:
        found = self._store.records()
        if name not in found:
            raise InputError(f"No expert {name!r} is installed; there are {', '.join(found) or 'none'}.")
        return found[name]

    def _installed(self, record: Record) -> Installed:
        facts = (self._experts / record.folder, record.digest, record.manifest, record.state)
        return Installed(record.name, record.manifest.version, *facts, record.source, record.installed)

    @property
    def _experts(self) -> Path:
        return self.folder / "experts"

    def __repr__(self) -> str:
        return f"Registry({str(self.folder)!r}, {len(self._store.records())} experts)"


def _is_requirement(source: str | os.PathLike[str]) -> bool:
    text = os.fspath(source)
    plain = not is_address(text) and not Path(text).exists()
    return plain and NAME.fullmatch(text.partition("@")[0].strip()) is not None


def _offer(record: Record) -> Offer:
    return Offer.of(record.manifest)


def _not_older(offer: Offer, there: dict[str, Offer]) -> bool:
    return offer.name not in there or offer.version > there[offer.name].version


def _is_new(package: Package, there: dict[str, Record]) -> bool:
    """Whether a package is not installed yet.  InputError if it is older than what is, or another of its version."""
    record = there.get(package.manifest.name)
    if record is None or package.manifest.version > record.manifest.version:
        return True
    if record.digest == package.digest:
        return False
    what = "another package of this version" if package.manifest.version == record.manifest.version else "newer"
    raise InputError(
        f"{record.name} {package.manifest.version} was not installed: {record.manifest.version} is there, {what}. "
        f"Uninstall it first, if that is what you want."
    )


def _stand_together(packages: Iterable[Package], there: dict[str, Record]) -> None:
    """Conflict if packages cannot stand beside one another and what is installed."""
    offers = {name: _offer(record) for name, record in there.items()}
    offers |= {package.manifest.name: Offer.of(package.manifest) for package in packages}
    load_order(resolve(map(Requirement, offers), offers.values()).values())


def _flush(folder: Path) -> None:
    """Have the disk keep the names in a folder, on systems where that has to be asked for."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    return sorted(name for name in {*before, *now} if before.get(name) != now.get(name))
