import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import polyloom
from cli.plug import plug
from polyloom.cli.main import app

COMMANDS = """
import json
from pathlib import Path
import typer
from polyloom.errors import InputError
from polyloom_datasets import DataError

def given(name: str): '''Greet.'''; print('hello', name)
def refuses(): raise InputError('expected a text,\\n  got a number')
def unread(): raise DataError('notes.txt: expected UTF-8')
def missing(): Path('nowhere.txt').read_text()
def damaged(): json.loads('{')
def fault(): raise ValueError('ours')
def piped(): raise BrokenPipeError
number = 3
app = typer.Typer()
@app.command()
def one(): print('one')
@app.command()
def two(): print('two')
"""
NAMES = ("given", "refuses", "unread", "missing", "damaged", "fault", "piped", "number", "app")
Run = Callable[..., Result]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command with a plug-in for each way to go wrong."""
    entries = "".join(f"{name} = plugged_commands:{name}\n" for name in NAMES)
    entries += "broken = plugged_broken:f\n"
    broken = "raise RuntimeError('no sound card')"
    plug(tmp_path, "more", f"[polyloom.commands]\n{entries}", plugged_commands=COMMANDS, plugged_broken=broken)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    return lambda *words: CliRunner().invoke(app, list(words), prog_name="polyloom")


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_alone_it_prints_help_with_examples_and_every_command(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.exit_code == 0
    for text in ("polyloom lab", "polyloom bench", "Measure polyloom", "Copy the lessons", "broken", "Greet."):
        assert text in done.output
    assert "plugged_commands" not in sys.modules


def test_help_of_a_command_is_its_own(run: Run) -> None:
    assert "<str>" in run("given", "--help").output
    assert "two" in run("app", "--help").output


@pytest.mark.parametrize("words", [(), ("train",), ("lab",), ("app",), ("app", "one")])
def test_a_flag_takes_no_value_and_shows_none(run: Run, words: tuple[str, ...]) -> None:
    output = run(*words, "--help").output
    assert "--help" in output
    assert "bool" not in output


def test_version(run: Run) -> None:
    done = run("--version")
    assert (done.exit_code, done.output) == (0, f"polyloom {polyloom.__version__}\n")


def test_functions_and_apps_run(run: Run) -> None:
    assert run("given", "Ann").output == "hello Ann\n"
    assert run("app", "two").output == "two\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("benhc",), "Did you mean 'bench'?"),
        (("--loud",), "No such option: --loud"),
        (("given",), "Missing argument"),
        (("app", "three"), "No such command 'three'"),
        (("bench", "asociation"), "Did you mean 'association'?"),
        (("bench", "--shared", "nowhere"), "does not exist"),
    ],
)
def test_wrong_usage_is_two(run: Run, words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.startswith("polyloom: ")
    assert done.stderr.endswith("--help'.\n")
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("refuses", "expected a text, got a number"),
        ("unread", "notes.txt: expected UTF-8"),
        ("missing", "nowhere.txt: No such file or directory"),
        ("damaged", "Expecting property name"),
        ("broken", "broken (plugged_broken:f of more) cannot be loaded: RuntimeError: no sound card"),
        ("number", "number (plugged_commands:number): expected a function or a typer.Typer, got int."),
    ],
)
def test_an_error_is_one_line_and_one(run: Run, name: str, said: str) -> None:
    done = run(name)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith(f"polyloom: {said}")


def test_traceback_lets_it_through(run: Run) -> None:
    assert isinstance(run("--traceback", "refuses").exception, polyloom.InputError)
    assert isinstance(run("--traceback", "missing").exception, FileNotFoundError)


def test_a_fault_of_ours_is_never_hidden(run: Run) -> None:
    assert type(run("fault").exception) is ValueError


def test_a_reader_that_went_away_is_no_error(run: Run) -> None:
    done = run("piped")
    assert done.stderr == ""


def test_the_installed_command_starts_without_the_widgets() -> None:
    code = "import sys; from polyloom.cli.main import main\ntry: main()\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: polyloom" in done.stdout
    assert {"polyloom_widgets", "anywidget", "ipywidgets", "polyloom.cli.bench"} & set(done.stdout.split()) == set()
