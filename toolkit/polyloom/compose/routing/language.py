"""Routing by language: a simple detector for a handful of languages, whose every reason can be read.

Each letter votes by its script.  A script of one language decides at once; Cyrillic and Arabic letters look for a few
that only one language has; Han characters are Japanese beside kana, and else Chinese.  Latin letters ask `languages`:
every common word, telling letter and frequent trigram found counts for all that have it, in equal parts.

    score of a language = Σ over scripts: part of the letters × part of the evidence that speaks for it

A sentence is mostly enough; names alone are not, and a language that is not in the tables looks like its neighbour.
"""

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any, Self, cast, final

from polyloom.compose.routing.languages import LANGUAGES, LATIN, LETTERS, MARKED, ONLY, SCRIPTS, TRIGRAMS, WORDS
from polyloom.compose.routing.text import WINDOW, TextChooser, account_of
from polyloom.errors import InputError
from polyloom.explanation import Explanation
from polyloom.model import Arrays, Manifest

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
PER_WORD, PER_LETTER, PER_TRIGRAM = 4.0, 2.0, 1.0  # how much each is evidence; found by trying on sentences of 8 words
SHOWN = 6  # signs that an account names


@final
class ByLanguage(TextChooser):
    """Let each member have its language: `Routed(ByLanguage({"goethe": "de", "cervantes": "es"}), members)`.

    Languages are codes of ISO 639-1.  Members of one language have equal scores.  It abstains where nothing speaks for
    any of these languages.  Raises InputError for a language that it does not know, listing those that it does.
    """

    kind = "language"

    def __init__(self, languages: Mapping[str, str], window: int | None = WINDOW) -> None:
        self.languages = _checked(languages)
        super().__init__(list(self.languages), window)

    def weigh(self, text: str) -> dict[str, float]:
        """The score of each member's language."""
        found = languages_of(text)
        return {name: found.get(language, 0.0) for name, language in self.languages.items()}

    def account(self, text: str) -> Explanation:
        """By which letters and words."""
        signs = _signs(text)
        reasons = {name: _told(language, signs, text) for name, language in self.languages.items()}
        return account_of(text, self.weigh(text), reasons)

    def state(self) -> tuple[Manifest, Arrays]:
        """The languages and the window."""
        return {"kind": self.kind, "languages": list(self.languages.items()), "window": self.window}, {}

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays) -> Self:
        """As `state` gave it."""
        del arrays
        languages: list[Any] = manifest["languages"]
        return cls(dict(languages), manifest["window"])

    def __repr__(self) -> str:
        return f"ByLanguage({', '.join(f'{name}: {language}' for name, language in self.languages.items())})"


def languages_of(text: str) -> dict[str, float]:
    """The score of each language found in a text, by code; they sum to at most 1, and to 0 where nothing is told."""
    letters = _letters(text)
    every, found = sum(letters.values()), dict[str, float]()
    for script, many in letters.items():
        for language, part in _evidence(script, letters, text).items():
            found[language] = found.get(language, 0.0) + part * many / every
    return found


def _evidence(script: str, letters: Mapping[str, int], text: str) -> dict[str, float]:
    """What part of the evidence of one script speaks for which language."""
    if script in ONLY:
        return {ONLY[script]: 1.0}
    if script in MARKED:
        special, marks, other = MARKED[script]
        return {special if any(mark in text.casefold() for mark in marks) else other: 1.0}
    if script == "Han":
        return {"ja" if letters.get("Kana") else "zh": 1.0}
    counted: dict[str, float] = {}
    for sign, many in _signs(text).items():
        for language, weight in _table()[sign].items():
            counted[language] = counted.get(language, 0.0) + many * weight
    every = sum(counted.values())
    return {language: weight / every for language, weight in counted.items()} if every else {}


def _signs(text: str) -> Counter[str]:
    """How often each word (`=word`), letter and trigram of the tables stands in a text."""
    table, found = _table(), Counter[str]()
    folded = text.casefold().replace("’", "'")
    for word in WORD.findall(folded):
        found[f"={word}"] += 1
        edged = f"_{word}_"
        found.update(edged[at : at + 3] for at in range(len(edged) - 2))
    found.update(folded)
    return Counter({sign: many for sign, many in found.items() if sign in table})


@cache
def _table() -> dict[str, dict[str, float]]:
    """For each sign, how much it says for which languages: in equal parts for all that have it."""
    having: dict[str, list[str]] = {}
    for language in LATIN:
        signs = [f"={word}" for word in WORDS[language].split()]
        for sign in {*signs, *TRIGRAMS[language].split(), *LETTERS.get(language, "")}:
            having.setdefault(sign, []).append(language)
    return {sign: dict.fromkeys(spoken, _weight(sign) / len(spoken)) for sign, spoken in having.items()}


def _weight(sign: str) -> float:
    return PER_WORD if sign.startswith("=") else PER_LETTER if len(sign) == 1 else PER_TRIGRAM


def _letters(text: str) -> Counter[str]:
    """How many letters there are of each script."""
    scripts = _scripts()
    return Counter(
        script for sign, many in Counter(text).items() if (script := scripts(ord(sign))) for _ in range(many)
    )


@cache
def _scripts() -> Any:
    spans = [(first, last, script) for script, ranges in SCRIPTS.items() for first, last in ranges]

    @cache
    def script(code: int) -> str | None:
        return next((name for first, last, name in spans if first <= code <= last and chr(code).isalpha()), None)

    return script


def _told(language: str, signs: Counter[str], text: str) -> str:
    """What speaks for a language, in words."""
    if language not in LATIN:
        return ", ".join(f"{many} letters {script}" for script, many in _letters(text).items() if script != "Latin")
    table = _table()
    spoken = {s: n * table[s][language] for s, n in signs.items() if language in table[s]}
    strongest = sorted(spoken, key=lambda sign: (-spoken[sign], sign))[:SHOWN]
    return ", ".join(sign.removeprefix("=") for sign in strongest)


def _checked(languages: object) -> dict[str, str]:
    if not isinstance(languages, Mapping) or not languages:
        raise InputError(f'Expected languages by name, such as {{"goethe": "de"}}, got {languages!r}.')
    given = cast("Mapping[object, object]", languages)
    for name, language in given.items():
        if not isinstance(name, str) or language not in LANGUAGES:
            raise InputError(f"Unknown language {language!r} for {name!r}; known are {', '.join(LANGUAGES)}.")
    return {str(name): str(language) for name, language in given.items()}
