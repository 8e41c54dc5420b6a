r"""Texts of the command line: UTF-8 files, and `-` for standard input, as a stream of documents.

    paragraphs   the lines between blank lines, joined by line breaks; what is asked for if nothing is said
    lines        every line that is not blank
    files        the whole of a file

Files are checked by name when `Texts` is made and read anew each time they are walked, line by line; standard input and
other pipes are kept, since they can be read once only.  Line ends of any system become "\n", and a byte-order mark is
dropped.  Nothing is guessed or repaired: a file that is empty, binary or in another encoding is an InputError with its
name and line.
"""

import io
import sys
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from enum import StrEnum
from itertools import groupby
from pathlib import Path
from typing import IO

import numpy as np

from polyloom.cli.catalogues import entries
from polyloom.cli.output import Advance, note
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.tokens.vocabulary import Vocabulary

STDIN = Path("-")
ALIKE = 0.8  # of two names: what makes one look like a slip for the other, the same suffix not being enough


class Cut(StrEnum):
    """Where a text is cut into documents."""

    PARAGRAPHS = "paragraphs"
    LINES = "lines"
    FILES = "files"


class Texts:
    """The documents of files, which may be walked several times."""

    def __init__(self, names: Sequence[Path], cut: Cut = Cut.PARAGRAPHS) -> None:
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(f"{twice} is named twice; each text is read once.")
        self.cut = cut
        self.names = tuple(name if name == STDIN else readable(name) for name in names)
        self._pipes = {name: _piped(name) for name in self.names if not name.is_file()}

    @property
    def size(self) -> int:
        """How many bytes there are to read, as far as that is known."""
        return sum(len(self._pipes[name]) if name in self._pipes else name.stat().st_size for name in self.names)

    def documents(self, advance: Advance = lambda _: None) -> Iterator[str]:
        """The documents in order, none of them blank; `advance` is told how many bytes were read."""
        for name in self.names:
            yield from self.documents_of(name, advance)

    def documents_of(self, name: Path, advance: Advance = lambda _: None) -> Iterator[str]:
        """The documents of one of the files; InputError if it holds none."""
        found = 0
        with io.BytesIO(self._pipes[name]) if name in self._pipes else name.open("rb") as file:
            for document in _cut(_lines(called(name), file, advance), self.cut):
                found += 1
                yield document
        if not found:
            raise InputError(f"{called(name)} holds no text. Write some into it, or leave it out.")


def called(name: Path) -> str:
    """A file as messages speak of it."""
    return "standard input" if name == STDIN else str(name)


def readable(path: Path) -> Path:
    """A path that names a file; else an error that says what it is, or what it may have been meant to be."""
    if path.is_dir():
        raise InputError(f"{path} is a folder. Name the files in it.")
    if not path.exists():
        raise InputError(f"There is no file {path}.{_meant(path)}")
    return path


def standard_input() -> bytes:
    """All of standard input, as bytes."""
    if sys.stdin is None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
        return b""
    if sys.stdin.isatty():
        note("reading from the keyboard; Ctrl-D on an empty line ends the text.")
    return sys.stdin.buffer.read()


def decoded(where: str, raw: bytes) -> str:
    """Text of UTF-8 bytes; InputError saying what they are if they are not."""
    if b"\0" in raw or raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        advice = "a model is read by polyloom predict or inspect; text in UTF-16 must be saved as UTF-8 first"
        raise InputError(f"{where}: expected UTF-8 text, got binary data ({advice}).")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        advice = "Save the file as UTF-8, or convert it: iconv -f latin1 -t utf-8"
        raise InputError(f"{where}: expected UTF-8 text, got the byte 0x{raw[error.start]:02x}. {advice}.") from None


def ended(documents: Iterator[str], vocabulary: Vocabulary) -> Iterator[Ids]:
    """The token ids of each document, with `</s>` at its end if the vocabulary has it: so a model learns to stop."""
    end = [] if vocabulary.sentence_end is None else [vocabulary.sentence_end]
    for document in documents:
        yield np.append(vocabulary.encode(document), end).astype(np.int64)


def _meant(path: Path) -> str:
    """What the path of no file may have been meant to be: one beside it, or a text of the catalogues."""
    beside = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    if near := get_close_matches(path.name, beside, n=1, cutoff=ALIKE):
        return f" Did you mean {path.with_name(near[0])}?"
    if str(path) in entries():
        return f" There is a text of that name: polyloom data show {path} --text | polyloom train - -o {path}.psam"
    return ""


def _piped(name: Path) -> bytes:
    return standard_input() if name == STDIN else name.read_bytes()


def _lines(where: str, file: IO[bytes], advance: Advance) -> Iterator[str]:
    for number, raw in enumerate(file, 1):
        advance(len(raw))
        text = decoded(f"{where}, line {number}", raw).rstrip("\r\n")
        yield from (text.removeprefix("\ufeff") if number == 1 else text).split("\r")  # as old Macs ended lines


def _cut(lines: Iterator[str], cut: Cut) -> Iterator[str]:
    if cut is Cut.LINES:
        yield from (line for line in lines if line.strip())
    elif cut is Cut.FILES:
        whole = "\n".join(lines).strip("\n")
        yield from [whole] * bool(whole.strip())
    else:
        for blank, block in groupby(lines, key=lambda line: not line.strip()):
            if not blank:
                yield "\n".join(block)
