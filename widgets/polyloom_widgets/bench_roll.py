"""What a piano roll of many notes costs in a browser.

    first paint   from the beginning of its page to the first frame in which the roll stands
    scroll        the script's part of a frame while the roll scrolls through the notes
    all of it     the same while every note can be seen

The score has 5,000 notes in four parts.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from polyloom.cli.rows import Row
from polyloom.music.score import Score
from polyloom_widgets.browser import FRAMES, browsing, gathered, opened
from polyloom_widgets.roll.roll import PianoRoll

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NOTES, PARTS = 5000, 4
OPENED, SCROLLS = 5, 60
PATIENCE = 5000  # ms until a page is said to stay empty
# Scrolls so far again and again; the roll is told so even where nothing is left to scroll.
SCROLL = """([count, far]) => new Promise((done) => {
  const field = document.querySelector(".pl-roll-field");
  let n = 0;
  const on = () => {
    n += 1;
    field.scrollLeft += far;
    field.dispatchEvent(new Event("scroll"));
    if (n < count) setTimeout(on, 20); else done();
  };
  window.drawn = [];
  on();
})"""


def rows(shared: Path | None = None) -> Iterator[Row]:
    """The rows of the roll in the group `widgets`; they need no data from outside."""
    del shared
    view, size = PianoRoll(_score()), f"{NOTES:,} notes"
    with tempfile.TemporaryDirectory() as name, browsing() as (browser, reason):
        page = view.to_html(Path(name) / "roll.html")
        first, scroll, whole = _measured(browser, page) if browser else (None, None, None)
        yield _row(f"piano roll: first paint ({size})", first, "value <= 300", reason)
        yield _row(f"piano roll: frame while scrolling, p95 ({size})", scroll, "value <= 16", reason)
        yield _row(f"piano roll: frame with all notes in sight, p95 ({size})", whole, "value <= 16", reason)
    view.close()


def _row(name: str, value: float | None, bar: str, reason: str | None) -> Row:
    why = None if value is not None else reason or "the page stayed empty"
    return Row(group="widgets", name=name, value=value, unit="ms", bar=bar, reason=why)


def _score() -> Score:
    """Notes of many lengths, in parts that overlap."""
    random = np.random.default_rng(0)
    onsets = np.sort(random.integers(0, 120 * NOTES, NOTES))
    lengths, pitches = random.integers(60, 960, NOTES), random.integers(36, 90, NOTES)
    parts = random.integers(0, PARTS, NOTES)
    rows = zip(onsets.tolist(), lengths.tolist(), pitches.tolist(), parts.tolist(), strict=True)
    return Score.of((onset, length, pitch, 80, part, 8 * part, part) for onset, length, pitch, part in rows)


def _measured(browser: "Browser", page: Path) -> tuple[float | None, float, float]:
    """First paint (median of a few), and frames (p95) while scrolling and with all in sight, in ms."""
    paints = [opened(browser, page, ".pl-roll-canvas[style]", PATIENCE).paint for _ in range(OPENED)]
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    tab.goto(page.as_uri())
    tab.wait_for_selector(".pl-roll-canvas[style]")
    tab.evaluate(FRAMES)
    tab.evaluate(SCROLL, [SCROLLS, 90])
    scroll = float(np.percentile(gathered(tab, "drawn"), 95))
    tab.get_by_role("button", name="Fit").click()
    tab.evaluate(SCROLL, [SCROLLS, 0])
    whole = float(np.percentile(gathered(tab, "drawn"), 95))
    tab.close()
    seen = [one for one in paints if one is not None]
    return float(np.median(seen)) if seen else None, scroll, whole
