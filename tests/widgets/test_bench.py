"""The benchmark of the desk measures what it says; how fast it was is the benchmark's affair."""

import pytest

from polyloom_widgets import bench, bench_attention, bench_roll

FACTS = ("fader move, Python, p95", "pointer to paint, Chromium, p95", "exported page")
ATTENTION = (
    "attention: bytes a cell of a head", "attention: first paint", "attention: click on a head to paint, p95",
    "attention: redraw under the hand, p95", "attention: page beside bertviz", "attention: first paint beside bertviz",
    "attention: hosts asked beside bertviz",
)  # fmt: skip

ROLL = (
    "piano roll: first paint", "piano roll: frame while scrolling, p95",
    "piano roll: frame with all notes in sight, p95",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "SIZES": ((24, 2),),
        "HEADS": 4,
        "SMALL": 12,
        "MOVES": 8,
        "OPENED": 1,
        "PATIENCE": 1000,
    }.items():
        monkeypatch.setattr(bench_attention, name, value)
    for name, value in {"NOTES": 60, "OPENED": 1, "SCROLLS": 4}.items():
        monkeypatch.setattr(bench_roll, name, value)


@pytest.mark.browser
def test_every_row_has_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"LAYERS": 3, "POSITIONS": 128, "WORDS": 300, "LEARNED": 2000, "MOVES": 20}.items():
        monkeypatch.setattr(bench, name, value)
    rows = {row.name.split(" (")[0]: row for row in bench.rows()}
    assert tuple(rows) == FACTS + ATTENTION + ROLL
    for row in rows.values():
        assert row.group == "widgets"
        assert row.bar is not None
        assert row.value is not None or row.reason
    assert rows["exported page"].met


def test_without_a_browser_the_row_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", "")
    for name, value in {"LAYERS": 2, "POSITIONS": 64, "WORDS": 100, "LEARNED": 1000, "MOVES": 3}.items():
        monkeypatch.setattr(bench, name, value)
    paints = [row for row in bench.rows() if "paint" in row.name]
    assert len(paints) == 5
    for paint in paints:
        assert paint.value is None
        assert paint.reason
        assert paint.met is None
