"""The texts that association models are measured on: real ones, or real ones drawn anew where more is asked for.

`--shared DIR` names a folder of real text that polyloom does not carry: token files with published perplexities under
`anchors/ngram`, raw text under `data`.  Without it there is what every Python carries, the source of its library.

More text than there is cannot be had by repeating it: the second copy holds nothing new, and counting it would be too
easy.  `drawn` lays snippets of real text end to end, each from a place chosen by dice, of 6 tokens on average
(geometric).  Every joint makes new n-grams while words keep their frequencies, and 6 is where a model of 3M tokens
holds as many counts a token as one of as much real text: `bench_speed` measures both.
"""

import json
import re
import sysconfig
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from polyloom.documents import Ids
from polyloom.tokens.vocabulary import SENTENCE_END, UNKNOWN, Vocabulary
from polyloom.tokens.word import WordVocabulary

SETS = ("warandpeace", "tinyshakespeare", "wikitext2", "pydocs")
NO_SHARED = "needs real text: polyloom bench --shared DIR, a folder that holds {}"
RAW = (
    "text/warandpeace/warandpeace.txt",
    "text/tinyshakespeare/input.txt",
    "text/wikitext2/[tv]*.txt",
    "text/poetry_rhymedata/english_raw/*.txt",
    "domain/mmlu/test/*.csv",
)
WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")
DOCUMENT = 1000  # tokens
SNIPPET = 6  # tokens on average
NOVEL, JUDGED, HELD_OUT = 680_000, 250_000, 20_000  # tokens of a book; those that are judged; those that fit the gate
PROMPT, STEPS = 1000, 2000  # tokens that went before; steps of a running text that are timed


@dataclass(frozen=True)
class Anchor:
    """Token files with what well-known models reach on them; `</s>` ends each line."""

    name: str
    vocabulary: Vocabulary
    train: Ids
    valid: Ids
    test: Ids
    published: Mapping[str, Any]


@dataclass(frozen=True)
class Corpus:
    """Much text, or one book; `name` is what a row calls it."""

    name: str
    vocabulary: Vocabulary
    tokens: Ids


@dataclass(frozen=True)
class Split:
    """A book in three parts, in their order."""

    name: str
    vocabulary: Vocabulary
    learned: Ids
    held_out: Ids
    judged: Ids


def anchor(shared: Path | None, name: str) -> Anchor | None:
    """One of `SETS`; None if it is not there."""
    folder = None if shared is None else shared / "anchors" / "ngram"
    if folder is None or not (folder / name).is_dir():
        return None
    words = WordVocabulary((folder / name / "vocab.txt").read_text(encoding="utf-8").split())
    ids = {piece: at for at, piece in enumerate(words.pieces)}
    train, valid, test = (_lines(folder / name / f"{part}.txt", ids) for part in ("train", "valid", "test"))
    results = folder / "results.json"
    published: dict[str, Any] = json.loads(results.read_text(encoding="utf-8")) if results.is_file() else {}
    return Anchor(name, words, train, valid, test, published.get(name, {}))


def corpus(shared: Path | None) -> Corpus:
    """All the real text there is: that of the shared folder, or else Python's own library."""
    raw = [] if shared is None else [file for given in RAW for file in sorted((shared / "data").glob(given))]
    library = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    words = [WORD.findall(file.read_text(encoding="utf-8", errors="replace").lower()) for file in raw or library]
    counts = Counter(word for text in words for word in text)
    vocabulary = WordVocabulary([UNKNOWN, SENTENCE_END, *(word for word, n in counts.most_common() if n > 1)])
    ids = {piece: at for at, piece in enumerate(vocabulary.pieces)}
    tokens = np.array([ids.get(word, 0) for text in words for word in text], np.int64)
    return Corpus("books and exams" if raw else "Python's library", vocabulary, tokens)


def novel(shared: Path | None) -> Split:
    """War and Peace; or as much of Python's own library."""
    found = anchor(shared, "warandpeace")
    if found is None:
        book = corpus(None)
    else:
        book = Corpus("War and Peace", found.vocabulary, np.concatenate([found.train, found.valid, found.test]))
    tokens = book.tokens[:NOVEL]
    cuts = [len(tokens) - JUDGED - HELD_OUT, len(tokens) - JUDGED]
    return Split(book.name, book.vocabulary, *np.split(tokens, cuts))


def blocks(tokens: Ids) -> list[Ids]:
    """A text cut into documents."""
    return [tokens[start : start + DOCUMENT] for start in range(0, len(tokens), DOCUMENT)]


def drawn(tokens: Ids, size: int, seed: int = 0) -> Iterator[Ids]:
    """Documents of `size` tokens in all, one after the other: snippets of `tokens` laid end to end."""
    dice = np.random.default_rng(seed)
    for start in range(0, size, DOCUMENT):
        wanted = min(DOCUMENT, size - start)
        lengths = dice.geometric(1 / SNIPPET, wanted)
        shifts = dice.integers(0, len(tokens), wanted) - (np.cumsum(lengths) - lengths)
        yield tokens[(np.repeat(shifts, lengths)[:wanted] + np.arange(wanted)) % len(tokens)]


def _lines(file: Path, ids: Mapping[str, int]) -> Ids:
    """Tokens parted by spaces, `<unk>` written out; `</s>` is set where a line ends."""
    rows = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return np.array([ids[token] for row in rows for token in (*row.split(" "), SENTENCE_END)], np.int64)
