"""`polyloom data`, with the real catalogue and with one that a package adds, fetched from a server on this computer."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path

import platformdirs
import pytest
from typer.testing import CliRunner, Result

from cli.plug import plug
from polyloom.cli import plugins
from polyloom.cli.main import app
from polyloom.cli.texts import Texts
from polyloom_datasets import fetching, load, names, recipes

TEXT = b"Forms:\n  line two\n\nAnother " + b"long " * 100 + b"line.\n"
CATALOGUE = """
import polyloom_datasets
from polyloom_datasets import fetch, fetched, read

def recipe(name, file):
    card = dict(title="Forms of a house", description="Words.", licence="CC0-1.0", size={size}, sha256="{digest}")
    return polyloom_datasets.Recipe(name=name, url="http://127.0.0.1:{port}/" + file, **card)

def names(): return ("sea", "extra")
def load(name): return polyloom_datasets.load("kitchen")
def recipes(): return (recipe("forms", "text.txt"), recipe("gone", "gone.txt"))
"""
Run = Callable[..., Result]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "served").mkdir()
    (tmp_path / "served/text.txt").write_bytes(TEXT)
    handler = partial(Quiet, directory=str(tmp_path / "served"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> Run:
    """The command with a catalogue of another package, in an empty folder, with an empty cache."""
    source = CATALOGUE.format(size=len(TEXT), digest=sha256(TEXT).hexdigest(), port=port)
    plug(tmp_path / "plugs", "more", "[polyloom.data]\nmore = plugged_texts\n", plugged_texts=source)
    monkeypatch.syspath_prepend(str(tmp_path / "plugs"))
    monkeypatch.delitem(__import__("sys").modules, "plugged_texts", raising=False)
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name, appauthor: tmp_path / "cache" / name)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return lambda *words: CliRunner().invoke(app, ["data", *words], prog_name="polyloom")


def test_the_catalogue_is_found_by_its_registration() -> None:
    assert plugins.package(plugins.found("polyloom.data")["catalogue"]) == "polyloom"


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_help_names_the_three(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.exit_code == 0
    assert all(word in done.stdout for word in ("List the texts", "Fetch public texts", "Show the card"))


def test_the_list_tells_what_is_carried_and_what_is_not(run: Run) -> None:
    done = run("list")
    assert done.exit_code == 0, done.output
    for name, parts in (
        ("sea", ("20.2 kB", "Apache-2.0", "carried", load("sea").title)),
        ("warandpeace", ("3.3 MB", "public domain (USA)", "–", "War and Peace")),
        *((name, ("carried",)) for name in (*names(), "extra")),
        *((name, ("–",)) for name in (*(recipe.name for recipe in recipes()), "forms", "gone")),
    ):
        (line,) = [line for line in done.stdout.splitlines() if name in line.split()]
        assert all(part in line for part in parts), line


def test_the_list_as_json(run: Run) -> None:
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert rows["sea"]["title"] == load("sea").title, "ours wins"
    assert rows["sea"]["carried"]
    assert rows["sea"]["path"] is rows["sea"]["url"] is rows["forms"]["path"] is None
    for recipe in recipes():
        row = rows[recipe.name]
        assert [row[key] for key in ("size", "sha256", "url", "licence", "carried")] == [
            *(recipe.size, recipe.sha256, recipe.url, recipe.licence, False)
        ]


def test_what_is_fetched_is_printed_listed_and_shown(run: Run, tmp_path: Path) -> None:
    assert run("show", "forms").stdout.splitlines()[-1] == "Not fetched yet: polyloom data fetch forms"
    done = run("fetch", "forms")
    path = tmp_path / "cache/polyloom/data/forms.txt"
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{path}\n", "")
    assert path.read_bytes() == TEXT
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)}
    assert (rows["forms"]["path"], rows["forms"]["carried"]) == (str(path), False)
    shown = run("show", "forms", "--lines", "4").stdout.splitlines()
    assert shown[0] == "Forms of a house: 533 bytes"
    assert shown[-5:-1] == ["", "Forms:", "  line two", ""]
    assert shown[-1] == f"{TEXT.decode().splitlines()[3][:200]}…"


def test_a_folder_of_your_own(run: Run) -> None:
    assert run("fetch", "forms", "--folder", "texts").stdout == f"{Path('texts/forms.txt')}\n"
    assert json.loads(run("show", "forms", "--folder", "texts", "--lines", "1", "--json").stdout)["lines"] == ["Forms:"]
    assert "Not fetched" in run("show", "forms").stdout
    listed = run("list", "--folder", "texts").stdout
    assert sum("fetched" in line for line in listed.splitlines()) == 1


def test_one_that_fails_costs_no_other(run: Run) -> None:
    done = run("fetch", "gone", "sea", "forms", "forms", "--folder", "texts", "--json")
    assert done.exit_code == 1
    gone, sea, forms = json.loads(done.stdout)
    assert (gone["path"], sea["path"], forms) == (
        None,
        None,
        {"name": "forms", "path": "texts/forms.txt", "error": None},
    )
    assert "gone.txt: expected the file, got HTTP 404" in gone["error"]
    assert sea["error"] == "sea is carried and needs no fetching. See it: polyloom data show sea --text"
    assert done.stderr.splitlines() == [f"polyloom: {gone['error']}", f"polyloom: {sea['error']}"]


def test_offline_uses_what_is_there(run: Run) -> None:
    done = run("fetch", "forms", "--offline")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "expected Forms of a house from an earlier fetch, got none. Fetch it while there is a network" in done.stderr
    run("fetch", "forms")
    assert run("fetch", "forms", "--offline").exit_code == 0


def test_another_file_stays_without_force(run: Run) -> None:
    Path("forms.txt").write_text("mine", "utf-8")
    done = run("fetch", "forms", "--folder", ".")
    assert (done.exit_code, Path("forms.txt").read_text("utf-8")) == (1, "mine")
    assert "forms.txt: expected Forms of a house" in done.stderr
    assert run("fetch", "forms", "--folder", ".", "--force").exit_code == 0
    assert Path("forms.txt").read_bytes() == TEXT


def test_an_error_of_the_system_names_the_file(run: Run) -> None:
    Path("file").write_text("x", "utf-8")
    done = run("fetch", "forms", "--folder", "file")
    assert (done.exit_code, done.stderr) == (1, "polyloom: file: File exists\n")


def test_a_fault_of_ours_is_never_hidden(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("ours")

    monkeypatch.setattr(fetching, "_bring", broken)
    assert type(run("fetch", "forms").exception) is ValueError


def test_a_carried_text_is_shown(run: Run) -> None:
    done = run("show", "sea")
    assert done.stdout.startswith(f"{load('sea').card()}\n\n{load('sea').documents[0][:200]}")
    rows = json.loads(run("show", "sea", "--lines", "0", "--json").stdout)
    assert (rows["name"], rows["lines"], rows["size"]) == ("sea", [], load("sea").size)


def test_a_whole_text_is_printed_for_a_pipe(run: Run) -> None:
    Path("sea.txt").write_text(run("show", "sea", "--text").stdout, "utf-8")
    assert list(Texts([Path("sea.txt")]).documents()) == [text.strip("\n") for text in load("sea").documents]
    missing = run("show", "forms", "--text")
    assert (missing.exit_code, missing.stdout) == (1, "")
    assert "forms is not fetched yet: polyloom data fetch forms" in missing.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("fetch", "forms", "wurandpeace"), "no text 'wurandpeace'; there are sea, kitchen"),
        (("show", "Sea"), "Did you mean 'sea'?"),
        (("fetch",), "Missing argument"),
        (("show", "sea", "--lines", "-1"), "Invalid value for '--lines'"),
        (("lost",), "No such command 'lost'"),
    ],
)
def test_wrong_usage_is_two(run: Run, words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert not list(Path().iterdir())


def test_without_a_catalogue_it_says_so(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = plugins.found
    monkeypatch.setattr(plugins, "found", lambda group: {} if group == "polyloom.data" else found(group))
    done = run("list")
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "No package registers texts under polyloom.data. Install polyloom again." in done.stderr
