"""The words by which turns are found again: of the text itself, whatever the vocabulary makes of it.

A name that a closed vocabulary only knows as `<unk>` is what one asks for most often, and bytes are found everywhere;
so the index reads the text.  Letters are compared without case and in their compatibility form (NFKC).  Scripts that
put no spaces between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) are cut into pairs of neighbouring
characters, which do as well as words in retrieval (Nie, Gao, Zhang and Zhou, "On the use of words and n-grams for
Chinese information retrieval", 2000).
"""

import re
import unicodedata
from collections.abc import Iterator

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
MARKS = "\u0300-\u036f\u0591-\u05bd\u064b-\u065f\u0900-\u0963\u0970-\u0dff"  # that belong to a letter beside them
WORD = re.compile(rf"([{UNSPACED}]+)|(?:(?![{UNSPACED}])[\w{MARKS}])+")


def terms(text: str) -> list[str]:
    """The terms of a text in their order, repeated as they repeat."""
    plain = text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return [term for match in WORD.finditer(plain) for term in _cut(match)]


def _cut(match: re.Match[str]) -> Iterator[str]:
    run = match[0]
    if match[1] is None or len(run) == 1:
        yield run
    else:
        yield from (run[at : at + 2] for at in range(len(run) - 1))
