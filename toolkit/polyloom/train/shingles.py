r"""Shingles: a document as the set of all runs of w words in it, each run a 64-bit number (Broder 1997).

    words       of a str: runs of letters and digits, without case and in compatibility form (NFKC); where a script has
                no spaces between words, each character.  Of token ids: the ids.
    shingles    {hash(words t … t + w − 1)};  a document shorter than w words is one shingle
    windows     the same, in order and with repetitions, and none of a shorter document

    similarity(A, B) = |A ∩ B| / |A ∪ B|        of two sets of shingles: the Jaccard coefficient, 0 … 1

Numbers stand for runs of words: two different runs share one with a chance of 2^-64.  They are the same in every
process.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from polyloom.documents import Document
from polyloom.tokens.checks import one_row, unicode_text

Hashes = NDArray[np.uint64]  # (n,)

SPACELESS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana and ideographs
WORD = re.compile(rf"[{SPACELESS}]|[^\W{SPACELESS}]+")
ODD = np.uint64(0x9E3779B97F4A7C15)  # 2^64 over the golden ratio, as in SplitMix64 (Steele, Lea and Flood 2014)


@final
class Words:
    """Numbers for words; remembers those it has seen, since most words are common ones."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, document: Document) -> Hashes:
        """A number for each word of a document, uint64 (words,)."""
        if not isinstance(document, str):
            return mixed(one_row(document).astype(np.uint64))
        words, known = split(document), self._known
        for word in set(words).difference(known):
            known[word] = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little")
        return np.fromiter(map(known.__getitem__, words), np.uint64, len(words))


def split(text: str) -> list[str]:
    """The words of a text."""
    return WORD.findall(unicodedata.normalize("NFKC", unicode_text(text)).casefold())


def windows(words: Hashes, width: int) -> Hashes:
    """A number for each run of `width` words, uint64 (words − width + 1,), or (0,)."""
    count = max(0, len(words) - width + 1)
    found = np.full(count, width, np.uint64)
    for at in range(width if count else 0):
        found = mixed(found ^ words[at : at + count])
    return found


def shingles(words: Hashes, width: int) -> Hashes:
    """The set of shingles of a document, sorted, uint64 (shingles,); empty only for a document without words."""
    return shingle_sets([words], width)[0]


def shingle_sets(documents: Sequence[Hashes], width: int) -> list[Hashes]:
    """The sets of shingles of many documents: small arrays are dear one by one."""
    nothing = np.zeros(width, np.uint64)  # stands after the words of a short document; no word is 0
    sizes = [max(width, len(words)) if len(words) else 0 for words in documents]
    given = zip(documents, sizes, strict=True)
    filled = [part for words, size in given for part in (words, nothing[len(words) : size])]
    runs = windows(np.concatenate([*filled, nothing[:0]]), width)  # those across a border are not asked for
    starts = np.cumsum(sizes) - sizes
    found = [(runs[start : start + size - width + 1], size) for start, size in zip(starts, sizes, strict=True)]
    return [np.unique(run) if size else nothing[:0] for run, size in found]


def similarity(one: Hashes, other: Hashes) -> float:
    """The Jaccard coefficient of two sorted sets; 0 if both are empty."""
    shared = len(np.intersect1d(one, other, assume_unique=True))
    return shared / max(1, len(one) + len(other) - shared)


def fingerprint(document: Document) -> bytes:
    """16 bytes that two documents share if they are the same but for case, white space and compatibility forms."""
    if isinstance(document, str):
        content = " ".join(unicodedata.normalize("NFKC", unicode_text(document)).casefold().split()).encode()
    else:
        content = b"\0" + one_row(document).astype("<i8").tobytes()  # no text begins so
    return hashlib.blake2b(content, digest_size=16).digest()


def excerpt(document: Document, start: int = 0, words: int = 13) -> str:
    """Some words of a document, or ids, for people to read."""
    found: Sequence[object] = split(document) if isinstance(document, str) else document.tolist()
    return " ".join(map(str, found[start : start + words])) + (" …" if start + words < len(found) else "")


def mixed(numbers: Hashes) -> Hashes:
    """Each number mixed with itself until every bit depends on every other (SplitMix64's finish)."""
    numbers = numbers + ODD
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
