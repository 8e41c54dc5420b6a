"""The table of exit codes, row by row, with the real command in a process of its own."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import run
from polyloom import files
from polyloom.cli.exits import CODES, DONE, INPUT, INTERRUPTED, UNHEARD, USAGE

POLYLOOM = [sys.executable, "-c", "from polyloom.cli.main import main; main()"]
Ended = tuple[int, str]


def ended(words: list[str], folder: Path, **streams: int) -> Ended:
    done = subprocess.run(POLYLOOM + words, cwd=folder, stderr=subprocess.PIPE, text=True, **({"stdout": -3} | streams))
    return done.returncode, done.stderr


def done(folder: Path) -> Ended:
    return ended(["predict", str(folder / "sea.psam"), "the"], folder)


def input_at_fault(folder: Path) -> Ended:
    return ended(["predict", "nowhere.psam", "the"], folder)


def wrong_usage(folder: Path) -> Ended:
    return ended(["predict", str(folder / "sea.psam"), "the", "--loud"], folder)


def interrupted(folder: Path) -> Ended:
    """Ctrl-C while a text is being read: a named pipe shows when it is."""
    os.mkfifo(folder / "pipe.txt")
    words = [*POLYLOOM, "train", "pipe.txt", "-o", "never.psam"]
    with subprocess.Popen(words, cwd=folder, stderr=subprocess.PIPE, text=True) as child:
        pipe = (folder / "pipe.txt").open("w")  # waits until the command opens the other end
        pipe.write("the sea\n")
        child.send_signal(signal.SIGINT)
        with contextlib.suppress(BrokenPipeError):  # it ends at once where the machine is quick
            pipe.close()  # only now, so that there is nothing else that could end the reading
        said = child.communicate(timeout=60)[1]
    (folder / "pipe.txt").unlink()
    return child.returncode, said


def unheard(folder: Path) -> Ended:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        return ended(["predict", str(folder / "sea.psam"), "the"], folder, stdout=writing)
    finally:
        os.close(writing)


ROWS: dict[int, tuple[Callable[[Path], Ended], str]] = {
    DONE: (done, ""),
    INPUT: (input_at_fault, "polyloom: There is no file nowhere.psam.\n"),
    USAGE: (wrong_usage, "polyloom: No such option: --loud. See 'polyloom predict --help'.\n"),
    INTERRUPTED: (interrupted, "polyloom: interrupted.\n"),
    UNHEARD: (unheard, ""),
}


@pytest.mark.skipif(os.name == "nt", reason="signals and named pipes of POSIX")
@pytest.mark.parametrize("code", CODES)
def test_each_row_of_the_table(made: Path, code: int) -> None:
    way, said = ROWS[code]
    before = sorted(made.iterdir())
    assert way(made) == (code, said)
    assert sorted(made.iterdir()) == before  # nothing half-written


def test_help_shows_the_table() -> None:
    output = " ".join(run("--help").output.split())
    for code, meaning in CODES.items():
        assert f"{code} {meaning}" in output


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_below_standard_output_is_one_line(made: Path) -> None:
    with Path("/dev/full").open("w") as full:
        code, said = ended(["predict", str(made / "sea.psam"), "the"], made, stdout=full.fileno())
    assert (code, said) == (INPUT, "polyloom: No space left on device.\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_write_that_fails_leaves_what_was_there(
    made: Path, here: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    def fail(_: int) -> None:
        raise error

    (here / "sea.psam").write_text("mine")
    monkeypatch.setattr(files.os, "fsync", fail)
    found = run("train", made / "sea.txt", "-o", "sea.psam", "--force")
    assert found.exit_code == (INPUT if isinstance(error, OSError) else INTERRUPTED)
    assert found.stderr.count("\n") == 1
    assert {path.name: path.read_text() for path in here.iterdir()} == {"sea.psam": "mine"}


LOADED = "import sys; from polyloom.cli.main import main\ntry: main()\nexcept SystemExit: print(*sys.modules)"
HEAVY = {"torch", "cupy", "numba", "jupyter", "jupyterlab", "IPython", "ipywidgets", "sentencepiece"}


@pytest.mark.parametrize("words", [("predict", "sea.psam"), ("evaluate", "sea.psam", "-"), ("--help",)])
def test_nothing_heavy_is_loaded(made: Path, words: tuple[str, ...]) -> None:
    line = [sys.executable, "-c", LOADED, *words]
    found = subprocess.run(line, cwd=made, input="the sea\n", capture_output=True, text=True, check=True).stdout
    loaded = set(found.splitlines()[-1].split())
    assert "polyloom.model" in loaded
    assert loaded & HEAVY == set()
