import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from polyloom.cli.main import app
from polyloom.errors import PolyloomError
from polyloom_widgets import lab

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The command lines that would have been run; nothing is."""
    lines: list[Sequence[str]] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    monkeypatch.setattr(lab, "_run", lambda line: lines.append(line) or 7)  # type: ignore[func-returns-value]
    return lines


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["lab", *words])


def test_it_copies_the_lessons_and_opens_the_first(started: list[Sequence[str]], tmp_path: Path) -> None:
    done = run()
    assert done.exit_code == 7, done.output  # what JupyterLab ended with
    copies = {path.name: path.read_bytes() for path in (tmp_path / "polyloom-lessons").iterdir()}
    assert copies == {path.name: path.read_bytes() for path in NOTEBOOKS.glob("*.ipynb")}
    ((python, *line),) = started
    assert python == sys.executable
    assert f"--ServerApp.root_dir={tmp_path / 'polyloom-lessons'}" in line
    assert "--LabApp.default_url=/lab/tree/01_weave.ipynb" in line


@pytest.mark.parametrize(
    ("words", "folder", "told"),
    [
        (["here"], "here", []),
        (["here", "--no-browser", "--port=1"], "here", ["--no-browser", "--port=1"]),
        (["--no-browser"], "polyloom-lessons", ["--no-browser"]),
        (["--port", "1", "--force"], "polyloom-lessons", ["--port", "1"]),
        (["--", "--help"], "polyloom-lessons", ["--help"]),
    ],
)
def test_the_folder_comes_first_and_the_rest_is_jupyters(
    started: list[Sequence[str]], tmp_path: Path, words: list[str], folder: str, told: list[str]
) -> None:
    run(*words)
    assert (tmp_path / folder / "01_weave.ipynb").is_file()
    assert list(started[0][len(started[0]) - len(told) :]) == told


def test_a_changed_lesson_is_kept_unless_forced(started: list[Sequence[str]], tmp_path: Path) -> None:
    lesson = tmp_path / "polyloom-lessons" / "01_weave.ipynb"
    assert "Copied" in run().output
    assert "Copied" not in run().output
    lesson.write_text("mine")
    done = run()
    assert "Kept your" in done.output
    assert lesson.read_text() == "mine"
    assert len(started) == 3  # and it was opened all the same
    run("--force")
    assert lesson.read_bytes() == (NOTEBOOKS / "01_weave.ipynb").read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--nope"], "JupyterLab has no option --nope."),
        (["here", "--no-browsr"], "JupyterLab has no option --no-browsr. Did you mean --no-browser?"),
    ],
)
def test_a_wrong_option_is_noticed_before_anything_is_copied(
    started: list[Sequence[str]], tmp_path: Path, words: list[str], said: str
) -> None:
    done = run(*words)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
    assert started == []
    assert list(tmp_path.iterdir()) == []


def test_settings_of_its_classes_are_left_to_jupyterlab(started: list[Sequence[str]]) -> None:
    run("--ServerApp.password=", "-y", "--port", "1")
    assert list(started[0][-4:]) == ["--ServerApp.password=", "-y", "--port", "1"]


def test_in_a_checkout_the_lessons_open_where_they_are(started: list[Sequence[str]]) -> None:
    done = run(str(NOTEBOOKS))
    assert "Copied" not in done.output
    assert f"--ServerApp.root_dir={NOTEBOOKS}" in started[0]


def test_on_jupyterhub_it_copies_and_says_what_to_open(
    started: list[Sequence[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/ann/")
    done = run("here")
    assert done.exit_code == 0
    assert str(Path("here") / "01_weave.ipynb") in done.output
    assert (tmp_path / "here/01_weave.ipynb").is_file()
    assert started == []


def test_without_jupyterlab_it_says_what_to_install(
    started: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lab, "find_spec", lambda name: None)
    done = run()
    assert done.exit_code == 1
    assert 'pip install "polyloom[widgets]"' in done.stderr
    assert started == []


def test_a_file_in_the_way_is_one_line(started: list[Sequence[str]], tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    done = run("taken")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "got the file taken" in done.stderr


def test_an_installation_without_lessons_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lessons").mkdir()
    monkeypatch.setattr(lab, "CARRIED", tmp_path / "lessons")
    with pytest.raises(PolyloomError, match="found none"):
        lab.lessons()


@pytest.mark.parametrize(("user", "allowed"), [(0, True), (1000, False)])
def test_root_alone_needs_allow_root(monkeypatch: pytest.MonkeyPatch, user: int, allowed: bool) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    assert ("--allow-root" in lab.jupyter(Path("a.ipynb"), [])) is allowed


def test_the_caller_has_the_last_word() -> None:
    line = lab.jupyter(Path("a.ipynb"), ["--LabApp.default_url=/tree"])
    assert line[-1] == "--LabApp.default_url=/tree"


def test_jupyter_neither_asks_about_news_nor_looks_for_updates(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "mine")
    code = """
import os
from jupyterlab_server.config import get_page_config
print(list(get_page_config([])["disabledExtensions"]), os.environ["JUPYTER_CONFIG_PATH"], sep="\\n")
"""
    assert lab._run([sys.executable, "-c", code]) == 0
    disabled, paths = capfd.readouterr().out.splitlines()
    assert "@jupyterlab/apputils-extension:announcements" in disabled
    assert paths.endswith(f"{os.pathsep}mine")


CHILD = """
import signal, sys, time
signal.signal(signal.SIGINT, lambda *_: sys.exit(5))
print("up", flush=True)
time.sleep(60)
"""
PARENT = f"import sys; from polyloom_widgets import lab; sys.exit(lab._run([sys.executable, '-c', {CHILD!r}]))"


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 5), (signal.SIGTERM, -signal.SIGTERM)])
def test_signals_end_jupyter_and_nobody_shouts(number: signal.Signals, code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        assert parent.stdout.readline() == "up\n"
        time.sleep(0.1)
        if number == signal.SIGINT:
            os.killpg(parent.pid, number)  # as a terminal does
        else:
            parent.send_signal(number)
        assert parent.wait(10) == code % 256
        assert parent.stderr.read() == ""
