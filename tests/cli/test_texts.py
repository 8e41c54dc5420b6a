import io
import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.conftest import line_of, run
from polyloom import ByteVocabulary, InputError, WordVocabulary
from polyloom.cli.texts import Cut, Texts, ended


def documents(folder: Path, content: bytes, cut: Cut = Cut.PARAGRAPHS) -> list[str]:
    (folder / "a.txt").write_bytes(content)
    return list(Texts([folder / "a.txt"], cut).documents())


@pytest.mark.parametrize(
    ("cut", "expected"),
    [
        (Cut.PARAGRAPHS, ["one\ntwo", "three"]),
        (Cut.LINES, ["one", "two", "three"]),
        (Cut.FILES, ["one\ntwo\n \n\nthree"]),
    ],
)
@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_text_is_cut_the_same_whatever_ends_its_lines(
    tmp_path: Path, cut: Cut, expected: list[str], end: bytes
) -> None:
    assert documents(tmp_path, b"\xef\xbb\xbf\none\ntwo\n \n\nthree\n\n".replace(b"\n", end), cut) == expected


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(str.strip), min_size=1))
def test_lines_come_back_as_they_were(tmp_path_factory: pytest.TempPathFactory, lines: list[str]) -> None:
    folder = tmp_path_factory.mktemp("lines")
    lines = [line.removeprefix("\ufeff") or "x" for line in lines]
    assert documents(folder, "\n".join(lines).encode(), Cut.LINES) == [line for line in lines if line.strip()]


def test_files_are_walked_again_and_every_byte_is_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"{name} é\n\nx", encoding="utf-8")
    texts = Texts([tmp_path / "a", tmp_path / "b"])
    seen: list[int] = []
    assert list(texts.documents(seen.append)) == list(texts.documents()) == ["a é", "x", "b é", "x"]
    assert sum(seen) == texts.size == 14


@pytest.mark.skipif(os.name == "nt", reason="named pipes of POSIX")
def test_a_pipe_is_read_once_and_walked_twice(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=("one\n\ntwo",))
    writer.start()
    texts = Texts([tmp_path / "pipe"])
    writer.join()
    assert list(texts.documents()) == list(texts.documents()) == ["one", "two"]
    assert texts.size == 8


def test_a_closed_standard_input_holds_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match=r"^standard input holds no text"):
        list(Texts([Path("-")]).documents())


def test_a_person_at_the_keyboard_is_told_how_to_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keyboard = io.TextIOWrapper(io.BytesIO(b"hello"))
    monkeypatch.setattr(keyboard, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", keyboard)
    assert list(Texts([Path("-")]).documents()) == ["hello"]
    assert "Ctrl-D" in capsys.readouterr().err


def test_a_document_ends_where_its_vocabulary_can_say_so() -> None:
    words = WordVocabulary(["a", "</s>"])
    assert [tokens.tolist() for tokens in ended(iter(["a a", "a"]), words)] == [[0, 0, 1], [0, 1]]
    assert [tokens.tolist() for tokens in ended(iter(["a"]), ByteVocabulary())] == [[97, 256]]
    assert [tokens.tolist() for tokens in ended(iter(["a"]), WordVocabulary(["a"]))] == [[0]]


CONFUSED = [
    ("folder", None, "folder is a folder. Name the files in it."),
    ("nots.txt", None, "There is no file nots.txt. Did you mean notes.txt?"),
    ("no/where.txt", None, "There is no file no/where.txt."),
    (
        "lullabies",
        None,
        "There is no file lullabies. There is a text of that name: polyloom data show lullabies --text |",
    ),
    ("empty.txt", b"", "empty.txt holds no text. Write some into it, or leave it out."),
    ("blank.txt", b"\n \n", "blank.txt holds no text. Write some into it, or leave it out."),
    ("picture.png", b"\x89PNG\r\n\x1a\n\0\0", "picture.png, line 1: expected UTF-8 text, got the byte 0x89."),
    ("zeros", b"ab\n\0\0\0", "zeros, line 2: expected UTF-8 text, got binary data"),
    ("latin.txt", "der\nSüden".encode("latin-1"), "latin.txt, line 2: expected UTF-8 text, got the byte 0xfc."),
    ("windows.txt", "hi".encode("utf-16"), "windows.txt, line 1: expected UTF-8 text, got binary data"),
]


@pytest.mark.parametrize(("name", "content", "said"), CONFUSED, ids=[name for name, *_ in CONFUSED])
def test_what_is_no_text_is_one_line_that_says_what_to_do(
    here: Path, name: str, content: bytes | None, said: str
) -> None:
    (here / "folder").mkdir()
    (here / "notes.txt").write_text("notes")
    if content is not None:
        (here / name).write_bytes(content)
    assert line_of(run("train", "notes.txt", name, "-o", "out.psam")).startswith(said)
    assert not (here / "out.psam").exists()


def test_a_model_is_no_text(made: Path, here: Path) -> None:
    said = line_of(run("train", made / "sea.psam", "-o", "out.psam"))
    assert "a model is read by polyloom predict or inspect" in said


def test_a_text_named_twice_is_a_slip(made: Path, here: Path) -> None:
    assert "is named twice" in line_of(run("train", made / "sea.txt", made / "sea.txt", "-o", "out.psam"))
