"""Several processes that fetch, and processes that are stopped in the midst of it."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from polyloom_datasets import fetch, fetched
from polyloom_datasets.alone import alone

SCRIPT = """
import sys
from polyloom_datasets import Recipe, fetch
url, size, sha256, folder = sys.argv[1:]
recipe = Recipe(name="paragraphs", title="t", description="d", licence="l", url=url, size=int(size), sha256=sha256)
print(fetch(recipe, folder).stat().st_size)
"""


def fetching(site: Any, folder: Path) -> "subprocess.Popen[str]":
    recipe = site.recipe()
    given = [recipe.url, str(recipe.size), recipe.sha256, str(folder)]
    line = [sys.executable, "-W", "error", "-c", SCRIPT, *given]
    return subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_two_processes_fetch_once(site: Any, tmp_path: Path, body: bytes) -> None:
    processes = [fetching(site, tmp_path) for _ in range(3)]
    said = [process.communicate() for process in processes]
    assert said == [(f"{len(body)}\n", "")] * 3
    assert (tmp_path / "paragraphs.txt").read_bytes() == body
    assert [path.name for path in tmp_path.iterdir()] == ["paragraphs.txt"]
    assert len(site.asked) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_who_is_stopped_midway_leaves_a_beginning(
    site: Any, tmp_path: Path, body: bytes, partial: Path, number: signal.Signals
) -> None:
    site.answers = [site.silent(100_000), site.whole]
    with fetching(site, tmp_path) as process:
        while not (partial.exists() and partial.stat().st_size == 100_000):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(number)
    assert fetched(site.recipe(), tmp_path) is None
    assert partial.read_bytes() == body[:100_000]
    assert fetch(site.recipe(), tmp_path).read_bytes() == body
    assert site.ranges == [None, "bytes=100000-"]
    assert [path.name for path in tmp_path.iterdir()] == ["paragraphs.txt"]


def test_only_one_at_a_time_is_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyloom_datasets.alone.PAUSE", 0.001)
    inside, most, passed = 0, 0, 0
    count = threading.Lock()

    def pass_through() -> None:
        nonlocal inside, most, passed
        for _ in range(20):
            with alone(tmp_path / "lock"):
                with count:
                    inside += 1
                    most = max(most, inside)
                time.sleep(0.0005)
                with count:
                    inside -= 1
                    passed += 1

    threads = [threading.Thread(target=pass_through) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (most, passed, list(tmp_path.iterdir())) == (1, 120, [])


def test_a_lock_left_by_the_dead_is_free(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("1234", "utf-8")
    with alone(tmp_path / "lock"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_error_inside_gives_the_lock_back(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyError), alone(tmp_path / "lock"):
            raise KeyError
    with pytest.raises(FileNotFoundError), alone(tmp_path / "nowhere" / "lock"):
        pass
