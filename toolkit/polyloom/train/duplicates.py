"""Removing duplicates from a corpus: documents that are the same, and documents that are nearly the same.

    found = deduplicate(documents)
    found.documents        those kept, in their order
    found.dropped[0]       Dropped(index=7, of=2, similarity=0.93)

Two documents are duplicates if they are equal but for case and white space, or if the sets of their shingles have a
similarity (Jaccard) of at least `threshold`; see `shingles`.  Documents are read in order, and each is dropped that is
a duplicate of one that was kept: every document that is dropped names a kept one, and no two kept ones are duplicates.

Pairs are found by MinHash (see `minhash`) and each is verified on its shingles, so nothing is dropped by mistake; of
the pairs just at the threshold one in a thousand may be missed, of more similar ones fewer.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from polyloom.documents import Document, Documents, each
from polyloom.errors import InputError
from polyloom.progress import Meter
from polyloom.train.minhash import Index, Signature, signatures
from polyloom.train.shingles import Hashes, Words, fingerprint, shingle_sets, shingles, similarity
from polyloom.whole import whole

WIDTH = 5  # words in a shingle: shorter ones are shared by chance, longer ones break at every changed word
THRESHOLD = 0.8  # the usual one for web text (Lee et al. 2022, "Deduplicating Training Data")
TOGETHER = 256  # documents that are looked at in one go
RECENT = 4_096  # kept documents whose shingles are held; those of the others are made again when they are asked for


@dataclass(frozen=True)
class Dropped:
    """A document that was dropped, the kept one that it repeats, and how similar the two are."""

    index: int
    of: int
    similarity: float


@dataclass(frozen=True)
class Deduplicated:
    """The documents that were kept, where each stood, and what was dropped."""

    documents: tuple[Document, ...]
    kept: tuple[int, ...]
    dropped: tuple[Dropped, ...]

    def __str__(self) -> str:
        same = sum(drop.similarity == 1 for drop in self.dropped)
        return (
            f"{len(self.kept):,} of {len(self.kept) + len(self.dropped):,} documents kept; "
            f"dropped {same:,} that repeat one of them and {len(self.dropped) - same:,} that nearly do"
        )


@dataclass(frozen=True)
class Look:
    """What is compared of a document; `keys` are those of an index, none for a document without words."""

    document: Document
    fingerprint: bytes
    words: Hashes
    shingles: Hashes
    signature: Signature
    keys: list[int]


def deduplicate(
    documents: Documents, threshold: float = THRESHOLD, width: int = WIDTH, progress: bool | None = None
) -> Deduplicated:
    """The documents, str or rows of ids, without those that repeat an earlier one.

    `width` is the number of words in a shingle; `progress` None shows a line to whoever watches.  Raises InputError for
    a threshold that is not above 0 and at most 1.
    """
    index, words = Index(checked_threshold(threshold)), Words()
    kept: dict[int, Document] = {}
    dropped: list[Dropped] = []
    first: dict[bytes, tuple[int, float]] = {}  # by fingerprint: what the first of its kind repeats, maybe itself

    @lru_cache(RECENT)
    def shingled(number: int) -> Hashes:
        return shingles(words.of(kept[number]), width)

    with Meter("documents", progress) as meter:
        for number, look in enumerate(looks(documents, width, index, words)):
            meter.add(1)
            if look.fingerprint not in first:
                pairs = similar(look, index, threshold, shingled)
                first[look.fingerprint] = max(pairs, key=_how_similar, default=(number, 1.0))
            of, found = first[look.fingerprint]
            if of == number:
                kept[number] = look.document
                index.add(number, look.signature, look.keys)
            else:
                dropped.append(Dropped(number, of, found))
    return Deduplicated(tuple(kept.values()), tuple(kept), tuple(dropped))


def similar(look: Look, index: Index, threshold: float, shingled: Callable[[int], Hashes]) -> list[tuple[int, float]]:
    """The documents of an index that are as similar as the threshold, and how similar, in order.

    `shingled` gives the shingles of a document by its number.
    """
    near = index.near(look.signature, look.keys)
    pairs = [(number, similarity(look.shingles, shingled(number))) for number in near]
    return [(number, found) for number, found in pairs if found >= threshold]


def looks(documents: Documents, width: int, index: Index, words: Words) -> Iterator[Look]:
    """What an index wants to know of each document, in order; reads some documents ahead."""
    whole("width", width, 1)
    given = each(documents)
    while group := list(islice(given, TOGETHER)):
        texts = [words.of(document) for document in group]
        sets = shingle_sets(texts, width)
        signed = signatures(sets)
        keys = index.keys(signed)
        for at, document in enumerate(group):
            theirs = keys[at] if len(sets[at]) else []
            yield Look(document, fingerprint(document), texts[at], sets[at], signed[at], theirs)


def checked_threshold(threshold: float) -> float:
    """A similarity that a pair can reach and that not all pairs do; InputError otherwise."""
    if not 0 < threshold <= 1:
        raise InputError(f"threshold must be above 0 and at most 1, got {threshold!r}.")
    return threshold


def _how_similar(pair: tuple[int, float]) -> float:
    return pair[1]
