"""`read`: what a document is, what comes back unchanged, what is refused and where, and how much memory it takes."""

import gc
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polyloom_datasets import DataError, read
from polyloom_datasets.lines import LONGEST

MEGABYTE = 10**6
Writer = Callable[[str, bytes], Path]


@pytest.fixture
def write(tmp_path) -> Writer:
    def write(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


# What a document is


@pytest.mark.parametrize("suffix", [".txt", ".md"])
def test_paragraphs_stand_between_blank_lines(write, suffix):
    content = b"\n\n# One\ntwo  \n\n \t\n  - three\nfour\n\n\n"
    assert list(read(write(f"notes{suffix}", content))) == ["# One\ntwo  ", "  - three\nfour"]


@pytest.mark.parametrize("content", [b"a\nb\n\nc", b"a\r\nb\r\n\r\nc\r\n", b"\xef\xbb\xbfa\nb\n\nc\n\n"])
def test_line_ends_and_byte_order_mark_make_no_difference(write, content):
    assert list(read(write("notes.txt", content))) == ["a\nb", "c"]


def test_json_lines_hold_a_document_each(write):
    content = b'\xef\xbb\xbf{"text": "one\\n\\ntwo", "id": 1}\n\n{"text": " "}\r\n{"text": "\\u00e9\\ud83d\\ude00"}'
    assert list(read(write("notes.jsonl", content))) == ["one\n\ntwo", "é😀"]


def test_field_names_where_the_text_is(write):
    path = write("notes.jsonl", b'{"body": "one"}\n{"body": "two"}\n')
    assert list(read(path, field="body")) == list(read(path, "body")) == ["one", "two"]


def test_several_files_follow_each_other(write, tmp_path):
    write("b.txt", b"two\n\nthree")
    write("a.md", b"one")
    write("c.JSONL", b'{"text": "four"}')
    assert list(read(tmp_path)) == ["one", "two", "three", "four"]
    assert list(read([tmp_path / "c.JSONL", f"{tmp_path}/*.txt"])) == ["four", "two", "three"]


# What comes back unchanged

characters = st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n")
lines = st.text(characters, min_size=1, max_size=12).filter(str.strip)
paragraphs = st.lists(lines, min_size=1, max_size=4).map("\n".join)
in_one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@in_one_folder
@given(
    documents=st.lists(paragraphs, min_size=1, max_size=6),
    gap=st.integers(2, 4),
    end=st.sampled_from(["\n", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig"]),
)
def test_any_paragraphs_survive_a_text_file(tmp_path, documents, gap, end, encoding):
    if encoding == "utf-8" and documents[0].startswith("\ufeff"):
        documents[0] = f"-{documents[0]}"  # at the start of a file this character is the byte-order mark
    path = tmp_path / "any.txt"
    path.write_text(("\n" * gap).join(documents), encoding, newline=end)
    assert list(read(path)) == documents


@in_one_folder
@given(
    documents=st.lists(st.text(st.characters(exclude_categories=["Cs"])).filter(str.strip), min_size=1),
    ascii_only=st.booleans(),
)
def test_any_text_survives_a_json_file(tmp_path, documents, ascii_only):
    path = tmp_path / "any.jsonl"
    records = [json.dumps({"text": document}, ensure_ascii=ascii_only) for document in documents]
    path.write_text("\n".join(records), "utf-8", newline="\n")
    assert list(read(path)) == documents


def outcome(path: Path) -> tuple[list[str], str]:
    """The documents of a file, or why it was refused."""
    try:
        return list(read(path)), ""
    except DataError as error:
        return [], str(error)


@in_one_folder
@given(content=st.binary(max_size=60), suffix=st.sampled_from([".txt", ".md", ".jsonl"]))
def test_any_bytes_give_documents_or_a_data_error(tmp_path, content, suffix):
    path = tmp_path / f"bytes{suffix}"
    path.write_bytes(content)
    documents, refusal = outcome(path)
    assert bool(documents) != bool(refusal)
    assert all(document.strip() for document in documents)
    assert refusal.startswith(f"{path}, byte ") or not refusal


# What is refused, and where


@pytest.mark.parametrize(
    ("name", "content", "byte", "line", "message"),
    [
        ("latin.txt", b"Gru\xdf", 3, 1, r"expected UTF-8 text, got the byte 0xdf\. .*save it as UTF-8"),
        ("late.txt", b"\xef\xbb\xbf\xc3\xa9\r\n\r\nab\xffc", 11, 3, r"got the byte 0xff"),
        ("cut.txt", b"ab\n\xe2\x82", 3, 2, r"got the byte 0xe2"),
        ("binary.txt", b"ab\n\ncd\0e\xff", 6, 3, r"got a NUL byte\. The file looks binary"),
        ("picture.md", b"\x89PNG\r\n\x1a\n\0\0", 0, 1, r"got the byte 0x89\. .*binary"),
        ("utf16.txt", "héllo".encode("utf-16"), 0, None, r"byte-order mark of UTF-16 or UTF-32 \(ff fe 68 00\)"),
        ("utf16be.txt", b"\xfe\xff\0h", 0, None, r"byte-order mark of UTF-16"),
        ("utf32.jsonl", b"\0\0\xfe\xff\0\0\0h", 0, None, r"UTF-32"),
        ("empty.txt", b"", 0, None, r"expected at least one document, got an empty file \(0 bytes\)\. Write"),
        ("empty.jsonl", b"", 0, None, r"got an empty file"),
        ("mark.txt", b"\xef\xbb\xbf", 0, None, r"expected at least one document, got only white space"),
        ("blank.md", b" \n\t\r\n", 0, None, r"got only white space"),
        ("blank.jsonl", b'\n{"text": ""}\n', 0, None, r"expected at least one document"),
        ("nul.jsonl", b'{"text": "a"}\n{"text": "\0"}\n', 24, 2, r"got a NUL byte"),
        ("bad.jsonl", b'{"text": "a"}\n{"text": "\xc3\xa9" 1}\n', 28, 2, r"a JSON object, got '1}' \(Expecting ','"),
        ("open.jsonl", b'{"text": "a"', 12, 1, r"got the end of the line \(Expecting"),
        ("pretty.jsonl", b'{\n  "text": "a"\n}\n', 1, 1, r"got the end of the line .*one object a line"),
        ("array.jsonl", b'["a"]\n', 0, 1, r"expected a JSON object, got an array"),
        ("null.jsonl", b"null\n", 0, 1, r"expected a JSON object, got null"),
        ("deep.jsonl", b"[" * 200_000, 0, 1, r"expected a JSON object, got .*recursion"),
        ("huge.jsonl", b"1" * 5000, 0, 1, r"expected a JSON object, got Exceeds the limit"),
        ("field.jsonl", b'{"text": "a"}\n{"id": 1, "a": "b"}\n', 14, 2, r"got the fields 'id', 'a'\. .*field=...\)"),
        ("none.jsonl", b"{}\n", 0, 1, r"expected a string in the field 'text', got an object without fields"),
        ("number.jsonl", b'{"text": 1}\n', 0, 1, r"expected a string in the field 'text', got a number"),
        ("nothing.jsonl", b'{"text": null}\n', 0, 1, r"got null\. Leave the line out"),
        ("truth.jsonl", b'{"text": true}\n', 0, 1, r"got a truth value"),
        ("list.jsonl", b'{"text": ["a"]}\n', 0, 1, r"got an array"),
        ("half.jsonl", b'{"text": "a\\ud83d"}\n', 0, 1, r"got half of a surrogate pair"),
    ],
)  # fmt: skip
def test_faults_are_named_with_file_and_byte(write, name, content, byte, line, message):
    path = write(name, content)
    with pytest.raises(DataError, match=message) as caught:
        list(read(path))
    place = f"{path}, byte {byte}" + (f" (line {line})" if line else "") + ": expected "
    assert str(caught.value).startswith(place)


def test_what_comes_before_a_fault_is_still_read(write):
    documents = read(write("late.txt", b"one\n\ntwo\n\n\xff"))
    assert [next(documents), next(documents)] == ["one", "two"]
    with pytest.raises(DataError, match="byte 10"):
        next(documents)


def test_file_that_vanished_or_is_closed_to_us(write, tmp_path):
    path = write("gone.txt", b"text")
    documents = read(path)
    path.unlink()
    with pytest.raises(DataError, match=r"gone\.txt: expected a file to read, got No such file"):
        next(documents)


# How much memory it takes


def peak_of(read_all: Callable[[], object]) -> int:
    gc.collect()
    tracemalloc.start()
    try:
        read_all()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.long
@pytest.mark.parametrize(("suffix", "record"), [(".txt", "{0}\n{0}\n\n"), (".jsonl", '{{"text": "{0}"}}\n')])
def test_a_large_file_streams(tmp_path, suffix, record):
    path = tmp_path / f"large{suffix}"
    block = record.format("the tide comes in and the tide goes out again " * 40) * 50
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < 30 * MEGABYTE:
            file.write(block)
    seen = 0

    def read_all() -> None:
        nonlocal seen
        for document in read(path):
            seen += len(document)

    assert peak_of(read_all) < 0.5 * MEGABYTE
    assert seen > 29 * MEGABYTE
    path.unlink()


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "unit", "missing"),
    [
        ("line.txt", b"a" * MEGABYTE, "a line end"),
        ("line.jsonl", b"[" * MEGABYTE, "a line end"),
        ("paragraph.md", (b"a" * 31 + b"\n") * (MEGABYTE // 32), "a blank line"),
    ],
)
def test_text_without_end_is_refused_before_it_fills_the_memory(tmp_path, name, unit, missing):
    path = tmp_path / name
    with path.open("wb") as file:
        for _ in range(100):
            file.write(unit)

    def read_all() -> None:
        with pytest.raises(DataError, match=rf"byte 0 \(line 1\): expected {missing} within 16 MiB, got none\. Break"):
            list(read(path))

    assert peak_of(read_all) < 6 * LONGEST
    path.unlink()


def test_the_longest_line_and_paragraph_are_read(write):
    line = b"a" * (LONGEST - 1) + b"\n"
    assert [len(document) for document in read(write("line.txt", line))] == [LONGEST - 1]
    half = b"a" * (LONGEST // 2 - 1) + b"\n"
    pair = write("pair.txt", half + half + b"\n" + half)
    assert [len(document) for document in read(pair)] == [LONGEST - 1, LONGEST // 2 - 1]
    with pytest.raises(DataError, match=r"byte 1 \(line 2\): expected a blank line within 16 MiB"):
        list(read(write("over.txt", b"\n" + half + half + b"a")))
