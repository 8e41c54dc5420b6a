"""The README is true: its code runs as written, its links lead somewhere, its figures are the measured ones."""

import json
import re
from io import StringIO
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_code_runs_as_written(capsys: pytest.CaptureFixture[str]) -> None:
    code = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(code) == 2
    names: dict[str, object] = {}
    exec("\n".join(code), names)
    names["Mixer"](names["mix"], held_out=names["held_out"]).close()
    shown = capsys.readouterr().out
    assert "'tide' after" in shown
    assert "'tide rather than moon' after" in shown
    assert "residual 0.000000" in shown


def test_your_own_text_runs_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = re.findall(r"^Your own text: `(.*?)`", README, re.M)
    (tmp_path / "mine.txt").write_text("The street is mine. The dog is mine too. Nobody may wake us.", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("builtins.open", lambda path: StringIO(Path(path).read_text(encoding="utf-8")))
    import polyloom
    from polyloom_datasets import load

    mix, _ = eval(line, {"polyloom": polyloom, "load": load})
    assert list(mix.layers) == ["me", "sea"]


def test_links_lead_somewhere() -> None:
    links = re.findall(r"""\]\(([^)#]+)\)|(?:src|srcset|href)="([^"]+)\"""", README)
    targets = [first or second for first, second in links]
    assert len(targets) >= 8
    assert [target for target in targets if not (ROOT / target).is_file()] == []


def test_it_is_short() -> None:
    assert len(README.splitlines()) < 150


def test_figures_are_the_measured_ones() -> None:
    rows = {row["name"]: row for row in json.loads((ROOT / "benchmarks/latest.json").read_text(encoding="utf-8"))}
    table = re.findall(r"^\| (.+?) \| ([\d,.]+) (\S+) \|", README.split("## Measured")[1].split("\n## ")[0], re.M)
    assert table
    for name, value, unit in table:
        assert unit == rows[name]["unit"]
        assert value == figure(rows[name]["value"]), name


def figure(value: float) -> str:
    """As the README prints it: three significant digits, thousands apart."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
