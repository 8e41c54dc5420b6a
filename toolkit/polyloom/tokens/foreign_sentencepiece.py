"""Foreign SentencePiece models: the `tokenizer.model` of Llama, Mistral and their kind.

They have the rules of whoever trained them: most put a space before every text, name the begin and the end of a text
`<s>` and `</s>`, and write what they do not know in bytes.  SentencePiece cuts the text, so the ids are those that the
model was trained on; `encode` puts no begin token before it.

    decode(encode(text)) == text  for models that neither remove spaces nor lack bytes, and texts without U+2581

SentencePiece never sees the file itself: it crashes on crafted ones (see `modelproto`).  Pieces and rules are read out
of it, checked, and written anew.  A model with a character map of its own (T5, XLM-R) cannot be checked so and is
refused; its `tokenizer.json` can be read.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError, VocabularyError
from polyloom.tokens.checks import stored, stored_name, stored_number
from polyloom.tokens.modelproto import (
    BYTE,
    CONTROL,
    NORMAL,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    Algorithm,
    Piece,
    Rules,
    read,
    read_rules,
    write,
)
from polyloom.tokens.rows import end_among, named
from polyloom.tokens.sentencepiece import SPACE, processor_of
from polyloom.tokens.vocabulary import Arrays, Vocabulary

LIMIT = 64 * 2**20  # bytes of a file
LONGEST = 256  # characters of a piece; SentencePiece crashes on very long ones
BYTES = {f"<0x{byte:02X}>": byte for byte in range(256)}


@final
class ForeignSentencePieceVocabulary(Vocabulary):
    """A vocabulary from the bytes of somebody else's `tokenizer.model`, which `model_bytes` gives back.

    `size` and `end` are those of `ForeignVocabulary`.  Raises VocabularyError if the bytes are no such model.
    """

    kind = "foreign-sentencepiece"

    def __init__(self, model_bytes: bytes, size: int | None = None, end: str | None = None) -> None:
        algorithm, listed, rules = _checked_model(model_bytes)
        self.model_bytes = model_bytes
        self.pieces = named([piece.text for piece in listed], size)
        self.end_name = end_among(self.pieces, end)
        self.unknown_name = next(piece.text for piece in listed if piece.type == UNKNOWN)
        # A control piece is never cut out of a text; a user-defined one would be.
        listed = tuple(replace(piece, type=CONTROL) if piece.text == self.end_name else piece for piece in listed)
        self._types = [piece.type for piece in listed]
        self._written = write(algorithm, listed, rules)
        self._processor = processor_of(self._written)

    @property
    def begin(self) -> int | None:
        """The id of `<s>` or `<bos>`, which models of this kind read before a text, or None; `encode` leaves it out."""
        return next((self.pieces.index(name) for name in ("<s>", "<bos>") if name in self.pieces), None)

    def __reduce__(self) -> tuple[type[Self], tuple[bytes, int, str | None]]:
        """Copies and other processes get the bytes and build the compiled part anew."""
        return type(self), (self.model_bytes, self.size, self.end_name)

    def _encode(self, text: str) -> list[int]:
        return self._processor.encode(text)

    def _decode(self, ids: list[int]) -> str:
        return self._processor.decode([id for id in ids if id < len(self._types)])

    def _surface(self, id: int) -> str:
        piece = self.pieces[id]
        if id >= len(self._types) or self._types[id] in (CONTROL, UNKNOWN, UNUSED):
            return piece
        if self._types[id] == BYTE:
            return chr(BYTES[piece]) if BYTES[piece] < 128 else piece
        return piece.replace(SPACE, " ")

    def _model_bytes(self) -> bytes:
        return (self.end_name or "").encode() + b"\0" + self._written

    def _arrays(self) -> Arrays:
        """`model`: uint8, the file; `size`: int64[1]; `end`: uint8, the name of the end in UTF-8, empty for none."""
        return {
            "model": np.frombuffer(self.model_bytes, dtype=np.uint8),
            "size": np.array([self.size]),
            "end": np.frombuffer((self.end_name or "").encode(), dtype=np.uint8),
        }

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        model, size, end = stored(arrays, "model", np.uint8), stored_number(arrays, "size"), stored_name(arrays, "end")
        return cls(model.tobytes(), size, end)


def _checked_model(model_bytes: object) -> tuple[Algorithm, tuple[Piece, ...], Rules]:
    """Algorithm, pieces and rules of bytes of unknown origin; VocabularyError unless SentencePiece may see them."""
    if not isinstance(model_bytes, bytes):
        raise InputError(f"Expected the bytes of a SentencePiece model, got {type(model_bytes).__name__}.")
    if len(model_bytes) > LIMIT:
        raise VocabularyError(f"A tokenizer.model may take {LIMIT:,} bytes, this one takes {len(model_bytes):,}.")
    try:
        (algorithm, pieces), rules = read(model_bytes), read_rules(model_bytes)
    except ValueError as error:
        raise VocabularyError(f"These {len(model_bytes)} bytes are not a SentencePiece model: {error}.") from error
    if rules.charmap or rules.suffix or not rules.escape_spaces:
        raise VocabularyError(
            "This SentencePiece model changes characters by a map of its own, or writes spaces in another way than "
            "U+2581 in front. Read the tokenizer.json of the same model instead."
        )
    _check_pieces(pieces, rules)
    return algorithm, pieces, rules


def _check_pieces(pieces: tuple[Piece, ...], rules: Rules) -> None:
    for id, piece in enumerate(pieces):
        if not _sound(piece):
            raise VocabularyError(f"Piece {id} of this model cannot be used: {str(piece)[:80]}.")
    if sum(piece.type == UNKNOWN for piece in pieces) != 1:
        raise VocabularyError("A SentencePiece model has exactly one piece for the unknown; this one has not.")
    written = {piece.text for piece in pieces if piece.type == BYTE}
    if written != (set(BYTES) if rules.byte_fallback else set[str]()):
        raise VocabularyError("This model has some pieces for bytes, and not all 256 of them.")


def _sound(piece: Piece) -> bool:
    plain = 0 < len(piece.text) <= LONGEST and "\0" not in piece.text
    known = piece.type in (NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE)
    return plain and known and math.isfinite(piece.score)
