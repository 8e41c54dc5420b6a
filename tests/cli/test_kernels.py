"""`polyloom kernels` says what can be used here and why the rest cannot, and measures only on a GPU."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from polyloom.cli import kernels
from polyloom_kernels import _device, _measure, _table

app = typer.Typer()
app.command()(kernels.command)


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "OPERATIONS", {"count": ("cpu",), "recall": ("cpu", "cuda"), "history": ()})
    monkeypatch.setattr(_device, "why", lambda: "torch finds no GPU")
    monkeypatch.setattr(_table, "missing", lambda: None)


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_each_operation_has_a_line() -> None:
    done = run()
    assert done.exit_code == 0, done.output
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines == [
        ["operation", "reference", "cpu", "cuda"],
        ["count", "yes", "yes", "–"],
        ["recall", "yes", "yes", "no"],
        ["history", "yes", "–", "–"],
        ["cpu:", "yes"],
        ["cuda:", "torch", "finds", "no", "GPU"],
        ["shim:", "yes"],
    ]


def test_it_is_one_document_for_programs() -> None:
    assert json.loads(run("--json").stdout) == {
        "operations": {"count": {"cpu": True}, "recall": {"cpu": True, "cuda": False}, "history": {}},
        "reasons": {"cuda": "torch finds no GPU"},
    }


def test_without_a_gpu_nothing_is_measured(tmp_path: Path) -> None:
    done = run("--gpu", str(tmp_path / "gpu.json"))
    assert done.exit_code == 1
    assert str(done.exception) == "No GPU can be used here, so nothing was measured: torch finds no GPU."
    assert not list(tmp_path.iterdir())


def test_on_a_gpu_the_rows_are_kept_with_what_bounds_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def measured() -> tuple[dict[str, Any], Iterator[dict[str, Any]]]:
        about = {"device": "A GPU", "ceilings": {"copy": 4e12, "launch": 2e-6}}
        row = {"group": "kernels", "name": "recall", "unit": "M contexts/s", "better": "higher", "bar": "value >= 10"}
        return about, iter([row | {"value": 12.0, "limit": 48.0}])

    monkeypatch.setattr(_device, "why", lambda: None)
    monkeypatch.setattr(_measure, "measured", measured)
    done = run("--gpu", str(tmp_path / "gpu.json"))
    assert done.exit_code == 0, done.output
    assert "1 rows, 1 of 1 bars met" in done.stdout
    kept = json.loads((tmp_path / "gpu.json").read_text(encoding="utf-8"))
    assert list(kept) == ["date", "host", "device", "ceilings", "rows"]
    assert (kept["rows"][0]["limit_ratio"], kept["rows"][0]["met"]) == (0.25, True)
