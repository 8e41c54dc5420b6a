"""A vocabulary: a fixed list of pieces, and the two maps between text and their ids.

    encode : str → int64[T],  0 ≤ id < size          decode : int64[T] → str

The contract, which all leaves keep:

- `pieces[i]` is the name of id `i`; names are unique, ids are positions, and neither ever changes.
- A special piece (`</s>`, `<unk>`) is *placed* by programs and never *read* out of text: whoever types `</s>` gets
  its characters.  `decode` drops `</s>`, because it separates sequences and is no part of any.  A leaf whose pieces
  come from elsewhere may have other names for the two (`end_name`, `unknown_name`).
- Two vocabularies are equal exactly when their digests are: SHA-256 over the kind, the pieces and, where the pieces
  alone do not settle how text is cut, the model's bytes.
- What enters is checked here, once; a leaf sees only valid Unicode text and ids in range.

A vocabulary knows nothing of models, documents or files.  `state` gives a file what it must hold, `from_state` restores
it; the kinds there are stand in one table, `polyloom.tokens.kinds`.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cached_property
from typing import Any, ClassVar, Self, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom.errors import VocabularyError
from polyloom.tokens.checks import one_row, unicode_text

SENTENCE_END = "</s>"
UNKNOWN = "<unk>"

Ids = NDArray[np.int64]  # (T,)
Manifest = dict[str, Any]  # JSON-able; always with "kind"
Arrays = dict[str, NDArray[Any]]


class Vocabulary(ABC):
    """A fixed list of pieces with `encode` and `decode`; a leaf adds `kind`, `pieces` and the abstract hooks."""

    kind: ClassVar[str]
    pieces: tuple[str, ...]
    end_name: str | None = SENTENCE_END
    unknown_name: str | None = UNKNOWN

    @final
    @property
    def size(self) -> int:
        """The number of pieces, special ones included."""
        return len(self.pieces)

    @final
    @cached_property
    def digest(self) -> str:
        """64 hexadecimal digits that stand for this vocabulary, the same in every process and on every machine."""
        # JSON keeps the borders between pieces, so ("ab", "c") and ("a", "bc") cannot meet.
        content = json.dumps([self.kind, self.pieces], ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(content.encode("ascii") + b"\0" + self._model_bytes()).hexdigest()

    @final
    @cached_property
    def sentence_end(self) -> int | None:
        """The id of `</s>`, which separates sequences inside a document, or None."""
        return None if self.end_name is None else self._ids.get(self.end_name)

    @final
    @cached_property
    def unknown(self) -> int | None:
        """The id of `<unk>`, which stands for what the vocabulary lacks, or None."""
        return None if self.unknown_name is None else self._ids.get(self.unknown_name)

    @final
    def encode(self, text: str) -> Ids:
        """The ids of `text`, int64 of shape (T,); never a special piece read out of the text.

        Raises InputError if `text` is not a str, VocabularyError if it holds a lone surrogate (no Unicode text does)
        or something that the vocabulary cannot express.
        """
        return np.asarray(self._encode(unicode_text(text)), dtype=np.int64)

    @final
    def decode(self, ids: ArrayLike) -> str:
        """The text of `ids`, integers of shape (T,); `</s>` is dropped.

        Raises InputError if they are not one row of integers, VocabularyError if one is out of range.
        """
        return self._decode(self._checked(ids).tolist())

    @final
    def id_of(self, piece: str) -> int:
        """The id of the piece with exactly this name, special ones included; VocabularyError if there is none."""
        found = self._ids.get(piece)
        if found is None:
            raise VocabularyError(f"{self!r} has no piece {piece!r}.{self._nearest(piece)}")
        return found

    @final
    def display(self, id: int) -> str:
        """A piece as people should see it: space `·`, line break `↵`, unprintable characters in hexadecimal."""
        (checked,) = self._checked([id]).tolist()
        return "".join(_visible(character) for character in self._surface(checked))

    @final
    def state(self) -> tuple[Manifest, Arrays]:
        """What a file must hold: a JSON-able manifest with "kind", "size" and "digest", and named arrays."""
        return {"kind": self.kind, "size": self.size, "digest": self.digest}, self._arrays()

    @final
    @classmethod
    def from_state(cls, manifest: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The vocabulary that `state` described, of whatever kind; called on a leaf, it must be of that leaf's kind.

        Raises VocabularyError if the kind is unknown, an array is missing or damaged, or the digest does not agree.
        """
        from polyloom.tokens.kinds import kind_of  # the table names the leaves, and the leaves import this module

        restored = kind_of(manifest)._from_arrays(arrays)
        if restored.digest != manifest.get("digest"):
            raise VocabularyError(
                f"The vocabulary is damaged: its manifest says digest {manifest.get('digest')!r}, "
                f"its pieces give {restored.digest!r}. Fetch or save the file again."
            )
        if not isinstance(restored, cls):
            raise VocabularyError(f"Expected a {cls.__name__}, the file holds {restored!r}. Use Vocabulary.from_state.")
        return restored

    @final
    def __len__(self) -> int:
        return self.size

    @final
    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Vocabulary) and self.digest == other.digest)

    @final
    def __hash__(self) -> int:
        return hash(self.digest)

    @final
    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.digest[:8]}: {self.size} pieces>"

    @abstractmethod
    def _encode(self, text: str) -> ArrayLike:
        """The ids of valid Unicode text."""

    @abstractmethod
    def _decode(self, ids: list[int]) -> str:
        """The text of ids that are all in range."""

    @abstractmethod
    def _surface(self, id: int) -> str:
        """The characters a piece stands for; its name where it stands for none of its own."""

    @abstractmethod
    def _arrays(self) -> Arrays:
        """The arrays from which `_from_arrays` restores an equal vocabulary."""

    @classmethod
    @abstractmethod
    def _from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """Restore from arrays of unknown origin; VocabularyError if they cannot be used."""

    @abstractmethod
    def _model_bytes(self) -> bytes:
        """What settles the cutting of text beyond kind and pieces; empty if nothing does."""

    @cached_property
    def _ids(self) -> dict[str, int]:
        return {piece: id for id, piece in enumerate(self.pieces)}

    def _nearest(self, piece: str) -> str:
        near = get_close_matches(piece, self.pieces, n=3)
        return f" Nearest: {', '.join(map(repr, near))}." if near else ""

    def _checked(self, ids: ArrayLike) -> Ids:
        row = one_row(ids)
        wrong = np.flatnonzero((row < 0) | (row >= self.size))
        if wrong.size:
            at = int(wrong[0])
            raise VocabularyError(f"Id {row[at]} at position {at} is outside 0 … {self.size - 1} of {self!r}.")
        return row.astype(np.int64)


def _visible(character: str) -> str:
    if character == " ":
        return "·"
    if character == "\n":
        return "↵"
    return character if character.isprintable() else f"<0x{ord(character):02X}>"
