"""What stands in the folder before and after a fetch, and what is said when it cannot be done."""

import io
import sys
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from polyloom_datasets import DataError, fetch, fetched, read


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test writes into the cache of whoever runs it."""
    folder = tmp_path / "home-cache"
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name, appauthor: folder / name)
    return folder / "polyloom" / "data"


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_it_is_fetched_once_and_can_be_read(site: Any, tmp_path: Path, body: bytes) -> None:
    there = tmp_path / "new" / "folder"
    path = fetch(site.recipe(), there)
    assert path == there / "paragraphs.txt"
    assert path.read_bytes() == body
    assert left(there) == ["paragraphs.txt"]
    assert list(read(path)) == body.decode().split("\n\n")
    assert fetch(site.recipe(), str(there)) == path
    assert site.asked == [("/corpus.txt", None)]


def test_without_a_folder_it_goes_to_the_cache_of_the_user(site: Any, home: Path) -> None:
    assert fetched(site.recipe()) is None
    assert fetch(site.recipe()) == home / "paragraphs.txt" == fetched(site.recipe())
    assert fetch(site.recipe(), offline=True) == home / "paragraphs.txt"


def test_the_home_folder_is_understood(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert fetch(site.recipe(), "~/texts") == tmp_path / "texts" / "paragraphs.txt"


def test_offline_says_what_to_do_and_touches_nothing(site: Any, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"expected Paragraphs from an earlier fetch, got none\. Fetch it while .*http:"
    ):
        fetch(site.recipe(), tmp_path / "new", offline=True)
    (tmp_path / "paragraphs.txt").write_text("mine", "utf-8")
    with pytest.raises(DataError, match="got another file"):
        fetch(site.recipe(), tmp_path, offline=True, force=True)
    assert (left(tmp_path), site.asked) == (["paragraphs.txt"], [])


@pytest.mark.parametrize("kept", [b"mine", b"x" * 280_000])
def test_another_file_is_replaced_only_by_force(site: Any, tmp_path: Path, kept: bytes, body: bytes) -> None:
    path = tmp_path / "paragraphs.txt"
    path.write_bytes(kept)
    assert fetched(site.recipe(), tmp_path) is None
    with pytest.raises(DataError, match=r"or no file, got another file of [\d,]+ bytes\. Move it away, or .*force"):
        fetch(site.recipe(), tmp_path)
    assert (path.read_bytes(), site.asked) == (kept, [])
    fetch(site.recipe(), tmp_path, force=True)
    assert path.read_bytes() == body


def test_a_folder_of_that_name_stays(site: Any, tmp_path: Path) -> None:
    (tmp_path / "paragraphs.txt").mkdir()
    with pytest.raises(DataError, match=r"got a folder\. Move it away\.$"):
        fetch(site.recipe(), tmp_path, force=True)
    assert site.asked == []


def test_a_file_in_place_of_the_folder_is_an_error_of_the_system(site: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", "utf-8")
    with pytest.raises(OSError, match="file"):
        fetch(site.recipe(), tmp_path / "file")


@pytest.mark.parametrize("change", [b"x", b""])
def test_wrong_bytes_are_removed(site: Any, tmp_path: Path, body: bytes, change: bytes) -> None:
    other = (change + body)[: len(body)][::-1]
    site.answers = [site.another(other), site.whole]
    with pytest.raises(DataError, match=r"expected SHA-256 \w{16}…, got \w{16}…\. It was removed: fetch again"):
        fetch(site.recipe(), tmp_path)
    assert left(tmp_path) == []
    assert fetch(site.recipe(), tmp_path).read_bytes() == body


def test_wrong_bytes_never_replace_what_was_there(site: Any, tmp_path: Path, body: bytes) -> None:
    (tmp_path / "paragraphs.txt").write_text("mine", "utf-8")
    site.answers = [site.another(body[::-1])]
    with pytest.raises(DataError, match="SHA-256"):
        fetch(site.recipe(), tmp_path, force=True)
    assert (tmp_path / "paragraphs.txt").read_text("utf-8") == "mine"


def test_a_partial_of_something_else_is_found_out(site: Any, tmp_path: Path, body: bytes, partial: Path) -> None:
    partial.write_bytes(b"x" * 1_000)
    with pytest.raises(DataError, match="SHA-256"):
        fetch(site.recipe(), tmp_path)
    assert fetch(site.recipe(), tmp_path).read_bytes() == body
    assert site.ranges == ["bytes=1000-", None]


def test_a_whole_partial_needs_no_network(site: Any, tmp_path: Path, body: bytes, partial: Path) -> None:
    partial.write_bytes(body)
    assert fetch(site.recipe(), tmp_path).read_bytes() == body
    assert (left(tmp_path), site.asked) == (["paragraphs.txt"], [])


def test_an_unknown_name_is_refused_before_anything_else(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"fetch: expected one of tinyshakespeare, .*, got 'tinyshakespear'\. Did you"):
        fetch("tinyshakespear", tmp_path / "new")
    assert left(tmp_path) == []


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_for_terminals(site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen, log = Screen(), io.StringIO()
    monkeypatch.setattr(sys, "stderr", screen)
    fetch(site.recipe(), tmp_path / "a")
    monkeypatch.setattr(sys, "stderr", log)
    fetch(site.recipe(), tmp_path / "b")
    drawn = screen.getvalue()
    assert "paragraphs" in drawn.split("\r")[1]
    assert "100 %  280.0 kB of 280.0 kB" in drawn
    assert drawn.endswith("\n")
    assert drawn.count("\r") <= 101
    assert log.getvalue() == ""


def test_nothing_is_drawn_for_what_is_there_or_without_a_standard_error(
    site: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)  # as under pythonw
    fetch(site.recipe(), tmp_path)
    monkeypatch.setattr(sys, "stderr", Screen())
    fetch(site.recipe(), tmp_path)
    assert sys.stderr.getvalue() == ""
