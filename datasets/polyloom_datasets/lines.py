"""Read a file line by line as UTF-8, and know for every line where it stands.

The file streams: at most one line is in memory, and a line may hold at most `LONGEST` bytes, so a file without line
ends cannot fill the memory. A UTF-8 byte-order mark is skipped. Bytes that are not UTF-8, NUL bytes (a binary file)
and UTF-16 are refused at the first bad byte, with its offset from the start of the file.

It knows nothing of paragraphs, JSON or patterns.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import BinaryIO, NamedTuple

from polyloom_datasets.errors import DataError

# Bytes. The longest novels have about 4 MB, and a corpus without blank lines such as the Penn Treebank 5 MB.
LONGEST = 16 * 2**20


class Line(NamedTuple):
    """One line of a file, without its line end."""

    text: str
    number: int  # counted from 1
    byte: int  # offset of its first byte from the start of the file
    end: int  # offset of the byte after its line end


def lines(path: Path) -> Iterator[Line]:
    r"""Yield the lines of a file; `\n` and `\r\n` end a line.

    Args:
        path: a file that holds UTF-8 text, with or without a byte-order mark.

    Raises:
        DataError: the file cannot be opened, is not UTF-8, holds a NUL byte, or has a line over `LONGEST` bytes.

    """
    with _opened(path) as file:
        byte = _after_mark(file, path)
        for number in count(1):
            raw = file.readline(LONGEST + 1)
            if not raw:
                return
            end = byte + len(raw)
            yield Line(_decoded(raw, path, number, byte), number, byte, end)
            byte = end


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        got, advice = error.strerror or str(error), "Check the path and its permissions"
        raise DataError.at(path, expected="a file to read", got=got, advice=advice) from None


def _after_mark(file: BinaryIO, path: Path) -> int:
    """Move behind a UTF-8 byte-order mark and return the offset; the marks of UTF-16 and UTF-32 are refused."""
    head = file.read(4)
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or head == codecs.BOM_UTF32_BE:
        got = f"the byte-order mark of UTF-16 or UTF-32 ({head.hex(' ')})"
        raise DataError.at(path, byte=0, expected="UTF-8 text", got=got, advice="Save the file as UTF-8")
    return file.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)


def _decoded(raw: bytes, path: Path, number: int, byte: int) -> str:
    if len(raw) > LONGEST:
        raise too_long(path, number, byte, "a line end")
    try:
        text = raw.decode("utf-8")
        if "\0" not in text:
            return text.removesuffix("\n").removesuffix("\r")
        bad = len(raw)
    except UnicodeDecodeError as error:
        bad = error.start
    nul = raw.find(b"\0", 0, bad)
    bad = bad if nul < 0 else nul
    raise _not_text(raw[bad], path, number, byte + bad)


def _not_text(value: int, path: Path, number: int, byte: int) -> DataError:
    if value == 0:
        got, advice = "a NUL byte", "The file looks binary: leave it out, or save its text as UTF-8"
    else:
        got, advice = f"the byte 0x{value:02x}", "If it is text, save it as UTF-8; if it is binary, leave it out"
    return DataError.at(path, byte=byte, line=number, expected="UTF-8 text", got=got, advice=advice)


def too_long(path: Path, number: int, byte: int, missing: str) -> DataError:
    """The error for a line or a paragraph over `LONGEST` bytes that starts at `byte`."""
    return DataError.at(
        path,
        byte=byte,
        line=number,
        expected=f"{missing} within {LONGEST // 2**20} MiB",
        got="none",
        advice="Break it into documents: a blank line between them in .txt and .md, one object a line in .jsonl",
    )
