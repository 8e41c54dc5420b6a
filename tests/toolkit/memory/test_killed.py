"""A process that is killed at any write leaves what it had acknowledged, and nothing by halves."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from polyloom.memory import MemoryStore
from toolkit.memory.killed import live, operations
from toolkit.memory.talk import WORDS, same

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")

SCRIPT = Path(__file__).with_name("killed.py")
EVERY = 140  # writes, more than there are
Turns = list[tuple[str, str, str, str]]


def turns(memory: MemoryStore) -> Turns:
    return memory._database.ask("SELECT layer, session, role, text FROM turn ORDER BY id")  # type: ignore[return-value]


def started(*arguments: object) -> "subprocess.Popen[bytes]":
    paths = os.pathsep.join([str(SCRIPT.parents[2]), *filter(None, sys.path)])
    given = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.Popen(given, env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"})


@pytest.fixture(scope="module")
def states(tmp_path_factory: pytest.TempPathFactory) -> list[Turns]:
    """The turns that are there after so many operations."""
    with MemoryStore(tmp_path_factory.mktemp("memory"), WORDS) as memory:
        found = [turns(memory)]
        for one in operations(memory, 1):
            one()
            found.append(turns(memory))
    return found


def done(folder: Path) -> int:
    """How many operations were acknowledged."""
    lines = (folder / "done").read_text().splitlines() if (folder / "done").is_file() else []
    return int(lines[-1]) if lines else 0


def check_counts(folder: Path, beside: Path) -> None:
    """What is derived with the files that were left behind is what is derived from the turns alone."""
    beside.mkdir(parents=True)
    for part in folder.glob("memory.sqlite*"):
        shutil.copy(part, beside / part.name)
    with MemoryStore(folder, WORDS) as memory, MemoryStore(beside, WORDS) as bare:
        memory.verify()
        same(memory, bare)
        memory.remember("The cat is well.")


@pytest.mark.long
@pytest.mark.parametrize("step", [9, 1])
def test_killed_at_every_write(tmp_path: Path, states: list[Turns], step: int) -> None:
    assert started(tmp_path, 1, EVERY, step).wait() == 0
    finished, tried = 0, range(1, EVERY, step)
    for n in tried:
        folder, acknowledged = tmp_path / str(n), done(tmp_path / str(n))
        with MemoryStore(folder / "memory", WORDS) as memory:
            assert turns(memory) in states[acknowledged : acknowledged + 2]
        finished += acknowledged == len(states) - 1
        check_counts(folder / "memory", tmp_path / f"beside {n}")
    assert 0 < finished < len(tried) / 2  # all writes were tried, and most of what was tried were writes


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_killed_at_any_moment(tmp_path: Path, seed: int) -> None:
    """By the system, in the middle of whatever it does."""
    process = started(tmp_path / "it")
    while not (tmp_path / "it" / "done").is_file() and process.poll() is None:
        time.sleep(0.01)
    time.sleep(random.Random(seed).uniform(0.0, 0.4))
    process.send_signal(signal.SIGKILL)
    process.wait()
    acknowledged = done(tmp_path / "it")
    with MemoryStore(tmp_path / "again", WORDS) as memory:
        possible: list[Turns] = []
        for n, one in enumerate(operations(memory, acknowledged // 14 + 1)):
            if n >= acknowledged:
                possible.append(turns(memory))
            if n > acknowledged:
                break
            one()
        possible.append(turns(memory))
    with MemoryStore(tmp_path / "it" / "memory", WORDS) as memory:
        assert turns(memory) in possible
    check_counts(tmp_path / "it" / "memory", tmp_path / "beside")


def test_what_nobody_kills_comes_to_its_end(tmp_path: Path, states: list[Turns]) -> None:
    live(tmp_path, 1)
    assert done(tmp_path) == len(states) - 1
    with MemoryStore(tmp_path / "memory") as memory:
        assert turns(memory) == states[-1]
