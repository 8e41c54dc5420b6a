"""The benchmark of memories measures what its rows say; how fast they were is the benchmark's affair."""

import json
from pathlib import Path

import pytest

from polyloom.memory import bench, bench_returning, bench_speed

SMALL = {"TOKENS": 2000, "TIMED": 20, "EARLIER": 2, "JUDGED": 1}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, voices: dict[str, tuple[str, ...]]) -> None:
    for module in (bench_speed, bench_returning):
        for name in SMALL.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, SMALL[name])
    (tmp_path / "one.py").write_text("\n\n".join([*voices["sea"], *voices["kitchen"]]), encoding="utf-8")
    monkeypatch.setattr(bench_speed.sysconfig, "get_path", {"stdlib": str(tmp_path)}.__getitem__)


@pytest.fixture
def dialogues(tmp_path: Path, voices: dict[str, tuple[str, ...]]) -> Path:
    """A folder of shared data with dialogues of two services, each in the words of a voice."""
    folder = tmp_path / "shared" / "data" / "text" / "dialogue_sgd"
    folder.mkdir(parents=True)
    found = [
        {"services": [name], "turns": [{"speaker": "USER", "utterance": text} for text in voices[name][n : n + 3]]}
        for name in ("sea", "kitchen")
        for n in range(0, 18, 3)
    ]
    (folder / "dialogues_001.json").write_text(json.dumps(found), encoding="utf-8")
    return tmp_path / "shared"


def test_every_row_has_a_figure_and_every_bar_its_row(dialogues: Path) -> None:
    found = list(bench.rows(dialogues))
    assert [row.bar for row in found if row.bar] == ["value >= 10", "value <= 5", "value <= 10"]
    assert len({row.name for row in found}) == len(found)
    for row in found:
        assert row.group == "memory"
        assert row.value is not None
        assert row.value > 0 or row.unit == "%"
    unknown, known = found[:2]
    assert unknown.value is not None
    assert known.value is not None
    assert unknown.value > known.value
    assert "2 services" in str(unknown.reason)


def test_without_dialogues_the_row_says_so() -> None:
    (row,) = bench_returning.rows(None)
    assert row.value is None
    assert row.met is None
    assert "needs dialogues" in str(row.reason)
