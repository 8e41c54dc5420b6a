"""The part of a SentencePiece model file that settles how text is cut, read and written without SentencePiece.

The file is a protocol buffer: a run of fields, each a key (number · 8 + wire type) and a value.

    model    1: piece (repeated)     2: trainer    3: normaliser    (4, 5: self tests and others, not needed)
    piece    1: text     2: score, float32     3: type
    trainer  3: algorithm    24: space as suffix    35: byte fallback    40 … 43: ids of <unk>, <s>, </s>, <pad>
    normaliser  2: character map    3: dummy prefix    4: remove extra spaces    5: space becomes U+2581

Two reasons to know this format.  Releases of SentencePiece crash on crafted files (a character map that leads out of
its memory, a very long piece: google/sentencepiece issues 1269 and 1263), so its C++ reader only ever sees bytes that
`write` composed from checked values.  And `write` leaves out all that does not matter (options of the training run),
so equal vocabularies have equal bytes.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Algorithm = Literal["unigram", "bpe"]
ALGORITHMS: dict[Algorithm, int] = {"unigram": 1, "bpe": 2}

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)  # types of piece; ours have neither 4 nor 5

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5  # wire types
VARINT_LIMIT = 10  # bytes; what 64 bits need

Field = tuple[int, int | bytes]  # its number; a varint as int, anything else as its bytes


@dataclass(frozen=True)
class Piece:
    """One piece: its text (space written as U+2581), its score as a float32, its type."""

    text: str
    score: float
    type: int = NORMAL


@dataclass(frozen=True)
class Rules:
    """What a model does to a text beside cutting it; the defaults are what our own models do.

    `charmap` and `suffix` are read only: `write` knows no model that has them.
    """

    byte_fallback: bool = True
    dummy_prefix: bool = False
    remove_extra_spaces: bool = False
    escape_spaces: bool = True
    suffix: bool = False
    charmap: bool = False


def read(content: bytes) -> tuple[Algorithm, tuple[Piece, ...]]:
    """Algorithm and pieces of a model file; a ValueError says what is wrong with it."""
    pieces: list[Piece] = []
    algorithm = ALGORITHMS["unigram"]  # what an absent field means in this format
    for number, value in _fields(content):
        if number == 1:
            pieces.append(_piece(_bytes(value)))
        elif number == 2:
            algorithm = next((code for at, code in _fields(_bytes(value)) if at == 3), algorithm)
    for name, code in ALGORITHMS.items():
        if code == algorithm:
            return name, tuple(pieces)
    raise ValueError("its algorithm is neither unigram nor BPE")


def read_rules(content: bytes) -> Rules:
    """The rules of a model file; a ValueError says what is wrong with it."""
    parts = {number: dict(_fields(_bytes(value))) for number, value in _fields(content) if number in (2, 3)}
    trainer, normaliser = parts.get(2, {}), parts.get(3, {})
    return Rules(
        byte_fallback=bool(trainer.get(35, 0)),
        dummy_prefix=bool(normaliser.get(3, 1)),  # absent fields of a normaliser mean yes in this format
        remove_extra_spaces=bool(normaliser.get(4, 1)),
        escape_spaces=bool(normaliser.get(5, 1)),
        suffix=bool(trainer.get(24, 0)),
        charmap=bool(normaliser.get(2, b"")),
    )


def write(algorithm: Algorithm, pieces: tuple[Piece, ...], rules: Rules = Rules()) -> bytes:
    """A model file with these pieces and rules; the defaults change nothing in a text but space to U+2581."""
    trainer = _number(3, ALGORITHMS[algorithm]) + _number(35, rules.byte_fallback)
    trainer += _ids(unknown=0, begin=-1, end=1, padding=-1)  # of the training; the types of the pieces are what counts
    normaliser = _number(3, rules.dummy_prefix) + _number(4, rules.remove_extra_spaces)
    normaliser += _number(5, rules.escape_spaces)
    listed = b"".join(_block(1, _piece_bytes(piece)) for piece in pieces)
    return listed + _block(2, trainer) + _block(3, normaliser)


def _piece_bytes(piece: Piece) -> bytes:
    score = _key(2, FIXED32) + struct.pack("<f", piece.score)
    return _block(1, piece.text.encode("utf-8")) + score + _number(3, piece.type)


def _ids(unknown: int, begin: int, end: int, padding: int) -> bytes:
    return b"".join(_number(40 + at, id) for at, id in enumerate((unknown, begin, end, padding)))


def _piece(content: bytes) -> Piece:
    text, score, type = b"", 0.0, NORMAL
    for number, value in _fields(content):
        if number == 1:
            text = _bytes(value)
        elif number == 2:
            (score,) = struct.unpack("<f", _bytes(value)) if len(_bytes(value)) == 4 else (float("nan"),)
        elif number == 3 and isinstance(value, int):
            type = value
    return Piece(text.decode("utf-8"), score, type)


def _fields(content: bytes) -> Iterator[Field]:
    """The fields of one message in order; ValueError where it is cut short or not this format."""
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        if key & 7 == VARINT:
            value, at = _varint(content, at)
            yield key >> 3, value
            continue
        if key & 7 == BYTES:
            length, at = _varint(content, at)
        elif key & 7 in (FIXED32, FIXED64):
            length = 4 if key & 7 == FIXED32 else 8
        else:
            raise ValueError(f"byte {at} starts no field")
        if at + length > len(content):
            raise ValueError(f"it ends inside a field, after {len(content)} bytes")
        yield key >> 3, content[at : at + length]
        at += length


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """The number that starts at `at`, seven bits a byte, lowest first; and where the next field starts."""
    value = 0
    for shift, byte in enumerate(content[at : at + VARINT_LIMIT]):
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, at + shift + 1
    raise ValueError(f"the number at byte {at} has no end")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number stands where text or a message is expected")
    return value


def _key(number: int, wire: int) -> bytes:
    return _varint_bytes(number << 3 | wire)


def _number(number: int, value: int) -> bytes:
    return _key(number, VARINT) + _varint_bytes(value & (1 << 64) - 1)  # a negative number as 64-bit complement


def _block(number: int, content: bytes) -> bytes:
    return _key(number, BYTES) + _varint_bytes(len(content)) + content


def _varint_bytes(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
