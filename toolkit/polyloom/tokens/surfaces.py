"""What a piece of a foreign tokenizer looks like in a text, read off the way in which its decoder puts pieces together.

    ByteLevel      every byte stands as a character: `Ġsea` is " sea"; bytes that are half a character stay `<0xE6>`
    Metaspace      `▁sea` is " sea"; so it is with a Replace of `▁`
    ByteFallback   `<0x0A>` is a line break
    BPEDecoder     `sea</w>` is "sea "

Decoders may be put in a row (Sequence).  Whatever else they do belongs to the text as a whole and not to one piece.
"""

from collections.abc import Iterator, Mapping
from typing import Any

PRINTABLE = (range(0x21, 0x7F), range(0xA1, 0xAD), range(0xAE, 0x100))  # bytes that ByteLevel writes as themselves
SPACE = "\u2581"


class Surfaces:
    """What the pieces of one tokenizer look like, by the description of its decoder."""

    def __init__(self, decoder: Mapping[str, Any]) -> None:
        steps = list(_steps(decoder))
        kinds = {step.get("type") for step in steps}
        self._bytes = _byte_of() if "ByteLevel" in kinds else None
        self._falls_back = "ByteFallback" in kinds
        self._spaces = {str(step.get("replacement")) for step in steps if step.get("type") == "Metaspace"}
        self._spaces |= {SPACE for step in steps if step.get("type") == "Replace" and _spaced(step)}
        self._suffixes = {str(step.get("suffix")) for step in steps if step.get("type") == "BPEDecoder"} - {""}

    def of(self, piece: str) -> str:
        """The characters for which a piece stands."""
        if self._bytes is not None and all(character in self._bytes for character in piece):
            return _readable(bytes([self._bytes[character] for character in piece]))
        if self._falls_back and (byte := _fallen_back(piece)) is not None:
            return chr(byte) if byte < 128 else piece
        for mark in self._spaces:
            piece = piece.replace(mark, " ")
        for suffix in self._suffixes:
            piece = piece.removesuffix(suffix) + " " * piece.endswith(suffix)
        return piece


def _steps(decoder: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield decoder
    for inner in decoder.get("decoders") or ():
        yield from _steps(inner)


def _spaced(step: Mapping[str, Any]) -> bool:
    return step.get("pattern") == {"String": SPACE} and step.get("content") == " "


def _byte_of() -> dict[str, int]:
    """The byte for which each character stands: printable ones for themselves, the others from U+0100 on, in order."""
    plain = [byte for part in PRINTABLE for byte in part]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + n): byte for n, byte in enumerate(others)}


def _fallen_back(piece: str) -> int | None:
    written = len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">")
    return int(piece[3:5], 16) if written and all(digit in "0123456789ABCDEF" for digit in piece[3:5]) else None


def _readable(content: bytes) -> str:
    """Bytes as text; each byte that is no part of a whole character is written out."""
    text = content.decode("utf-8", errors="surrogateescape")
    return "".join(f"<0x{ord(c) - 0xDC00:02X}>" if 0xDC80 <= ord(c) <= 0xDCFF else c for c in text)
