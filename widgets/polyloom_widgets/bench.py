"""`polyloom bench widgets`: what a moved fader costs, in Python and on the screen, and what an exported page weighs.

What attention costs stands in `bench_attention`, what a piano roll does in `bench_roll`.

The desk is a large one: 8 layers, 512 held-out positions, a vocabulary of 4,000 words.  Its models are fitted to random
text; a mix costs the same whatever its models have read.
"""

import json
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from polyloom.association.model import AssociationModel
from polyloom.cli.rows import Row
from polyloom.compose.layered import Layer, Layered
from polyloom.tokens.word import WordVocabulary
from polyloom_widgets import bench_attention, bench_roll
from polyloom_widgets.base.widget import PAGE_LIMIT
from polyloom_widgets.browser import browsing
from polyloom_widgets.mixer.mixer import Mixer
from polyloom_widgets.mixer.step import plain

if TYPE_CHECKING:
    from playwright.sync_api import Page

LAYERS, POSITIONS, WORDS = 8, 512, 4000
LEARNED = 20_000  # tokens of each layer
MOVES = 200

# From the time stamp of a pointer event to the first task after the frame that it caused: that frame is painted then.
WATCH = """() => {
  window.waits = [];
  addEventListener("pointermove", (event) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => window.waits.push(performance.now() - event.timeStamp);
    port2.postMessage(null);
  }), { capture: true });
}"""


def rows(shared: Path | None = None) -> Iterator[Row]:
    """The rows of the group `widgets`; it needs no data from outside."""
    desk = _desk()
    size = f"{LAYERS} layers, {POSITIONS} positions, {WORDS} words"
    moves = _moves(desk)
    yield Row(group="widgets", name=f"fader move, Python, p95 ({size})", value=moves, unit="ms", bar="value <= 50")
    with tempfile.TemporaryDirectory() as folder:
        page = desk.to_html(Path(folder) / "desk.html")
        paint, reason = _paint(page)
        name = f"pointer to paint, Chromium, p95 ({size})"
        yield Row(group="widgets", name=name, value=paint, unit="ms", bar="value <= 100", reason=reason)
        weight, limit = page.stat().st_size / 1e6, PAGE_LIMIT / 1e6
        name = f"exported page ({size})"
        yield Row(group="widgets", name=name, value=weight, unit="MB", limit=limit, bar=f"value <= {limit:g}")
    desk.close()
    yield from bench_attention.rows(shared)
    yield from bench_roll.rows(shared)


def _desk() -> Mixer:
    """A desk over models of random text, whose words are as uneven as words are."""
    random = np.random.default_rng(0)
    vocabulary = WordVocabulary(["<unk>", "</s>", *(f"word{n}" for n in range(WORDS - 2))])
    chances = 1 / np.arange(1, WORDS + 1)
    learned = random.choice(WORDS, (LAYERS, LEARNED // 100, 100), p=chances / chances.sum())
    models = [AssociationModel.fit(list(text), vocabulary, order=3, keep_text=True) for text in learned]
    layers = {f"layer {n}": Layer(model) for n, model in enumerate(models[1:], 2)}
    held_out = list(random.choice(WORDS, (POSITIONS // 64, 64), p=chances / chances.sum()))
    return Mixer(Layered(models[0], layers, name="layer 1"), prompt="word1 word2", held_out=held_out)


def _moves(desk: Mixer) -> float:
    """95th percentile in ms of taking in a released fader: checks, the new mix, its figures, the answer packed."""
    random, taken = np.random.default_rng(1), list[float]()
    for _ in range(MOVES):
        step = plain(random.uniform(0, 2, LAYERS).round(2).tolist())
        steps = [*desk.steps, step][-MOVES:]
        started = time.perf_counter()
        desk.set_state({"steps": steps, "cursor": len(steps) - 1})
        json.dumps([desk.exact, desk.steps])  # as a kernel packs what goes back
        taken.append(time.perf_counter() - started)
    return 1000 * float(np.percentile(taken, 95))


def _paint(page: Path) -> tuple[float | None, str | None]:
    """95th percentile in ms from a pointer's move on a fader to the painted frame, or why it could not be measured."""
    with browsing() as (browser, reason):
        if browser is None:
            return None, reason
        tab = browser.new_page(viewport={"width": 1200, "height": 900})
        tab.goto(page.as_uri())
        return float(np.percentile(_drag(tab), 95)), None


def _drag(tab: "Page") -> list[float]:
    """Take the first fader and move it up and down; the wait of each move in ms."""
    tab.evaluate(WATCH)
    box = tab.get_by_role("slider").first.bounding_box()
    assert box is not None, "a desk has a fader"
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(x, y)
    tab.mouse.down()
    for move in range(MOVES):
        tab.mouse.move(x, y + 50 * math.sin(move / 5))
    tab.mouse.up()
    return tab.evaluate("() => new Promise((done) => setTimeout(() => done(window.waits), 100))")
