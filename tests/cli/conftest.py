"""A folder with texts and small models that the commands wrote themselves, for the tests of the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from polyloom.cli.main import app

Command = Callable[..., Result]

LONG = 30  # paragraphs of each text


def run(*words: object, given: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], input=given, prog_name="polyloom")


def answer(*words: object, given: str | bytes | None = None) -> Any:
    """What a command says with `--json`: exactly one document on standard output."""
    done = run(*words, "--json", given=given)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def line_of(done: Result, code: int = 1) -> str:
    """The one line of an error, without its "polyloom: "."""
    assert (done.exit_code, done.stdout) == (code, ""), done.output
    (line,) = done.stderr.splitlines()
    assert line.startswith("polyloom: ")
    return line.removeprefix("polyloom: ")


def adds_up(node: dict[str, Any]) -> bool:
    """Whether an account in JSON sums, with what rounding left, at every node."""
    terms = sum(term["contribution"] for term in node["terms"]) if node["terms"] else node["total"]
    below = all(adds_up(term["child"]) for term in node["terms"] if term["child"])
    return below and abs(terms + node["residual"] * bool(node["terms"]) - node["total"]) < 1e-9


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory, voices: dict[str, tuple[str, ...]]) -> Path:
    """sea.txt and law.txt; a model of each on one vocabulary, one in bytes, and a mix.  Only to be read."""
    folder = tmp_path_factory.mktemp("made")
    for name, voice in (("sea", "sea"), ("law", "contracts")):
        (folder / f"{name}.txt").write_text("\n\n".join(voices[voice][:LONG]) + "\n", encoding="utf-8")
    sea, law = folder / "sea.psam", folder / "law.psam"
    for words in (
        ("train", folder / "sea.txt", "-o", sea, "--keep-text", "--size", 150),
        ("train", folder / "law.txt", "-o", law, "--vocabulary", sea, "--order", 3, "--no-skips"),
        ("train", folder / "sea.txt", "-o", folder / "bytes.psam", "--vocabulary", "bytes", "--order", 4),
        ("compose", f"sea={sea}", f"law={law}:0.5", "-o", folder / "mix.psamc"),
    ):
        done = run(*words)
        assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path
