"""Ed25519 keys (RFC 8032): 32 bytes each, a public one written in base64, a private one in a file of its owner alone.

    secret = new_key();  secret.save("me.key");  secret.public.text     # "zJ2…="

A private key lies as PKCS 8 in PEM, so that other software reads it; a public one is what others are told.
"""

import base64
import binascii
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyloom._compat import need
from polyloom.errors import FileError, InputError

SIZE = 32
PREFIX = "ed25519:"
PURPOSE = "Signing an expert"


@dataclass(frozen=True)
class PublicKey:
    """What a signature is compared with; `raw` is 32 bytes."""

    raw: bytes

    @classmethod
    def parse(cls, text: str) -> "PublicKey":
        """The key that base64 states; or, as some others write it, behind "ed25519:" and also in hexadecimal digits.

        InputError if it is not 32 bytes, written in one of these ways.
        """
        spelt = text.removeprefix(PREFIX)
        try:
            raw = binascii.unhexlify(spelt) if len(spelt) == 2 * SIZE else base64.b64decode(spelt, validate=True)
        except (binascii.Error, ValueError):
            raw = b""
        plain = base64.b64encode(raw).decode()
        if len(raw) != SIZE or text not in (plain, PREFIX + plain, PREFIX + raw.hex()):
            raise InputError(f"Expected a public key, 32 bytes in base64, got {text[:60]!r}.")
        return cls(raw)

    @property
    def text(self) -> str:
        """The key in base64."""
        return base64.b64encode(self.raw).decode()

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Whether the owner of this key signed the message."""
        module = _ed25519()
        try:
            module.Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (need("cryptography.exceptions", "experts", PURPOSE).InvalidSignature, ValueError):
            return False
        return True


@dataclass(frozen=True, repr=False)
class SecretKey:
    """What a signature is made with; `raw` is 32 bytes, and `repr` does not show them."""

    raw: bytes

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "SecretKey":
        """The key in a PEM file.  FileError if it holds none that can be used."""
        key: Any = None
        with contextlib.suppress(
            ValueError, TypeError, need("cryptography.exceptions", "experts", PURPOSE).UnsupportedAlgorithm
        ):
            key = _serialization().load_pem_private_key(Path(path).read_bytes(), password=None)
        if not isinstance(key, _ed25519().Ed25519PrivateKey):
            raise FileError(f"{path} holds no Ed25519 key without a password. Make one: polyloom expert keygen NEW.key")
        return cls(key.private_bytes_raw())

    @property
    def public(self) -> PublicKey:
        """The key that others are told."""
        return PublicKey(self._key.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of a signature."""
        return self._key.sign(message)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the key where nothing stands, for its owner alone.  FileExistsError if something does."""
        serial = _serialization()
        form = (serial.Encoding.PEM, serial.PrivateFormat.PKCS8, serial.NoEncryption())
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(self._key.private_bytes(*form))
        return Path(path)

    def __repr__(self) -> str:
        return f"SecretKey(public={self.public.text!r})"

    @property
    def _key(self) -> Any:
        return _ed25519().Ed25519PrivateKey.from_private_bytes(self.raw)


def new_key() -> SecretKey:
    """A new key, from the randomness of the system."""
    return SecretKey(_ed25519().Ed25519PrivateKey.generate().private_bytes_raw())


def _ed25519() -> Any:
    return need("cryptography.hazmat.primitives.asymmetric.ed25519", "experts", PURPOSE)


def _serialization() -> Any:
    return need("cryptography.hazmat.primitives.serialization", "experts", PURPOSE)
