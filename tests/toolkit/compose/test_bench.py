"""The benchmark of mixes measures what its rows say; how fast they were is the benchmark's affair."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from polyloom.association import bench_measure, bench_speed, bench_text
from polyloom.cli.rows import Row
from polyloom.compose import bench

SMALL = {
    **{"NOVEL": 4000, "JUDGED": 800, "HELD_OUT": 400, "PROMPT": 50, "STEPS": 5, "FEW": 2},
    **{"FITTED": 300, "FITTED_LOG": 20, "LOG_STEPS": 3},
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, voices: dict[str, tuple[str, ...]]) -> None:
    for module in (bench_text, bench_speed, bench):
        for name in SMALL.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, SMALL[name])
    monkeypatch.setattr(bench_measure, "REPEATS", 1)
    monkeypatch.setattr(bench.bench_middle, "rows", no_rows)
    monkeypatch.setattr(bench.bench_optimise, "rows", no_rows)
    monkeypatch.setattr(bench.bench_routed, "rows", no_rows)
    (tmp_path / "one.py").write_text("\n".join([*voices["sea"], *voices["kitchen"]]), encoding="utf-8")
    monkeypatch.setattr(bench_text.sysconfig, "get_path", {"stdlib": str(tmp_path)}.__getitem__)


def no_rows(shared: Path | None) -> Iterator[Row]:
    """The others are tested by themselves."""
    del shared
    yield from ()


@pytest.mark.long
def test_every_row_has_a_figure_and_every_bar_its_row() -> None:
    found = list(bench.rows(None))
    assert [row.bar for row in found if row.bar] == ["value <= 50", "value <= 100", "value <= 30"]
    assert len({row.name for row in found}) == len(found)
    for row in found:
        assert row.group == "compose"
        assert row.value is not None
        assert row.value > 0 or row.unit == "nats/token"
        assert row.peer_value or not row.peer
    assert {pool for pool in ("linear", "log") for row in found if f"{pool} pool" in row.name} == {"linear", "log"}


@pytest.mark.long
def test_what_is_left_to_gain_is_what_the_certificate_says() -> None:
    found = [row for row in bench.rows(None) if row.name.startswith("fit_weights")]
    assert [row.unit for row in found] == ["s", "nats/token"] * 2
    for seconds, left in (found[:2], found[2:]):
        assert left.reason == seconds.reason
        assert f"gain more than {left.value:.1e} nats" in str(left.reason)
    assert [str(row.reason).split(":")[0] for row in found] == ["Newton"] * 4
