"""The single file of an expert: the files of a package, end to end in the container of the house, mapped or compressed.

    manifest   {"kind": "expert", "files": {name: {"size": bytes}}}
    arrays     one for each file: its bytes, and zeros up to a multiple of 64: tensors in it lie aligned

Mapped, a file costs nothing until it is read.  Compressed, each file is a zstd frame, and the numbers of a safetensors
file are laid in planes first, all first bytes, all second bytes: the exponents of floats resemble one another, the ends
of their fractions resemble nothing ("stride" says how many bytes a number has, "skip" where the numbers begin).

Both hold each file byte for byte, so an archive becomes a single file and an archive again without loss.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from polyloom._compat import need
from polyloom.errors import FileError
from polyloom.experts.archive import LIMITS, Files, Limits
from polyloom.files import ALIGNMENT, HEADER_LIMIT, header, read, write

KIND = "expert"
PREFIX = "files/"  # of the arrays' names: a file may be called what the container calls its own
LEVEL = 6
STRIDES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}
Entry = dict[str, Any]


def write_single(path: Path, files: Mapping[str, memoryview], compressed: bool = False) -> None:
    """Write files as one; what was at `path` stays if that fails."""
    entries: dict[str, Entry] = {}
    arrays: dict[str, NDArray[Any]] = {}
    for name, content in files.items():
        entries[name] = {"size": len(content)}
        data = np.frombuffer(content, np.uint8)
        if compressed:
            entries[name] |= {"stride": (layout := _layout(content))[0], "skip": layout[1]}
            data = np.frombuffer(_squeeze(data, *layout), np.uint8)
            entries[name]["stored"] = len(data)
        arrays[PREFIX + name] = np.concatenate([data, np.zeros(-len(data) % ALIGNMENT, np.uint8)])
    write(path, {"kind": KIND, "files": entries}, arrays)


def read_single(path: Path, check: bool = True, limits: Limits = LIMITS) -> Files:
    """The files of a single file; with `check`, every byte of it is compared with its digest.

    Raises FileError if it is damaged, beyond the limits, or holds something else than an expert.
    """
    manifest, arrays = read(path)
    entries = _entries(path, manifest, arrays)
    if check:
        _compare(path, manifest, arrays)
    total = sum(entry["size"] for entry in entries.values())
    if len(entries) > limits.files or total > limits.most(path.stat().st_size):
        raise FileError(f"{path} claims {len(entries):,} files of {total:,} bytes in all: not a package.")
    return {name: _content(path, name, entry, arrays[PREFIX + name]) for name, entry in entries.items()}


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
    if numbers.keys() not in ({"size"}, {"size", "stored", "stride", "skip"}):
        return False
    if any(type(value) is not int or not 0 <= value < 2**62 for value in numbers.values()):
        return False
    held = cast("Entry", entry)
    stored = held.get("stored", held["size"])
    return (
        0 <= len(array) - stored < ALIGNMENT and 1 <= held.get("stride", 1) <= 8 and held.get("skip", 0) <= held["size"]
    )


def _content(path: Path, name: str, entry: Entry, array: NDArray[Any]) -> memoryview:
    if "stored" not in entry:
        return array[: entry["size"]].data.toreadonly()
    zstd = need("zstandard", "experts", "Reading a compressed expert")
    data = array[: entry["stored"]].data
    try:
        if zstd.frame_content_size(data) != entry["size"]:
            raise FileError(f"{path} is damaged: {name!r} unpacks to another size than stated.")
        plain = zstd.ZstdDecompressor().decompress(data, max_output_size=entry["size"], allow_extra_data=False)
    except zstd.ZstdError as error:
        raise FileError(f"{path} is damaged: {name!r} cannot be unpacked ({error}).") from None
    return _joined(np.frombuffer(plain, np.uint8), entry["stride"], entry["skip"]).data.toreadonly()


def _squeeze(data: NDArray[np.uint8], stride: int, skip: int) -> bytes:
    zstd = need("zstandard", "experts", "Writing a compressed expert")
    return zstd.ZstdCompressor(level=LEVEL, write_content_size=True).compress(_split(data, stride, skip).tobytes())


def _split(data: NDArray[np.uint8], stride: int, skip: int) -> NDArray[np.uint8]:
    """The numbers from `skip` on in planes: byte 0 of each, then byte 1 of each; what is left over at the end."""
    whole = skip + (len(data) - skip) // stride * stride
    return np.concatenate([data[:skip], data[skip:whole].reshape(-1, stride).T.ravel(), data[whole:]])


def _joined(data: NDArray[np.uint8], stride: int, skip: int) -> NDArray[np.uint8]:
    whole = skip + (len(data) - skip) // stride * stride
    return np.concatenate([data[:skip], data[skip:whole].reshape(stride, -1).T.ravel(), data[whole:]])


def _layout(content: memoryview) -> tuple[int, int]:
    """How many bytes a number of a safetensors file has, and where the numbers begin; (1, 0) for any other file."""
    length = int.from_bytes(content[:8], "little")
    if not 2 <= length <= min(HEADER_LIMIT, len(content) - 8):
        return 1, 0
    try:
        table = json.loads(bytes(content[8 : 8 + length]))
        held = [(STRIDES.get(one["dtype"], 1), one["data_offsets"]) for key, one in table.items() if key[:2] != "__"]
        bytes_of = {stride: sum(b - a for each, (a, b) in held if each == stride) for stride, _ in held}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return 1, 0
    return max(bytes_of, key=lambda stride: bytes_of[stride], default=1), 8 + length
