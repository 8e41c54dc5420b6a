"""Foreign tokenizers: the vocabulary of somebody else's model, as its `tokenizer.json` describes it.

The `tokenizers` library (`pip install "polyloom[torch]"`) cuts the text, so the ids are those that the model was
trained on.  What Polyloom promises for every vocabulary holds here too:

- one piece for each row of the model's embedding, `<unused 151670>` where the tokenizer has none (`size`);
- special tokens are placed by programs: `<|im_end|>` in a text is cut like any other characters.  Tokens that are added
  but not special (`<think>`) are read, as the file says;
- `encode` puts nothing before or after a text; `begin` is what the tokenizer's own template would put before it;
- `decode` drops special tokens and unused rows.

How text is normalised and whether it comes back unchanged is the tokenizer's own affair: byte-level ones give any text
back, others may lose its case, some spaces, or characters that they do not know.

Two are equal when their files are equal byte for byte, and size and end are.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError
from polyloom.tokens.checks import stored, stored_name, stored_number, unicode_text
from polyloom.tokens.rows import end_among, named
from polyloom.tokens.surfaces import Surfaces
from polyloom.tokens.tokenizer_file import (
    added_to,
    begin_of,
    blind,
    decoder_of,
    guarded,
    names_of,
    opened,
    unknown_of,
)
from polyloom.tokens.vocabulary import Arrays, Vocabulary

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@final
class ForeignVocabulary(Vocabulary):
    """The tokenizer of a `tokenizer.json`, given as its content, which `json` gives back.

    `size` is the number of rows of the model, at least as many as there are pieces; None for exactly those.  `end`
    names the piece that ends a sequence; None for the first usual name that is there (`</s>`, `<|endoftext|>`, …).
    Raises VocabularyError if the content is no tokenizer, or has no such end; MissingPackage without `tokenizers`.
    """

    kind = "foreign"

    def __init__(self, tokenizer_json: bytes | str, size: int | None = None, end: str | None = None) -> None:
        self.json = _content(tokenizer_json)
        self._tokenizer = opened(self.json)
        self.pieces = named(names_of(self._tokenizer), size)
        self.end_name = end_among(self.pieces, end)
        self.unknown_name = unknown_of(self._tokenizer, self.json)
        self._added = added_to(self._tokenizer)

    @cached_property
    def begin(self) -> int | None:
        """The id that the tokenizer's template puts before a text, or None; `encode` leaves it to the model."""
        return begin_of(self._tokenizer)

    def __reduce__(self) -> tuple[type[Self], tuple[bytes, int, str | None]]:
        """Copies and other processes get the file and build the compiled part anew."""
        return type(self), (self.json, self.size, self.end_name)

    def _encode(self, text: str) -> list[int]:
        ids = _cut(self._tokenizer, text)
        named_unknown = self.unknown_name is not None and self.unknown_name in text and self.unknown in ids
        return ids if self._placed.isdisjoint(ids) and not named_unknown else _cut(self._blind, text)

    @cached_property
    def _silent(self) -> frozenset[int]:
        """The ids that are no part of a text."""
        special = [id for id, is_special in self._added.items() if is_special]
        return frozenset(special if self.sentence_end is None else [*special, self.sentence_end])

    @cached_property
    def _placed(self) -> frozenset[int]:
        """The ids that no text may be cut into; what stands for the unknown may."""
        return self._silent - {self.unknown}

    @cached_property
    def _blind(self) -> "Tokenizer":
        """The same tokenizer for the rare text that it cuts into the name of a special piece."""
        hidden = {self.pieces[id] for id in self._placed}
        return blind(self.json, hidden if self.unknown_name is None else {*hidden, self.unknown_name})

    def _decode(self, ids: list[int]) -> str:
        silent = self._silent
        kept = [id for id in ids if id not in silent]
        return guarded("cannot decode these ids", lambda: self._tokenizer.decode(kept, skip_special_tokens=False))

    @cached_property
    def _surfaces(self) -> Surfaces:
        return Surfaces(decoder_of(self._tokenizer))

    def _surface(self, id: int) -> str:
        return self.pieces[id] if id in self._added else self._surfaces.of(self.pieces[id])

    def _model_bytes(self) -> bytes:
        return (self.end_name or "").encode() + b"\0" + self.json

    def _arrays(self) -> Arrays:
        """`json`: uint8, the file; `size`: int64[1]; `end`: uint8, the name of the end in UTF-8, empty for none."""
        return {
            "json": np.frombuffer(self.json, dtype=np.uint8),
            "size": np.array([self.size]),
            "end": np.frombuffer((self.end_name or "").encode(), dtype=np.uint8),
        }

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        content, size, end = stored(arrays, "json", np.uint8), stored_number(arrays, "size"), stored_name(arrays, "end")
        return cls(content.tobytes(), size, end)


def _content(given: object) -> bytes:
    if isinstance(given, str):
        return unicode_text(given, "the tokenizer.json").encode("utf-8")
    if not isinstance(given, bytes):
        raise InputError(f"Expected the content of a tokenizer.json, got {type(given).__name__}.")
    return given


def _cut(tokenizer: "Tokenizer", text: str) -> list[int]:
    # The batch function is twice as fast as the one for a single text: it leaves out the places in the text.
    (found,) = guarded("cannot cut this text", lambda: tokenizer.encode_batch_fast([text], add_special_tokens=False))
    return found.ids
