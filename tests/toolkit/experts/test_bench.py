"""The rows of `polyloom bench experts`, on a small package: all there, and what can be said of sizes holds."""

import pytest

from polyloom.experts import bench, bench_manager, bench_resolve


def test_every_row_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "NUMBERS", 100_000)
    monkeypatch.setattr(bench, "REPEATS", 1)
    monkeypatch.setattr(bench_resolve, "SETS", 20)
    for name, value in {"WORDS": 20, "WIDTH": 32, "LAYERS": 1, "REPEATS": 1, "NAMES": ("expert-0", "expert-1")}.items():
        monkeypatch.setattr(bench_manager, name, value)
    rows = list(bench.rows(None))
    assert [row.group for row in rows] == ["experts"] * 13
    assert all(row.value for row in rows if row.unit != "sets")
    assert [row.met for row in rows if row.unit == "share"] == [True]
    assert [row.met for row in rows if row.unit == "sets"] == [True]
    sizes = {row.name: row for row in rows if row.unit == "MB"}
    assert (sizes["size, compressed"].ratio or 0) > 1.05
    assert sizes["size, mapped"].met
