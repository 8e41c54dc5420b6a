"""Signatures of another house, apart from the manifest: in `signature.sig`, or beside a package in a file `.sig`.

    message     name:sha256      a line for each file but the signature, sorted by name, the manifest among them
    signature   64 bytes, or the same in hexadecimal digits or base64; Ed25519, RFC 8032

It counts where the manifest holds none.  It names nobody, so it is tried with every key of the trust store.  A key that
the package states is tried too, but all that it can show is that the package is whole: it is believed by nobody.
"""

import base64
import binascii
import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from polyloom.errors import InputError
from polyloom.experts.keys import PublicKey
from polyloom.experts.package import SIGNATURE, Package

SUFFIX = ".sig"
SIZE = 64
LONGEST = 1024  # bytes of a file that states 64


def lines(package: Package) -> bytes:
    """What is signed."""
    digests = sorted(package.digests.items())
    return "\n".join(f"{name}:{digest}" for name, digest in digests if name != SIGNATURE).encode()


def signer(package: Package, keys: Iterable[PublicKey]) -> PublicKey | None:
    """The first of some keys whose owner made the signature that lies in a package; None if there is none."""
    said, signatures = lines(package), list(_spelt(bytes(package.files[SIGNATURE])))
    messages = (said, said + b"\n")  # a last line is ended by some and not by others
    return next(
        (key for key in keys for one in signatures if any(key.signed(message, one) for message in messages)), None
    )


def stated(package: Package) -> Iterator[PublicKey]:
    """The key that a package says is the one, if it states any."""
    with contextlib.suppress(InputError):
        yield PublicKey.parse(package.manifest.said.integrity.pubkey or "")


def with_beside(package: Package, path: Path) -> Package:
    """A sound package with the signature that lies beside its file, if one does and it has none."""
    signed = SIGNATURE in package.files or package.manifest.said.integrity.signature
    if signed or path.is_dir() or not (place := path.with_name(path.name + SUFFIX)).is_file():
        return package
    with place.open("rb") as file:
        content = file.read(LONGEST)
    return Package({**package.files, SIGNATURE: memoryview(content)}, package.sealed)


def _spelt(content: bytes) -> Iterator[bytes]:
    """The 64 bytes that a file may mean."""
    if len(content) == SIZE:
        yield content
    text = content[:LONGEST].strip().removeprefix(b"ed25519:").removeprefix(b"hex:")
    with contextlib.suppress(binascii.Error, ValueError):
        yield binascii.unhexlify(text)
    with contextlib.suppress(binascii.Error, ValueError):
        yield base64.b64decode(text, validate=True)
