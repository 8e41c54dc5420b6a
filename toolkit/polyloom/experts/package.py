"""A package: the files of one expert, whichever way they are kept.

    Package.read(path)          an archive (.expert, tar in gzip), a single file (.expert), or a folder
    package.save(path, form)    "archive", "mapped" or "compressed"

All three ways keep every file byte for byte.  Nothing in a package is run, and no pickle is ever opened: `check` names
those that lie in it.  A package is a value; `with_manifest` gives another that shares the files.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, TypeAlias

from polyloom.errors import FileError, InputError
from polyloom.experts.archive import GZIP, LIMITS, Files, Limits, check_names, pack, unpack
from polyloom.experts.manifest import FILE, InvalidExpert, Manifest, Problem, parse, problems
from polyloom.experts.names import is_pickle
from polyloom.experts.schema import ManifestOne
from polyloom.experts.single import read_single, write_single
from polyloom.files import replacing

Form: TypeAlias = Literal["archive", "mapped", "compressed"]
FORMS: tuple[Form, ...] = ("archive", "mapped", "compressed")
SIGNATURE = "signature.sig"  # of another house (`detached`), over the digests of the other files


@dataclass(frozen=True)
class Package:
    """Files by name, the manifest among them; `sealed` is False for an archive that has no seal over its bytes."""

    files: Mapping[str, memoryview]
    sealed: bool = True

    def __post_init__(self) -> None:
        check_names(self.files)
        if FILE not in self.files:
            raise FileError(f"The package holds no {FILE}; it has {', '.join(self.files) or 'no files'}.")

    @classmethod
    def read(cls, path: str | os.PathLike[str], check: bool = True, limits: Limits = LIMITS) -> "Package":
        """The package that a file or a folder holds; without `check`, a single file is mapped and not yet read.

        Raises FileError if it is damaged, beyond the limits or no package, OSError if it cannot be read.
        """
        place = Path(path)
        if place.is_dir():
            return cls._named(place, _folder(place, limits))
        with place.open("rb") as file:
            gzip = file.read(len(GZIP)) == GZIP
        if not gzip:
            return cls._named(place, read_single(place, check, limits))
        if place.stat().st_size > limits.size:
            raise FileError(f"{place} takes {place.stat().st_size:,} bytes; a package has at most {limits.size:,}.")
        try:
            files, sealed = unpack(place.read_bytes(), limits)
        except FileError as error:
            raise FileError(f"{place}: {error}") from None
        return cls._named(place, files, sealed)

    @classmethod
    def _named(cls, place: Path, files: Mapping[str, memoryview], sealed: bool = True) -> "Package":
        """The package of a place, which an error speaks of."""
        try:
            return cls(files, sealed)
        except FileError as error:
            raise FileError(f"{place}: {error}") from None

    @cached_property
    def manifest(self) -> Manifest:
        """The manifest.  InvalidExpert with every problem if it is not sound."""
        return Manifest.parse(bytes(self.files[FILE]))

    @cached_property
    def digests(self) -> dict[str, str]:
        """The SHA-256 of every file, by its name."""
        return {name: hashlib.sha256(content).hexdigest() for name, content in sorted(self.files.items())}

    @property
    def digest(self) -> str:
        """One digest over all files, whichever way they are kept."""
        return hashlib.sha256("".join(f"{name}\0{one}\n" for name, one in self.digests.items()).encode()).hexdigest()

    def with_manifest(self, manifest: Manifest) -> "Package":
        """The same files with another manifest."""
        return Package({**self.files, FILE: memoryview(manifest.bytes())})

    def save(self, path: str | os.PathLike[str], form: Form = "archive") -> Path:
        """Write the package as one file; what was at `path` stays if that fails."""
        if form not in FORMS:
            raise InputError(f"Expected a form of {', '.join(FORMS)}, got {form!r}.")
        place, files = Path(path), _ordered(self.files)
        if form == "archive":
            data = pack(files)
            with replacing(place) as file:
                file.write(data)
        else:
            write_single(place, files, form == "compressed")
        return place

    def extract(self, folder: Path) -> None:
        """Write the files into a folder that is there and empty."""
        for name, content in self.files.items():
            place = folder.joinpath(*name.split("/"))
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())

    @property
    def file_name(self) -> str:
        """What the file is called by custom: `name.v1.expert`, or `name-model.v2ver.expert`."""
        said = self.manifest.said
        if isinstance(said, ManifestOne):
            return f"{said.name}.v1.expert"
        model = "".join(
            one if one.isalnum() and one.isascii() else "-" for one in said.base_models[0].name.split("/")[-1]
        )
        return f"{said.name}-{model.strip('-').lower()[:64]}.v2{said.version}.expert"


def check(package: Package) -> list[Problem]:
    """Everything that is wrong with a package: the manifest, and what it says of the files."""
    try:
        document = parse(bytes(package.files[FILE]))
    except FileError as error:
        return [Problem(FILE, str(error).removeprefix(f"{FILE} "))]
    if found := problems(document):
        return found
    return [*_promised(package), *_differing(package)]


def notes(package: Package) -> list[str]:
    """What is not wrong, and good to know."""
    pickles = [name for name, content in package.files.items() if is_pickle(name, bytes(content[:2]))]
    return [f"{name} looks like a pickle, which could run code. Polyloom never opens it." for name in pickles]


def sound(package: Package, subject: str) -> Package:
    """The package itself, if nothing is wrong with it; otherwise InvalidExpert with every problem."""
    if found := check(package):
        raise InvalidExpert(subject, found)
    return package


def _promised(package: Package) -> Iterator[Problem]:
    """Files that the manifest speaks of, and that are not there."""
    said = package.manifest.said
    for number, prompt in enumerate(said.soft_prompts):
        if prompt.path is not None and prompt.path not in package.files:
            yield Problem(f"soft_prompts[{number}].path", f"there is no file {prompt.path!r} in the package")
    bases = [said] if isinstance(said, ManifestOne) else said.base_models
    listed = [adapter for base in bases for adapter in base.adapters]
    tensors = [name for name in package.files if name.endswith(".safetensors")]
    if listed and not tensors:
        yield Problem("adapters", f"{len(listed)} are described, and the package holds no .safetensors file")
    for adapter in listed:
        if adapter.sha256 and adapter.sha256.lower() not in package.digests.values():
            yield Problem(
                "adapters", f"no file has the digest {adapter.sha256.lower()[:12]}… of the {adapter.type} adapter"
            )


def _differing(package: Package) -> Iterator[Problem]:
    """Files that are not those the manifest has digests of."""
    stated = package.manifest.said.integrity.files
    for name, digest in stated.items():
        if name not in package.digests:
            yield Problem(f"integrity.files.{name}", "the file is missing")
        elif name != FILE and package.digests[name] != digest.lower():
            yield Problem(f"integrity.files.{name}", "the file was changed: its SHA-256 is another")
    if stated:
        for name in sorted(set(package.files) - set(stated) - {FILE, SIGNATURE}):
            yield Problem(f"integrity.files.{name}", "the file is there and has no digest")


def _ordered(files: Mapping[str, memoryview]) -> Files:
    """The manifest first, so that a reader finds it at once; then by name."""
    return {name: files[name] for name in sorted(files, key=lambda name: (name != FILE, name))}


def _folder(folder: Path, limits: Limits) -> Files:
    files: Files = {}
    total = 0
    for place in sorted(folder.rglob("*")):
        if place.is_symlink() or not (place.is_dir() or place.is_file()):
            raise FileError(f"{place} is a link or a device; a package holds plain files.")
        if place.is_file():
            total += place.stat().st_size
            if len(files) >= limits.files or total > limits.size:
                raise FileError(f"{folder} holds more than {limits.files:,} files or {limits.size:,} bytes.")
            files[place.relative_to(folder).as_posix()] = memoryview(place.read_bytes())
    return files
