import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.plug import plug
from polyloom.cli.main import app

BENCH = """
from polyloom.cli.rows import Row

def good(shared):
    where = None if shared is None else shared.name
    yield Row(group='good', name='a', value=2.0, unit='ms', peer='other', peer_value=4.0, bar='ratio >= 2')
    yield dict(group='good', name='b', value=None, unit='ms', bar='value <= 1', reason=f'data in {where}')

def bad(shared):
    yield Row(group='bad', name='c', value=1.0, unit='ms', bar='value <= 0.5')
    raise RuntimeError('out of paper')
"""


@pytest.fixture(autouse=True)
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = "[polyloom.benchmarks]\ngood = plugged_bench:good\nbad = plugged_bench:bad\ngone = plugged_gone:rows\n"
    plug(tmp_path / "plugs", "more", entries, plugged_bench=BENCH)
    monkeypatch.syspath_prepend(str(tmp_path / "plugs"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def bench(*words: str) -> Result:
    return CliRunner().invoke(app, ["bench", *words])


def test_rows_are_printed_and_kept(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    done = bench("good", "--json", "new/rows.json", "--shared", "plugs")
    assert done.exit_code == 0, done.output
    for text in ("2 ms", "other: 4 ms", "2 ×", "ratio >= 2 ✓", "data in plugs", "2 rows, 1 of 2 bars met"):
        assert text in done.stdout
    kept = json.loads((tmp_path / "new/rows.json").read_text(encoding="utf-8"))
    figures = [tuple(row[key] for key in ("name", "value", "ratio", "met")) for row in kept]
    assert figures == [("a", 2, 2, True), ("b", None, None, None)]
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["rows.json"]


def test_a_group_that_fails_costs_no_other_rows(tmp_path: Path) -> None:
    done = bench("gone", "bad", "good", "--json", "rows.json")
    assert done.exit_code == 1
    gone, bad = done.stderr.splitlines()
    assert gone.startswith("polyloom: gone (plugged_gone:rows of more) cannot be loaded")
    assert bad == "polyloom: benchmark bad: RuntimeError: out of paper"
    kept = json.loads((tmp_path / "rows.json").read_text(encoding="utf-8"))
    assert [row["name"] for row in kept] == ["c", "a", "b"]
    assert "value <= 0.5 ✗" in done.stdout


def test_rows_of_other_groups_stay(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    old = [{"group": "good", "name": "old"}, {"group": "other", "name": "z"}]
    path.write_text(json.dumps(old), encoding="utf-8")
    assert bench("good", "--json", "rows.json").exit_code == 0
    assert [row["name"] for row in json.loads(path.read_text(encoding="utf-8"))] == ["a", "b", "z"]


def test_a_file_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.json").write_text('{"my": "data"}', encoding="utf-8")
    done = bench("good", "--json", "rows.json")
    assert done.exit_code != 0
    assert "holds no rows" in done.stderr
    assert (tmp_path / "rows.json").read_text(encoding="utf-8") == '{"my": "data"}'


def test_rows_go_to_standard_output_alone() -> None:
    done = bench("good", "--json", "-")
    assert [row["name"] for row in json.loads(done.stdout)] == ["a", "b"]
    assert "2 rows, 1 of 2 bars met" in done.stderr


def test_a_folder_that_is_missing_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    done = bench("bad", "--json", "new/rows.json")
    assert done.exit_code == 1
    assert done.stderr == "polyloom: There is no folder new to write rows.json in. Make it first.\n"
    assert done.stdout == ""
    assert not (tmp_path / "new").exists()


def test_traceback_shows_where_a_group_fails() -> None:
    done = CliRunner().invoke(app, ["--traceback", "bench", "bad"])
    assert isinstance(done.exception.__cause__ if done.exception else None, RuntimeError)
