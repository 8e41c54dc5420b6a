"""Read your own text as a stream of documents.

===========  ===============================================================================================
.txt, .md    a document is a paragraph: the lines between blank lines, joined by a line break. Markdown is
             read as plain text, its marks kept. Only line ends are changed.
.jsonl       a document is the string in one field of the JSON object on each line; blank lines and blank
             strings hold no document.
===========  ===============================================================================================

UTF-8 only, with or without a byte-order mark. Memory stays constant: at most one document is held, and a document
may have at most `polyloom_datasets.lines.LONGEST` bytes. Names are checked when `read` is called, contents as they
stream. Nothing is guessed, skipped or repaired: the first fault raises, with its file and its byte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from io import StringIO
from itertools import groupby
from pathlib import Path
from typing import cast

from polyloom_datasets.errors import DataError
from polyloom_datasets.lines import LONGEST, Line, lines, too_long
from polyloom_datasets.sources import Source, find


def read(source: Source, field: str = "text") -> Iterator[str]:
    """Yield the documents of files, one at a time.

    Args:
        source: a file, a folder, a glob pattern such as `"poems/**/*.txt"`, or an iterable of these. A file named
            twice is read once.
        field: the field of each `.jsonl` line that holds the document; other formats ignore it.

    Returns:
        An iterator over documents, none of them blank. It may be walked once; `tuple(read(...))` keeps them.

    Raises:
        DataError: at once, if a name is missing, a pattern matches nothing or a suffix is unknown; while reading, if
            a file is empty, binary, not UTF-8, has a line or paragraph over 16 MiB, a line that is not a JSON object,
            or a field that is missing or no string. The message names the file and the byte.
        TypeError: the source is not a path.

    """
    return _stream(find(source, tuple(_FORMATS)), field)


def _stream(files: tuple[Path, ...], field: str) -> Iterator[str]:
    for path in files:
        document = None
        for document in _FORMATS[path.suffix.lower()](path, field):
            yield document
        if document is None:
            got = "only white space" if path.stat().st_size else "an empty file (0 bytes)"
            advice = "Write some text into it, or leave it out"
            raise DataError.at(path, byte=0, expected="at least one document", got=got, advice=advice)


def _paragraphs(path: Path, _field: str) -> Iterator[str]:
    for is_blank, block in groupby(lines(path), key=lambda line: not line.text.strip()):
        if not is_blank:
            yield _joined(block, path)


def _joined(block: Iterator[Line], path: Path) -> str:
    """The lines of a paragraph, joined by line breaks."""
    first = next(block)
    text = StringIO()  # a list of a million short lines would take fifty times their bytes
    text.write(first.text)
    for line in block:
        if line.end - first.byte > LONGEST:
            raise too_long(path, first.number, first.byte, "a blank line")
        text.write(f"\n{line.text}")
    return text.getvalue()


def _json_lines(path: Path, field: str) -> Iterator[str]:
    for line in lines(path):
        if line.text.strip():
            document = _string(_object(line, path), field, line, path)
            if document.strip():
                yield document


def _object(line: Line, path: Path) -> dict[str, object]:
    """The JSON object of a line."""
    byte, value, got = line.byte, None, ""
    try:
        value = json.loads(line.text)
    except json.JSONDecodeError as error:
        byte += len(line.text[: error.pos].encode())
        got = f"{_excerpt(line.text[error.pos :])} ({error.msg})"
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits, brackets nested too deeply
        got = str(error)
    if isinstance(value, dict):
        return cast("dict[str, object]", value)
    advice = 'Write one object a line, such as {"text": "..."}, with no line break inside it'
    got = got or _kind(value)
    raise DataError.at(path, byte=byte, line=line.number, expected="a JSON object", got=got, advice=advice)


def _string(record: Mapping[str, object], field: str, line: Line, path: Path) -> str:
    """The document in a record's field."""
    value = record.get(field)
    if isinstance(value, str) and _fits_utf8(value):
        return value
    if field not in record:
        got = f"the fields {', '.join(map(repr, list(record)[:8]))}" if record else "an object without fields"
        advice = "Name the field that holds the text: read(..., field=...)"
    elif isinstance(value, str):
        got, advice = "half of a surrogate pair", "Write the character itself instead of its \\ud... escape"
    else:
        got, advice = _kind(value), "Leave the line out, or name another field: read(..., field=...)"
    expected = f"a string in the field {field!r}"
    raise DataError.at(path, byte=line.byte, line=line.number, expected=expected, got=got, advice=advice)


def _fits_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: object) -> str:
    """A JSON value's kind, in JSON's own words."""
    return _KINDS.get(type(value), "a number")


def _excerpt(text: str) -> str:
    return repr(text[:20]) if text else "the end of the line"


_KINDS: Mapping[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a truth value",
    type(None): "null",
}

# Another format is one line here and one function above.
_FORMATS: Mapping[str, Callable[[Path, str], Iterator[str]]] = {
    ".txt": _paragraphs,
    ".md": _paragraphs,
    ".jsonl": _json_lines,
}
