"""The benchmark of the desk measures what it says; how fast it was is the benchmark's affair."""

import pytest

from polyloom_widgets import bench


@pytest.mark.browser
def test_every_row_has_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LAYERS": 3, "POSITIONS": 128, "WORDS": 300, "LEARNED": 2000, "MOVES": 20}.items():
        monkeypatch.setattr(bench, name, value)
    rows = {row.name.split(" (")[0]: row for row in bench.rows()}
    assert list(rows) == ["fader move, Python, p95", "pointer to paint, Chromium, p95", "exported page"]
    for row in rows.values():
        assert row.group == "widgets"
        assert row.bar is not None
        assert row.value or row.reason
    assert rows["exported page"].met


def test_without_a_browser_the_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    for name, value in {"LAYERS": 2, "POSITIONS": 64, "WORDS": 100, "LEARNED": 1000, "MOVES": 3}.items():
        monkeypatch.setattr(bench, name, value)
    paint = next(row for row in bench.rows() if "paint" in row.name)
    assert paint.value is None
    assert paint.reason
    assert paint.met is None
