"""Cut a document into sentences by a rule simple enough to know by heart.

A sentence ends

1. after `.`, `!`, `?` or `…`, with the quotes and brackets that close behind it, if white space follows and the next
   character is not a lower-case letter (so `e.g. this` and `"Hush!" she said` stay whole), or
2. at a blank line, or at the end of the document.

White space inside a sentence, line breaks included, becomes one space. The rule knows no abbreviations: `Mr. Bell` is
cut after `Mr.`. Scripts without spaces between sentences come back whole. No word is ever lost or changed: the words
of the sentences, in order, are the words of the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BLANK_LINE = re.compile(r"\n\s*\n")
_END = re.compile(r"""[.!?…]["'”’»)\]]*(\s+)""")


def sentences(document: str) -> Iterator[str]:
    """Yield the sentences of one document, in order.

    Args:
        document: any text.

    Yields:
        Non-empty sentences without white space at their ends.

    """
    for paragraph in _BLANK_LINE.split(document):
        start = 0
        for end in _END.finditer(paragraph):
            if not paragraph[end.end() : end.end() + 1].islower():
                yield from _tidied(paragraph[start : end.start(1)])
                start = end.end()
        yield from _tidied(paragraph[start:])


def _tidied(sentence: str) -> Iterator[str]:
    if words := sentence.split():
        yield " ".join(words)
