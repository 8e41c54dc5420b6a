"""The container that every Polyloom file shares: safetensors with a manifest.

    8 bytes   length of the header, little endian
    header    JSON: each array's dtype, shape and place, and under `__metadata__` the manifest and its digest
    data      the arrays, end to end

The manifest is JSON (at most 1 MB): what kind of thing this is, the version of the format, each array's SHA-256.  Its
own digest stands beside it, so opening finds a damaged header at once and maps the arrays unread; `verify` hashes
them all.  Digests detect damage, not malice.  Nothing is pickled and nothing in a file is run.

A manifest may refer to other files, wherever it holds {"kind": "reference", "path", "size", "sha256"}: a path below the
folder of the file itself, the size of that file, and the digest of its manifest, which covers every array.

Writing goes to a temporary file in the same folder, is flushed to the disk, and takes the name in one step: a crash, a
full disk or Ctrl-C leaves what was there.  Format: https://github.com/huggingface/safetensors, "Format".
"""

import contextlib
import hashlib
import json
import math
import os
import tempfile
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import FileError

VERSION = 1
MANIFEST_LIMIT = 2**20  # bytes
HEADER_LIMIT = 16 * 2**20  # bytes: the manifest and a line for each array
DEEPEST = 16  # composites inside composites
ALIGNMENT = 64  # bytes: the data start at a multiple, and so do arrays of 8-byte numbers after one another
DTYPES = {"F64": "<f8", "F32": "<f4", "I64": "<i8", "I32": "<i4", "U32": "<u4", "U16": "<u2", "U8": "|u1", "I8": "|i1"}
NAMES = {np.dtype(code): name for name, code in DTYPES.items()}
MANIFEST, DIGEST = "polyloom", "polyloom.sha256"

Manifest = dict[str, Any]
Arrays = dict[str, NDArray[Any]]


def write(path: str | os.PathLike[str], manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write a manifest and arrays as one file; returns its path.

    Raises FileError if an array has a type that the format lacks or the manifest is too large, OSError if the disk does
    not take it; what was at `path` stays then.
    """
    ordered = dict(sorted(arrays.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))  # so that all align
    raw = header(manifest, ordered)
    with replacing(Path(path)) as file:
        file.write(len(raw).to_bytes(8, "little") + raw)
        for array in ordered.values():
            file.write(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).data)
    return Path(path)


def read(path: str | os.PathLike[str]) -> tuple[Manifest, Arrays]:
    """The manifest and the arrays of a file, mapped read-only and not yet read.

    Raises FileError, saying what is wrong and what to do, if the file is damaged, cut short, foreign or of the future.
    """
    place = Path(path)
    found, start, size = _read_header(place)
    manifest = _manifest(place, found)
    table = {name: entry for name, entry in found.items() if name != "__metadata__"}
    if set(table) != set(manifest["sha256"]):
        raise FileError(f"{place}: the manifest and the table of arrays disagree. {AGAIN}")
    mapped = np.memmap(place, np.uint8, "r") if size else np.empty(0, np.uint8)
    return manifest, _arrays(place, table, mapped[start:])


def header(manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The header that `write` gives a file of these, byte for byte; the arrays are hashed, in the order given."""
    digests = {name: _sha256(array) for name, array in arrays.items()}
    text = json.dumps({**manifest, "version": VERSION, "sha256": digests}, ensure_ascii=True, allow_nan=False)
    if len(text) > MANIFEST_LIMIT:
        raise FileError(f"The manifest takes {len(text):,} bytes of at most {MANIFEST_LIMIT:,}.")
    metadata = {MANIFEST: text, DIGEST: hashlib.sha256(text.encode()).hexdigest()}
    table: dict[str, Any] = {"__metadata__": metadata}
    at = 0
    for name, array in arrays.items():
        if array.dtype.newbyteorder("<") not in NAMES:
            raise FileError(f"The array {name!r} has type {array.dtype}; a file can hold {', '.join(DTYPES.values())}.")
        dtype = NAMES[array.dtype.newbyteorder("<")]
        table[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    raw = json.dumps(table, ensure_ascii=True, separators=(",", ":")).encode()
    return raw + b" " * (-(8 + len(raw)) % ALIGNMENT)


def verify(path: str | os.PathLike[str]) -> None:
    """Read a whole file, and all that it refers to, and compare every array with its digest.

    Raises FileError naming the first that was changed, or that is missing, and for the folder of a transformer, whose
    layout has no digests.
    """
    if Path(path).is_dir():
        raise FileError(f"{path} is a folder, whose files carry no digests. Save the model in a mix instead.")
    _verify(Path(path), (), set())


def identity(path: Path) -> tuple[int, str]:
    """What a reference records of a file: its size, and the digest of its manifest."""
    found, _, size = _read_header(path)
    _manifest(path, found)
    return size, found["__metadata__"][DIGEST]


def referenced(path: Path, reference: Mapping[str, Any], above: tuple[Path, ...]) -> Path:
    """The file that `path` refers to, after the files `above` that led here; FileError if it cannot be trusted."""
    given, folder = reference.get("path"), path.parent.resolve()
    parts = PurePosixPath(given).parts if isinstance(given, str) and "\0" not in given else ()
    if not parts or ".." in parts or parts[0] == "/" or any(character in str(given) for character in "\\:"):
        raise FileError(f"{path} refers to {given!r}; expected a path below its own folder.")
    place = folder.joinpath(*parts)
    found = place.resolve()
    if not found.is_relative_to(folder):
        raise FileError(f"{path} refers to {given!r}, which leads out of its folder, to {found}. Copy that file there.")
    if found in (path.resolve(), *above):
        raise FileError(f"{path} refers to {given!r}, which refers back to it: no model can hold itself.")
    if len(above) >= DEEPEST:
        raise FileError(f"{path} refers to files deeper than {DEEPEST}.")
    if not found.is_file():
        raise FileError(f"{path} refers to {given!r}, which is missing. Copy it to {place}.")
    if found.stat().st_size != reference.get("size") or identity(found)[1] != reference.get("sha256"):
        raise FileError(f"{path} refers to {given!r}, which was changed since. {AGAIN}")
    return found


def folder_of(path: Path) -> Path:
    """The folder that `path` shall be written in; FileNotFoundError if there is none."""
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} to write {path.name} in. Make it first.")
    return path.parent


@contextlib.contextmanager
def replacing(path: Path) -> Generator[IO[bytes]]:
    """A binary file that takes the name `path` when the block ends well, and is gone when it does not.

    Raises FileError if something stands there that is neither file nor folder: a device or a pipe would be replaced.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise FileError(f"{path} is no ordinary file, and stays. Name another one.")
    handle, name = tempfile.mkstemp(dir=folder_of(path), prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


AGAIN = "Fetch or save the file again."


def _verify(path: Path, above: tuple[Path, ...], done: set[Path]) -> None:
    manifest, arrays = read(path)
    for name, array in arrays.items():
        if _sha256(array) != manifest["sha256"][name]:
            raise FileError(f"{path}: the array {name!r} was changed after it was saved. {AGAIN}")
    done.add(path.resolve())
    for reference in _references(manifest):
        place = referenced(path, reference, above)
        if place not in done:
            _verify(place, (*above, path.resolve()), done)


def _references(manifest: object) -> Iterator[Mapping[str, Any]]:
    """All references in a manifest, however deep in it."""
    held = [manifest]
    while held:
        at = held.pop()
        if isinstance(at, dict):
            table = cast("dict[str, Any]", at)
            if table.get("kind") == "reference":
                yield table
            held += table.values()
        elif isinstance(at, list):
            held += cast("list[object]", at)


def _sha256(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()


def _read_header(path: Path) -> tuple[dict[str, Any], int, int]:
    """The header, where the data start, and the size of the file."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > HEADER_LIMIT:
            raise FileError(f"{path} is no Polyloom file: it does not start with the length of a header.")
        if 8 + length > size:
            raise FileError(
                f"{path} is cut short: its header should take {length:,} bytes, the file has {size:,}. {AGAIN}"
            )
        raw = file.read(length)
    return _table(path, raw, "header"), 8 + length, size


def _table(path: Path, text: str | bytes, what: str) -> dict[str, Any]:
    """JSON that holds an object, and nothing that JSON does not know."""
    try:
        found = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{path} is no Polyloom file, or damaged: its {what} is not JSON ({error}).") from None
    if not isinstance(found, dict):
        raise FileError(f"{path} is no Polyloom file: its {what} is not a table.")
    return cast("dict[str, Any]", found)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a number that a header may hold")


def _manifest(path: Path, header: Mapping[str, Any]) -> Manifest:
    metadata = header.get("__metadata__")
    given = cast("dict[str, object]", metadata) if isinstance(metadata, dict) else {}
    text, digest = given.get(MANIFEST), given.get(DIGEST)
    if not isinstance(text, str):
        raise FileError(f"{path} is not a Polyloom file, though it may be safetensors: it carries no manifest.")
    if len(text) > MANIFEST_LIMIT or hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest() != digest:
        raise FileError(f"{path} is damaged: its manifest does not agree with its digest. {AGAIN}")
    manifest = _table(path, text, "manifest")
    if not isinstance(manifest.get("sha256"), dict):
        raise FileError(f"{path} is damaged: its manifest has no digests. {AGAIN}")
    version = manifest.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise FileError(
            f"{path} is of format version {version!r}; this Polyloom reads up to {VERSION}. Upgrade polyloom."
        )
    return manifest


def _arrays(path: Path, table: Mapping[str, Any], data: NDArray[np.uint8]) -> Arrays:
    """Views of the data, in the order in which they lie; every byte belongs to exactly one."""
    places = sorted((*_entry(path, name, entry), name) for name, entry in table.items())
    found: Arrays = {}
    at = 0
    for start, stop, dtype, shape, name in places:
        if start != at or stop > len(data) or stop - start != math.prod(shape) * dtype.itemsize:
            reason = "is cut short" if stop > len(data) else "is damaged: its arrays do not lie end to end"
            raise FileError(f"{path} {reason} (array {name!r}). {AGAIN}")
        found[name] = data[start:stop].view(dtype).reshape(shape)
        at = stop
    if at != len(data):
        raise FileError(f"{path} is damaged: {len(data) - at:,} bytes follow its last array. {AGAIN}")
    return found


def _entry(path: Path, name: str, entry: object) -> tuple[int, int, np.dtype[Any], tuple[int, ...]]:
    given = cast("dict[str, object]", entry) if isinstance(entry, dict) else {}
    code, shape, offsets = given.get("dtype"), _sizes(given.get("shape")), _sizes(given.get("data_offsets"))
    if not isinstance(code, str) or code not in DTYPES or shape is None or offsets is None or len(offsets) != 2:
        raise FileError(f"{path} is damaged: the table has no sound entry for the array {name!r}. {AGAIN}")
    return offsets[0], offsets[1], np.dtype(DTYPES[code]), shape


def _sizes(values: object) -> tuple[int, ...] | None:
    """A short row of sizes, or None if it is none."""
    given = cast("list[object]", values) if isinstance(values, list) else [None] * 9
    sizes = tuple(value for value in given if type(value) is int and 0 <= value < 2**62)
    return sizes if len(sizes) == len(given) <= 8 else None
