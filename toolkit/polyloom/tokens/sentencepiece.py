"""SentencePiece: pieces of words learnt from texts, with bytes for whatever the texts did not hold.

Two algorithms cut text: `unigram` (Kudo 2018) takes the most probable cut under a unigram model of pieces, `bpe`
(Sennrich, Haddow and Birch 2016) repeats the merges it learnt.  Every vocabulary has the same frame:

    id 0 `<unk>` · id 1 `</s>` · ids 2 … 257 the bytes `<0x00>` … `<0xFF>` · then the learnt, U+2581 for space

Any Unicode text round-trips, `decode(encode(text)) == text`: nothing is normalised, no space is added or removed, and
what is no piece is written in bytes.  Two consequences to know:

- U+2581 itself, which SentencePiece could not tell from a space, is cut out of the text first and written as its three
  bytes.  `decode` puts bytes and characters together by itself, so it comes back as it was.
- Control characters are never learnt: a line break is `<0x0A>`, a tab `<0x09>`, one piece each.

Texts may be decoded in parts: the parts add up wherever no border cuts through a character's bytes.  `<unk>` is in the
frame because SentencePiece wants one; `encode` never gives it.
"""

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError, VocabularyError
from polyloom.tokens.checks import stored, training_texts
from polyloom.tokens.modelproto import NORMAL, Algorithm, Piece, read, write
from polyloom.tokens.sentencepiece_training import AUTOMATIC_SIZE, FRAME, LONGEST_PIECE, NEVER_LEARNT, Size, learn
from polyloom.tokens.vocabulary import Arrays, Vocabulary

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

SPACE = "\u2581"  # the space in a piece's text
FIRST_BYTE = 2
SPACE_SIGN = [FIRST_BYTE + byte for byte in SPACE.encode("utf-8")]  # the ids of U+2581 in a text


@final
class SentencePieceVocabulary(Vocabulary):
    """A vocabulary from `SentencePieceVocabulary.train(texts)`, or from the `model_bytes` of an earlier one.

    `model` is its algorithm.  Raises VocabularyError if the bytes are no SentencePiece model, or one without the frame
    described above: a model from elsewhere has other rules for spaces and special pieces, and no round trip.
    """

    kind = "sentencepiece"

    def __init__(self, model_bytes: bytes) -> None:
        self.model, learnt = _checked_model(model_bytes)
        self.model_bytes = write(self.model, learnt)
        self.pieces = tuple(piece.text for piece in learnt)
        self._contents = _contents(self.pieces)
        self._processor = processor_of(self.model_bytes)

    @classmethod
    def train(cls, texts: Iterable[str], size: Size = AUTOMATIC_SIZE, model: Algorithm = "unigram") -> Self:
        """A vocabulary of exactly `size` pieces learnt from `texts`; the order of the texts does not matter.

        `size="auto"` takes 8000, or the largest size these texts allow if that is less, or the smallest if that is
        more.  The smallest is 258, the space, and one for each other distinct character.
        Raises VocabularyError naming the smallest or the largest size if `size` is outside, or if there is no text.
        """
        return cls(learn(training_texts(texts), size, model))

    def __reduce__(self) -> tuple[type[Self], tuple[bytes]]:
        """Copies and other processes get the bytes and build the compiled part anew."""
        return type(self), (self.model_bytes,)

    def _encode(self, text: str) -> list[int]:
        first, *others = (self._processor.encode(part) for part in text.split(SPACE))
        for part in others:
            first += SPACE_SIGN
            first += part
        return first

    def _decode(self, ids: list[int]) -> str:
        return b"".join([self._contents[id] for id in ids]).decode("utf-8", errors="replace")

    def _surface(self, id: int) -> str:
        content = self._contents[id]
        is_text = id >= len(FRAME) or (content and content < b"\x80")
        return content.decode("utf-8") if is_text else self.pieces[id]

    def _model_bytes(self) -> bytes:
        return self.model_bytes

    def _arrays(self) -> Arrays:
        """`model`: uint8, a SentencePiece model file."""
        return {"model": np.frombuffer(self.model_bytes, dtype=np.uint8)}

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        return cls(stored(arrays, "model", np.uint8).tobytes())


def _checked_model(model_bytes: object) -> tuple[Algorithm, tuple[Piece, ...]]:
    """Algorithm and pieces of bytes of unknown origin; VocabularyError unless they are what `train` could have made."""
    if not isinstance(model_bytes, bytes):
        raise InputError(f"Expected the bytes of a SentencePiece model, got {type(model_bytes).__name__}.")
    try:
        algorithm, pieces = read(model_bytes)
    except ValueError as error:
        raise VocabularyError(f"These {len(model_bytes)} bytes are not a SentencePiece model: {error}.") from error
    if pieces[: len(FRAME)] != FRAME:
        raise VocabularyError(
            f"This model does not begin with <unk>, </s> and the 256 bytes, as a round trip of any text needs. "
            f"Train one with {SentencePieceVocabulary.__name__}.train(texts). What belongs to another model is a "
            f"ForeignSentencePieceVocabulary."
        )
    names = {piece.text for piece in FRAME}
    for id, piece in enumerate(pieces[len(FRAME) :], start=len(FRAME)):
        if piece.text in names or not _learnable(piece):
            raise VocabularyError(f"Piece {id} of this model cannot have been learnt: {str(piece)[:80]}.")
        names.add(piece.text)
    if SPACE not in names:
        raise VocabularyError("This model has no piece for the space, so spaces would not come back.")
    return algorithm, pieces


def _learnable(piece: Piece) -> bool:
    plain = piece.text.replace(SPACE, "")
    fits = 0 < len(piece.text) <= LONGEST_PIECE and " " not in plain and not NEVER_LEARNT.search(plain)
    return fits and piece.type == NORMAL and math.isfinite(piece.score)


def _contents(pieces: tuple[str, ...]) -> tuple[bytes, ...]:
    """What each id adds to a text, in UTF-8: nothing for `</s>`, one byte for a byte, else characters."""
    learnt = (piece.replace(SPACE, " ").encode("utf-8") for piece in pieces[len(FRAME) :])
    return (pieces[0].encode("ascii"), b"", *(bytes([byte]) for byte in range(256)), *learnt)


def processor_of(model_bytes: bytes) -> "SentencePieceProcessor":
    """What cuts texts by a model file that `modelproto.write` composed; VocabularyError if it cannot be used."""
    from sentencepiece import SentencePieceProcessor  # a compiled library, loaded with the first such vocabulary

    try:
        return SentencePieceProcessor(model_proto=model_bytes)
    except RuntimeError as error:
        raise VocabularyError(f"SentencePiece cannot use this model: {error}") from error
