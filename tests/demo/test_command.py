"""`polyloom demo`: its help, and what it says when it cannot be served."""

import socket

import pytest
from typer import Typer
from typer.testing import CliRunner

from polyloom.errors import InputError
from polyloom_demo import app
from polyloom_demo.command import command


@pytest.fixture
def run() -> CliRunner:
    return CliRunner()


def test_help_has_examples(run: CliRunner) -> None:
    typed = Typer()
    typed.command()(command)
    found = run.invoke(typed, ["--help"], env={"COLUMNS": "120", "NO_COLOR": "1"})
    assert found.exit_code == 0
    for part in ("polyloom demo --port 8000", "--host", "127.0.0.1", "7860"):
        assert part in found.output


def test_an_address_that_is_taken_or_none_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
        with pytest.raises(InputError, match=f"Nothing can be served at 127.0.0.1:{port} .*Try another --port"):
            app._bound("127.0.0.1", port)
    with pytest.raises(InputError, match=r"Nothing can be served at 192\.0\.2\.1:"):
        app._bound("192.0.2.1", port)  # an address of nobody's, RFC 5737


def test_it_is_this_machine_s_alone_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr("polyloom_demo.command.serve", lambda *given: asked.append(given[:2]))
    command()
    assert asked == [("127.0.0.1", 7860)]
