"""The benchmark of optimisation has a figure for every bar, and its peers do the same work; how fast is no test."""

from pathlib import Path

import numpy as np
import pytest

from polyloom.association import bench_measure, bench_text
from polyloom.compose import bench_optimise
from polyloom.mixture import mixture_optimum

SMALL = {
    **{"NOVEL": 6000, "JUDGED": 900, "HELD_OUT": 400, "WORDS": 60, "MANY": 4, "LAYERS": 3, "FITTED": 300},
    **{"CREDITED": 12, "READ": 50, "WISHES": 4, "PROMPT": 20},
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, voices: dict[str, tuple[str, ...]]) -> None:
    for module in (bench_text, bench_optimise):
        for name in SMALL.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, SMALL[name])
    monkeypatch.setattr(bench_measure, "REPEATS", 1)
    (tmp_path / "one.py").write_text("\n".join([*voices["sea"], *voices["kitchen"]]), encoding="utf-8")
    monkeypatch.setattr(bench_text.sysconfig, "get_path", {"stdlib": str(tmp_path)}.__getitem__)


@pytest.mark.long
def test_every_row_has_a_figure_and_every_bar_its_row() -> None:
    found = list(bench_optimise.rows(None))
    assert len({row.name for row in found}) == len(found) == 10
    for row in found:
        assert row.group == "compose"
        assert row.bar
        assert row.value is not None
        assert row.peer_value or not row.peer
    exact = [row for row in found if row.unit in ("nats/token", "nats", "percentage points")]
    assert len(exact) == 4
    assert all(row.met for row in exact)


def test_the_peers_compute_the_same() -> None:
    found = np.log(np.random.default_rng(1).random((3, 50)))
    rounds, gap = bench_optimise._plain(found)
    assert 1 < rounds < bench_optimise.ROUNDS
    assert gap <= bench_optimise.GAP
    assert mixture_optimum(found).gain <= gap
    assert len(bench_optimise._each_linear(found, np.full(3, 1 / 3))) == 7
