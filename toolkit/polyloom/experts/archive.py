"""The archive of an expert: a tar file in gzip, as others write it and read it, sealed where this house wrote it.

Reading never writes.  The size, the number of files and how far the data swell are held to `Limits` before they take
memory; links, devices, sparse files and names that mean two things are refused; so are bytes behind the end.

The seal is a field that gzip leaves to its users (RFC 1952, "extra field", here "PL"): the SHA-256 of all that follows
it.  Compressed data can be changed so that they unpack to the same; the seal finds that too.
"""

import hashlib
import io
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from polyloom.errors import FileError
from polyloom.experts.names import clashes, wrong

Files = dict[str, memoryview]

GZIP = b"\x1f\x8b"
SEALED = GZIP + b"\x08\x04" + b"\0\0\0\0" + b"\0\xff" + b"\x24\0" + b"PL" + b"\x20\0"  # flags: an extra field, 36 bytes
DIGEST = 32
LEVEL = 6
BAD = "Fetch the package again."


@dataclass(frozen=True)
class Limits:
    """How much a package may hold: files, bytes in all, and bytes for each byte that is stored, beyond `free` bytes."""

    files: int = 10_000
    size: int = 16 * 2**30
    ratio: int = 100
    free: int = 64 * 2**20

    def most(self, stored: int) -> int:
        """The bytes that a package stored in so many bytes may hold."""
        return min(self.size, max(self.free, self.ratio * stored))


LIMITS = Limits()


def unpack(data: bytes | memoryview, limits: Limits = LIMITS) -> tuple[Files, bool]:
    """The files of an archive, and whether it is sealed.

    Raises FileError if it is damaged, beyond the limits, or holds what is no plain file with a plain name.
    """
    sealed = _is_sealed(data)
    plain = _inflate(data, limits.most(len(data)))
    files: Files = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(plain), mode="r:") as tar:
            for member in tar:
                _add(files, member, memoryview(plain), limits)
    except (tarfile.TarError, ValueError, EOFError, OverflowError, UnicodeError, IndexError, RecursionError) as error:
        raise FileError(f"The archive is damaged: {error}. {BAD}") from None
    return files, sealed


def pack(files: Mapping[str, memoryview]) -> bytes:
    """The archive of these files, sealed; the same files give the same bytes."""
    packer = zlib.compressobj(LEVEL, wbits=-zlib.MAX_WBITS)
    check, size, parts = 0, 0, list[bytes]()
    for block in _tar(files):
        check, size = zlib.crc32(block, check), size + len(block)
        parts.append(packer.compress(block))
    parts += [packer.flush(), check.to_bytes(4, "little"), (size % 2**32).to_bytes(4, "little")]
    body = b"".join(parts)
    return SEALED + hashlib.sha256(body).digest() + body


def check_names(files: Mapping[str, memoryview]) -> None:
    """FileError if a name is none that every system takes as the same one file below a folder."""
    for name in files:
        if fault := wrong(name):
            raise FileError(f"The package holds {name!r}: {fault}.")
    for one, other in clashes(files):
        raise FileError(f"The package holds both {one!r} and {other!r}, which cannot stand side by side everywhere.")


def _is_sealed(data: bytes | memoryview) -> bool:
    at = len(SEALED)
    if bytes(data[:at]) != SEALED:
        return False
    if hashlib.sha256(data[at + DIGEST :]).digest() != bytes(data[at : at + DIGEST]):
        raise FileError(f"The archive was changed after it was written: its seal is broken. {BAD}")
    return True


def _inflate(data: bytes | memoryview, most: int) -> bytes:
    reader = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        plain = reader.decompress(data, most + 1)
    except zlib.error as error:
        raise FileError(f"The archive is damaged: {error}. {BAD}") from None
    if len(plain) > most:
        raise FileError(f"The archive takes {len(data):,} bytes and unpacks to more than {most:,}: not a package.")
    if not reader.eof or reader.unused_data:
        what = "bytes follow its end" if reader.eof else "it is cut short"
        raise FileError(f"The archive is damaged: {what}. {BAD}")
    return plain


def _add(files: Files, member: tarfile.TarInfo, plain: memoryview, limits: Limits) -> None:
    if member.isdir():
        return
    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
        raise FileError(f"The archive holds {member.name!r}, which is a link or a device; expected plain files.")
    name = member.name.removeprefix("./")
    if name in files:
        raise FileError(f"The archive holds {name!r} twice.")
    if len(files) >= limits.files:
        raise FileError(f"The archive holds more than {limits.files:,} files.")
    start, stop = member.offset_data, member.offset_data + member.size
    if member.size < 0 or stop > len(plain):
        raise FileError(f"The archive is cut short in {name!r}. {BAD}")
    files[name] = plain[start:stop]


def _tar(files: Mapping[str, memoryview]) -> list[bytes | memoryview]:
    """The tar file, in pieces: no times, no owners."""
    blocks: list[bytes | memoryview] = []
    for name, content in files.items():
        member = tarfile.TarInfo(name)
        member.size = len(content)
        blocks += [member.tobuf(tarfile.PAX_FORMAT), content, bytes(-len(content) % tarfile.BLOCKSIZE)]
    return [*blocks, bytes(2 * tarfile.BLOCKSIZE)]
