r"""A closed list of words: the vocabulary of a corpus whose word list was settled in advance.

Text is cut by one regular expression: a line break; a run of word characters, which apostrophes and hyphens may join
(`sea-captain's`); or a single other mark.  A token is then looked up exactly, case and all.

    text "The sea's cold."  →  The · sea's · cold · .  →  ids are positions in the list

- A line break is the token "\n" if the list holds "\n", else white space like any other.
- A word that is not listed becomes `<unk>` if the list holds it, else an error.
- The list may hold words that no text is cut into (`@-@`); ids from elsewhere may use them.
- A token cut from text is one mark, or word characters: whoever types `<unk>` or `</s>` gets marks and letters.

`decode` sets the words in type again by fixed rules (see `_typeset`): what comes back has the same tokens, not always
the same spaces.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Self, cast, final

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError, VocabularyError
from polyloom.tokens.checks import stored, training_texts, unicode_text
from polyloom.tokens.vocabulary import SENTENCE_END, UNKNOWN, Arrays, Vocabulary

TOKEN = re.compile(r"\n|\w+(?:['’-]\w+)*|[^\w\s]")
LINE_BREAK = "\n"

CLOSING = frozenset(",.;:!?)]}%'’”»…")  # no space before
OPENING = frozenset("([{‘“„«¿¡")  # no space after


@final
class WordVocabulary(Vocabulary):
    """The words given, in the order given: `WordVocabulary(["<unk>", "</s>", "the", "sea"])`.

    Raises VocabularyError naming the first word that is empty, repeated, not a str or not Unicode text.
    """

    kind = "words"

    def __init__(self, words: Iterable[str]) -> None:
        self.pieces = _checked_words(words)

    @classmethod
    def train(cls, texts: Iterable[str], min_count: int = 1) -> Self:
        """`<unk>`, `</s>`, then every token of `texts` seen at least `min_count` times.

        Frequent tokens come first, ties in the order of their code points, so the order of `texts` does not matter.
        The line break is counted like any other token.
        Raises InputError if `min_count` is below 1, VocabularyError if `texts` hold no token.
        """
        if min_count < 1:
            raise InputError(f"min_count must be at least 1, got {min_count}.")
        counts = Counter(token for text in training_texts(texts) for token in cls.split(text))
        if not counts:
            raise VocabularyError("The texts hold no words, so there is nothing to build a vocabulary from.")
        ordered = sorted(counts, key=lambda token: (-counts[token], token))
        return cls([UNKNOWN, SENTENCE_END, *(token for token in ordered if counts[token] >= min_count)])

    @staticmethod
    def split(text: str) -> list[str]:
        """The tokens of `text`, line breaks included, before any of them is looked up."""
        return TOKEN.findall(text)

    def unknown_words(self, text: str) -> list[str]:
        """The words of a text that are read as `<unk>`, each once; none if the vocabulary has no such piece."""
        if self.unknown is None:
            return []
        return [word for word in dict.fromkeys(self.split(text)) if (self.encode(word) == self.unknown).any()]

    def _encode(self, text: str) -> list[int]:
        tokens = self.split(text)
        if LINE_BREAK not in self._ids:
            tokens = [token for token in tokens if token != LINE_BREAK]
        if self.unknown is not None:
            unknown = self.unknown
            return [self._ids.get(token, unknown) for token in tokens]
        try:
            return [self._ids[token] for token in tokens]
        except KeyError:
            raise self._unlisted(text) from None

    def _unlisted(self, text: str) -> VocabularyError:
        """The error for the first token that the list lacks; searched again, so that `_encode` tracks no positions."""
        first = next(match for match in TOKEN.finditer(text) if match[0] not in self._ids and match[0] != LINE_BREAK)
        return VocabularyError(
            f"{first[0]!r} at character {first.start()} is not among the {self.size} words.{self._nearest(first[0])} "
            f"Add it, or add '<unk>' to stand for whatever is not listed."
        )

    def _decode(self, ids: list[int]) -> str:
        return _typeset(self.pieces[id] for id in ids if id != self.sentence_end)

    def _surface(self, id: int) -> str:
        return self.pieces[id]

    def _model_bytes(self) -> bytes:
        return b""

    def _arrays(self) -> Arrays:
        """`words`: uint8, all words in UTF-8, one after another; `word_ends`: int64[size], where each of them ends."""
        encoded = [word.encode("utf-8") for word in self.pieces]
        ends = np.cumsum([len(word) for word in encoded], dtype=np.int64)
        return {"words": np.frombuffer(b"".join(encoded), dtype=np.uint8), "word_ends": ends}

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        content, ends = stored(arrays, "words", np.uint8), stored(arrays, "word_ends", np.int64)
        ascending = len(ends) and ends[0] > 0 and bool((np.diff(ends) > 0).all()) and ends[-1] == len(content)
        first = (content & 0xC0) != 0x80  # of a character; all bytes are decoded at once, which is soon done
        if not ascending or not first[ends[:-1]].all():
            raise VocabularyError("The word list cannot be read: its ends do not part it into words.")
        try:
            text = content.tobytes().decode("utf-8")
        except ValueError as error:
            raise VocabularyError(f"The word list cannot be read: {error}") from error
        places: list[int] = np.cumsum(first)[ends - 1].tolist()
        words = tuple([text[start:end] for start, end in zip([0, *places[:-1]], places, strict=True)])
        if len(set(words)) < len(words):
            return cls(words)  # which says what stands twice
        found = cls.__new__(cls)  # they are text and not empty: a large vocabulary should open quickly
        found.pieces = words
        return found


def _checked_words(words: object) -> tuple[str, ...]:
    if isinstance(words, str):
        raise InputError("Expected a list of words, got one string. To list the words of a text: train([text]).")
    seen: dict[str, int] = {}
    for position, word in enumerate(cast("Iterable[object]", words)):
        if not isinstance(word, str) or not word:
            raise VocabularyError(f"Word {position} is {word!r}; each word must be a str that is not empty.")
        if word in seen:
            raise VocabularyError(f"Word {position}, {word!r}, is already word {seen[word]}; each may stand once.")
        seen[unicode_text(word, f"word {position}")] = position
    if not seen:
        raise VocabularyError("The list of words is empty.")
    return tuple(seen)


def _typeset(tokens: Iterable[str]) -> str:
    """Words as running text, left to right.

    One space between two tokens, except: none before a mark in CLOSING, none after one in OPENING, none on either side
    of a line break.  Straight double quotes open and close by turns, and each line starts outside them.
    """
    parts: list[str] = []
    glued, quoted = True, False  # glued: no space before the next token
    for token in tokens:
        closes = token in CLOSING or token == LINE_BREAK or (token == '"' and quoted)
        parts.append(token if glued or closes else " " + token)
        if token == '"':
            quoted = not quoted
        elif token == LINE_BREAK:
            quoted = False
        glued = token in OPENING or token == LINE_BREAK or (token == '"' and quoted)
    return "".join(parts)
