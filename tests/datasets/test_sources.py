"""Which files a name means, in which order, and what is said when it means none."""

from pathlib import Path

import pytest

from polyloom_datasets import DataError, read
from polyloom_datasets.sources import find

SUFFIXES = (".txt", ".md", ".jsonl")


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """A folder with readable, unreadable and hidden files; also the working folder."""
    seen = ("b.txt", "a.md", "sub/c.TXT", "sub/deep/d.jsonl", "g[1].txt")
    for name in (*seen, ".hidden/e.txt", ".f.txt", "picture.png"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"text": "' + path.stem + '"}', "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(source) -> list[str]:
    return [path.as_posix() for path in find(source, SUFFIXES)]


@pytest.mark.parametrize(
    ("source", "files"),
    [
        ("b.txt", ["b.txt"]),
        (Path("sub/c.TXT"), ["sub/c.TXT"]),
        (".", ["a.md", "b.txt", "g[1].txt", "sub/c.TXT", "sub/deep/d.jsonl"]),
        ("sub", ["sub/c.TXT", "sub/deep/d.jsonl"]),
        ("*.txt", ["b.txt", "g[1].txt"]),
        (Path("*.txt"), ["b.txt", "g[1].txt"]),
        ("**/*.jsonl", ["sub/deep/d.jsonl"]),
        ("sub/*", ["sub/c.TXT"]),
        ("g[1].txt", ["g[1].txt"]),
        ("[ab].*", ["a.md", "b.txt"]),
        (["sub", "b.txt", Path("a.md")], ["sub/c.TXT", "sub/deep/d.jsonl", "b.txt", "a.md"]),
        ((name for name in ("b.txt", "*.txt", "./b.txt")), ["b.txt", "g[1].txt"]),
        (".hidden/e.txt", [".hidden/e.txt"]),
    ],
)
def test_finds_in_order_and_once(shelf, source, files):
    assert found(source) == files


def test_absolute_patterns_links_and_home(shelf, monkeypatch):
    assert found(f"{shelf}/sub/**/*.jsonl") == [(shelf / "sub/deep/d.jsonl").as_posix()]
    (shelf / "z.txt").symlink_to(shelf / "b.txt")
    assert found(["b.txt", "z.txt"]) == ["b.txt"]
    monkeypatch.setenv("HOME", str(shelf))
    monkeypatch.setenv("USERPROFILE", str(shelf))
    assert found("~/b.txt") == [(shelf / "b.txt").as_posix()]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("missing.txt", r"^missing\.txt: expected a file, a folder or a pattern, got No such file"),
        ("~nobody-here/a.txt", r"expected a file, a folder or a pattern, got .*home"),
        ("nul\0.txt", r"expected a file, a folder or a pattern, got .*embedded null"),
        ("poems/*.txt", r"^poems/\*\.txt: expected at least one file that matches, got none\. .*looked up from "),
        ("[s]ub", r"expected at least one file that matches, got none"),
        ("picture.png", r"^picture\.png: expected a file that ends in \.txt, \.md, \.jsonl, got the suffix '\.png'"),
        ("[p]*", r"^picture\.png: expected a file that ends in"),
        ("bare", r"got no suffix\. Rename it"),
        ("empty", r"^empty: expected a folder with files that end in .*, got none below it"),
        ("Once upon a time\nthere was", r"got what looks like the text itself\. .*use \[text\]"),
        ("once " * 2000, r"^'once once .*got what looks like the text itself"),
        ("", r"expected a file, a folder or a pattern, got ''"),
        ([], r"got none\. Name a file"),
        (["b.txt", "missing.txt"], r"^missing\.txt: "),
    ],
)
def test_says_what_was_wrong_before_anything_is_read(shelf, source, message):
    (shelf / "empty").mkdir()
    (shelf / "bare").write_text("text", "utf-8")
    with pytest.raises(DataError, match=message):
        read(source)


@pytest.mark.parametrize("source", [b"b.txt", 3, None, [["b.txt"]], [b"b.txt"]])
def test_refuses_what_is_no_path(shelf, source):
    with pytest.raises(TypeError, match=r"expected a file, a folder or a pattern, got (bytes|int|NoneType|list)\."):
        read(source)
