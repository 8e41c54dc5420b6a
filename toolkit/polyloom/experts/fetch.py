"""Bytes of an address, when they are asked for by address: the one place of experts that uses the network.

What comes is held to a size, and compared with the SHA-256 that the caller was told; without one nothing is fetched
that is to be installed.  http and https alone, also after the server sends us elsewhere.
"""

import hashlib
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from polyloom.errors import FileError, InputError

SCHEMES = ("http://", "https://")
SIZE = 16 * 2**30
BLOCK = 2**20
TIMEOUT = 60.0  # seconds of silence


def is_address(text: str) -> bool:
    """Whether a text is an address, not a path."""
    return text.lower().startswith(SCHEMES)


def fetch(address: str, sha256: str | None, most: int = SIZE) -> bytes:
    """The bytes at an address.

    Raises FileError if they are more than `most` or not those of the digest, InputError for an address or digest that
    is none, OSError if they cannot be had.
    """
    if not is_address(address):
        raise InputError(f"Expected an address that begins with http:// or https://, got {address!r}.")
    if sha256 is not None and re.fullmatch("[0-9a-fA-F]{64}", sha256) is None:
        raise InputError(f"Expected a SHA-256, 64 hexadecimal digits, got {sha256!r}.")
    with _opened(address) as answer:
        data = b"".join(_blocks(answer, address, most))
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise FileError(f"{address} gave something else: its SHA-256 is {found}, expected {sha256.lower()}.")
    return data


def _opened(address: str) -> Any:
    try:
        answer = urllib.request.urlopen(urllib.request.Request(address), timeout=TIMEOUT)
    except urllib.error.URLError as error:
        raise OSError(f"{address} cannot be had: {error.reason}.") from error
    if not is_address(answer.geturl()):
        answer.close()
        raise FileError(f"{address} leads to {answer.geturl()!r}, which is no web address.")
    return answer


def _blocks(answer: Any, address: str, most: int) -> Iterator[bytes]:
    total = 0
    while block := answer.read(BLOCK):
        total += len(block)
        if total > most:
            raise FileError(f"{address} gave more than {most:,} bytes.")
        yield block
