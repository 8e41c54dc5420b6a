"""Routing by keyword: a member's score is its part of the keywords that stand in the text.

Words are found whole and whatever their case; a keyword may be a phrase.  Where none stands, it abstains.  Scripts that
put no space between words have no whole ones: there, a keyword is found only between other signs.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Self, cast, final

from polyloom.compose.routing.text import WINDOW, TextChooser, account_of
from polyloom.errors import InputError
from polyloom.explanation import Explanation
from polyloom.model import Arrays, Manifest

SHOWN = 5  # words that an account names


@final
class ByKeyword(TextChooser):
    """Let words call members: `Routed(ByKeyword({"sea": ["tide", "sail"], "law": ["party of the first part"]}), …)`.

    Raises InputError for a name without words, and for a word that is no text or holds nothing.
    """

    kind = "keyword"

    def __init__(self, keywords: Mapping[str, Iterable[str]], window: int | None = WINDOW) -> None:
        self.keywords = _checked(keywords)
        super().__init__(list(self.keywords), window)
        self._patterns = {name: _pattern(words) for name, words in self.keywords.items()}

    def weigh(self, text: str) -> dict[str, float]:
        """The part of each name in the keywords found."""
        return _parts({name: len(found) for name, found in self._found(text).items()})

    def account(self, text: str) -> Explanation:
        """Which keywords were found."""
        found = self._found(text)
        reasons = {name: _named(words) for name, words in found.items()}
        return account_of(text, _parts({name: len(words) for name, words in found.items()}), reasons)

    def state(self) -> tuple[Manifest, Arrays]:
        """The words and the window."""
        words = [[name, list(words)] for name, words in self.keywords.items()]
        return {"kind": self.kind, "keywords": words, "window": self.window}, {}

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays) -> Self:
        """As `state` gave it."""
        del arrays
        keywords: list[Any] = manifest["keywords"]
        return cls(dict(keywords), manifest["window"])

    def __repr__(self) -> str:
        return f"ByKeyword({', '.join(f'{name}: {len(words)}' for name, words in self.keywords.items())})"

    def _found(self, text: str) -> dict[str, list[str]]:
        folded = text.casefold()
        return {name: pattern.findall(folded) for name, pattern in self._patterns.items()}


def _pattern(words: Iterable[str]) -> re.Pattern[str]:
    """Longer ones first, so that a phrase is found before a word that begins it; any space is a space."""
    ordered = sorted({word.casefold() for word in words}, key=lambda word: (-len(word), word))
    either = "|".join(r"\s+".join(map(re.escape, word.split())) for word in ordered)
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)")


def _parts(hits: Mapping[str, int]) -> dict[str, float]:
    every = sum(hits.values())
    return {name: many / every if every else 0.0 for name, many in hits.items()}


def _named(words: list[str]) -> str:
    once = list(dict.fromkeys(words))
    more = f" and {len(once) - SHOWN} more" if len(once) > SHOWN else ""
    return f"{len(words)} found: {', '.join(once[:SHOWN])}{more}" if words else "none found"


def _checked(keywords: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(keywords, Mapping) or not keywords:
        raise InputError(f'Expected keywords by name, such as {{"sea": ["tide", "sail"]}}, got {keywords!r}.')
    found: dict[str, tuple[str, ...]] = {}
    for name, words in cast("Mapping[object, object]", keywords).items():
        given = tuple(cast("Iterable[object]", words)) if isinstance(words, Iterable) else ()
        usable = all(isinstance(word, str) and word.strip() for word in given)
        if not isinstance(name, str) or isinstance(words, str) or not given or not usable:
            raise InputError(f"Expected the keywords of {name!r} as a list of words, got {words!r}.")
        found[name] = cast("tuple[str, ...]", given)
    return found
