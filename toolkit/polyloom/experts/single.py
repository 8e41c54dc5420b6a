"""The single file of an expert: the files of a package, end to end in the container of the house, mapped or compressed.

    manifest   {"kind": "expert", "files": {name: {"size": bytes, …}}}
    arrays     one for each file: its bytes, and zeros up to a multiple of 64

Mapped, a file costs nothing until it is read, and lies aligned.  Where it takes a sixteenth less, the numbers of a
safetensors file are kept with their last bytes narrow (`planes`): such a file is unpacked when it is first asked for,
several times faster than from an archive, and is then in memory.  That is so for float32 and bfloat16, of which gzip
finds the exponents alike, so that in place they would take more than an archive; all else is used where it lies.

Compressed, each file is a zstd frame, and the numbers of a safetensors file are in planes.

Both hold each file byte for byte, so an archive becomes a single file and an archive again without loss.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from polyloom._compat import need
from polyloom.errors import FileError
from polyloom.experts.archive import LIMITS, Limits
from polyloom.experts.planes import Bytes, joined, layout, narrowed, room, split, widened
from polyloom.files import ALIGNMENT, HEADER_LIMIT, header, read, write

KIND = "expert"
PREFIX = "files/"  # of the arrays' names: a file may be called what the container calls its own
LEVEL = 6
WORTH = 15 / 16  # of its size a file may take for being unpacked first
KEYS = ({"size"}, {"size", "stride", "skip", "odd"}, {"size", "stride", "skip", "stored"})  # mapped, narrow, compressed
Entry = dict[str, Any]


@final
class _Contents(Mapping[str, memoryview]):
    """Files by name, each opened when it is first asked for, and then kept."""

    def __init__(self, names: Mapping[str, object], opened: Callable[[str], memoryview]) -> None:
        self._names, self._opened = tuple(names), opened
        self._kept: dict[str, memoryview] = {}
        self._lock = Lock()

    def __getitem__(self, name: str) -> memoryview:
        if name not in self._names:
            raise KeyError(name)
        with self._lock:
            if name not in self._kept:
                self._kept[name] = self._opened(name)
            return self._kept[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def write_single(path: Path, files: Mapping[str, memoryview], compressed: bool = False) -> None:
    """Write files as one; what was at `path` stays if that fails."""
    entries: dict[str, Entry] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, content in files.items():
        entries[name], data = _compressed(content) if compressed else _mapped(content)
        arrays[PREFIX + name] = np.concatenate([data, np.zeros(-len(data) % ALIGNMENT, np.uint8)])
    write(path, {"kind": KIND, "files": entries}, arrays)


def read_single(path: Path, check: bool = True, limits: Limits = LIMITS) -> Mapping[str, memoryview]:
    """The files of a single file; with `check`, every byte of it is compared with its digest, and every file opened.

    Raises FileError if it is damaged, beyond the limits, or holds something else than an expert; without `check`, a
    file that cannot be opened raises it when it is asked for.
    """
    manifest, arrays = read(path)
    entries = _entries(path, manifest, arrays)
    if check:
        _compare(path, manifest, arrays)
    total = sum(entry["size"] for entry in entries.values())
    if len(entries) > limits.files or total > limits.most(path.stat().st_size):
        raise FileError(f"{path} claims {len(entries):,} files of {total:,} bytes in all: not a package.")
    contents = _Contents(entries, lambda name: _content(path, name, entries[name], arrays[PREFIX + name]))
    return dict(contents) if check else contents


def _mapped(content: memoryview) -> tuple[Entry, Bytes]:
    """What the manifest says of a file, and its bytes: as they are, or narrow."""
    data, (stride, skip) = np.frombuffer(content, np.uint8), layout(content)
    if stride > 1:
        narrow, odd = narrowed(data, stride, skip)
        if len(narrow) <= WORTH * len(data):
            return {"size": len(data), "stride": stride, "skip": skip, "odd": odd}, narrow
    return {"size": len(data)}, data


def _compressed(content: memoryview) -> tuple[Entry, Bytes]:
    zstd = need("zstandard", "experts", "Writing a compressed expert")
    stride, skip = layout(content)
    planes = split(np.frombuffer(content, np.uint8), stride, skip).tobytes()
    data = zstd.ZstdCompressor(level=LEVEL, write_content_size=True).compress(planes)
    entry = {"size": len(content), "stride": stride, "skip": skip, "stored": len(data)}
    return entry, np.frombuffer(data, np.uint8)


def _compare(path: Path, manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
    """Write the header once more, digests and all, and compare it with the one that is there."""
    expected = header(manifest, arrays)
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > HEADER_LIMIT or file.read(length) != expected:
            raise FileError(f"{path} was changed after it was written. Fetch the package again.")


def _entries(path: Path, manifest: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> dict[str, Entry]:
    given = manifest.get("files")
    if manifest.get("kind") != KIND or not isinstance(given, dict):
        raise FileError(f"{path} is a file of polyloom, and holds {manifest.get('kind')!r} instead of an expert.")
    entries = cast("dict[str, Entry]", given)
    if {PREFIX + name for name in entries} != set(arrays):
        raise FileError(f"{path} is damaged: its files and its arrays are not the same.")
    for name, entry in entries.items():
        if not _sound(entry, arrays[PREFIX + name]):
            raise FileError(f"{path} is damaged: its entry for {name!r} makes no sense.")
    return entries


def _sound(entry: object, array: NDArray[Any]) -> bool:
    if not isinstance(entry, dict) or array.dtype != np.uint8 or array.ndim != 1:
        return False
    numbers = cast("dict[str, object]", entry)
    if numbers.keys() not in KEYS or any(
        type(value) is not int or not 0 <= value < 2**62 for value in numbers.values()
    ):
        return False
    held = cast("Entry", entry)
    if not 1 <= held.get("stride", 1) <= 8 or held.get("skip", 0) > held["size"]:
        return False
    return 0 <= len(array) - _stored(held) < ALIGNMENT


def _stored(entry: Entry) -> int:
    """The bytes that a file takes, without the zeros behind it."""
    if "odd" in entry:
        return room(**entry)
    return entry.get("stored", entry["size"])


def _content(path: Path, name: str, entry: Entry, array: Bytes) -> memoryview:
    data = array[: _stored(entry)]
    try:
        if "odd" in entry:
            data = widened(data, **entry)
        elif "stored" in entry:
            data = joined(_inflated(data, entry["size"]), entry["stride"], entry["skip"])
    except FileError as error:
        raise FileError(f"{path} is damaged: {name!r} cannot be unpacked ({error}).") from None
    return data.data.toreadonly()


def _inflated(data: Bytes, size: int) -> Bytes:
    zstd = need("zstandard", "experts", "Reading a compressed expert")
    try:
        if zstd.frame_content_size(data.data) != size:
            raise FileError("another size than stated")
        return np.frombuffer(
            zstd.ZstdDecompressor().decompress(data.data, max_output_size=size, allow_extra_data=False), np.uint8
        )
    except zstd.ZstdError as error:
        raise FileError(str(error)) from None
