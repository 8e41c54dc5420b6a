"""Bytes: the vocabulary that needs no training and refuses no text.

Ids 0 … 255 are the bytes of UTF-8; id 256 is `</s>`.  A piece is named by its character where that is printable ASCII
(the space included), else `<0xNN>`.  Every Unicode text round-trips; ids that are not valid UTF-8 (a model may write
them) decode with U+FFFD in place of what cannot be read.
"""

from collections.abc import Mapping
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from polyloom.tokens.vocabulary import SENTENCE_END, Arrays, Vocabulary


@final
class ByteVocabulary(Vocabulary):
    """The 256 bytes and `</s>`."""

    kind = "bytes"

    def __init__(self) -> None:
        self.pieces = (*(_name(byte) for byte in range(256)), SENTENCE_END)

    def _encode(self, text: str) -> NDArray[np.uint8]:
        return np.frombuffer(text.encode("utf-8"), dtype=np.uint8)

    def _decode(self, ids: list[int]) -> str:
        return bytes(id for id in ids if id < 256).decode("utf-8", errors="replace")

    def _surface(self, id: int) -> str:
        return chr(id) if id < 128 else self.pieces[id]

    def _model_bytes(self) -> bytes:
        return b""

    def _arrays(self) -> Arrays:
        return {}

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:  # noqa: ARG003 - there is nothing to restore
        return cls()


def _name(byte: int) -> str:
    return chr(byte) if 0x20 <= byte < 0x7F else f"<0x{byte:02X}>"
