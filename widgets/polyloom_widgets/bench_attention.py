"""What a view of attention costs in a browser, beside bertviz (Vig 2019) on the same input.

    first paint        from the beginning of its page to the first frame in which the view stands
    control to paint   from the time stamp of a click on a head to the frame in which that head is drawn
    redraw             the script's part of a frame in which a token under the hand changes
    payload            bytes of the picture of one head that the page asks for, by its cells

The models have 512 tokens and 96 heads, and 1,024 tokens and 144 heads.  Bertviz gets fewer tokens, since its page
holds every share as text, and loads its libraries from outside: without a network its page stays empty, which the row
says.  It is measured where it is installed, and is no dependency.
"""

import tempfile
import warnings
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from polyloom.cli.rows import Row
from polyloom_widgets.attention.bertviz import head_view, model_view
from polyloom_widgets.attention.pictures import cells, picture
from polyloom_widgets.browser import FRAMES, Opening, browsing, gathered, opened

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES = ((512, 8), (1024, 12))  # tokens, layers
HEADS = 12
SMALL = 64  # tokens that bertviz can take
MOVES, OPENED = 60, 5
PATIENCE = 5000  # ms until a page is said to stay empty

# From the time stamp of an event to the task after the second frame: the view draws in the first one.
WAITS = """([kind, selector]) => {
  window.waits = [];
  document.querySelector(selector).addEventListener(kind, (event) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => window.waits.push(performance.now() - event.timeStamp);
    port2.postMessage(null);
  }), { capture: true });
}"""


def rows(shared: Path | None = None) -> Iterator[Row]:
    """The rows of attention in the group `widgets`; they need no data from outside."""
    del shared
    with tempfile.TemporaryDirectory() as name, browsing() as (browser, reason):
        for tokens, layers in SIZES:
            yield from _large(browser, Path(name), reason, tokens, layers)
        yield from _beside(browser, Path(name), reason)


def _large(browser: "Browser | None", folder: Path, reason: str | None, tokens: int, layers: int) -> Iterator[Row]:
    """What a view of so many tokens and heads costs, by itself."""
    large = model_view(_attention(tokens, layers), _words(tokens))
    size = f"{tokens} tokens, {layers * HEADS} heads"
    sent = len(cells(picture(large._readings[0], ["head", 0, 0])).tobytes())  # pyright: ignore[reportPrivateUsage]
    yield _row(f"attention: bytes a cell of a head ({size})", sent / tokens**2, "bytes", "value <= 1")
    page = large.to_html(folder / "large.html")
    large.close()
    first, click, drawn = _measured(browser, page) if browser else (None, None, None)
    yield _row(f"attention: first paint ({size})", first, "ms", "value <= 300", reason)
    yield _row(f"attention: click on a head to paint, p95 ({size})", click, "ms", "value <= 100", reason)
    yield _row(f"attention: redraw under the hand, p95 ({size})", drawn, "ms", "value <= 16", reason)


def _beside(browser: "Browser | None", folder: Path, reason: str | None) -> Iterator[Row]:
    """Page size, first paint and requests for the same attention in bertviz's head view."""
    layers = SIZES[0][1]
    size, ours, theirs = f"{SMALL} tokens, {layers * HEADS} heads", folder / "ours.html", folder / "theirs.html"
    view = head_view(_attention(SMALL, layers), _words(SMALL))
    view.to_html(ours)
    view.close()
    missing = _by_bertviz(theirs, layers)
    name = f"attention: page beside bertviz ({size})"
    yield _pair(name, ours.stat().st_size / 1e6, None if missing else theirs.stat().st_size / 1e6, "MB", missing)
    mine = opened(browser, ours, ".pl-arcs", PATIENCE) if browser else Opening(None, ())
    peer = opened(browser, theirs, "svg", PATIENCE) if browser and not missing else Opening(None, ())
    why = reason or missing or f"without a network its page stays empty: it asks {', '.join(peer.asked)}"
    yield _pair(f"attention: first paint beside bertviz ({size})", mine.paint, peer.paint, "ms", why)
    name, why = f"attention: hosts asked beside bertviz ({size})", reason or missing
    yield _pair(name, _count(mine, reason), _count(peer, why), "hosts", why)


def _count(opening: Opening, missing: str | None) -> float | None:
    return None if missing else float(len(opening.asked))


def _pair(name: str, value: float | None, peer: float | None, unit: str, reason: str | None) -> Row:
    bar, why = "value <= 0" if unit == "hosts" else "ratio >= 1", reason if value is None or peer is None else None
    return Row(
        group="widgets", name=name, value=value, unit=unit, peer="bertviz 1.4", peer_value=peer, bar=bar, reason=why
    )


def _by_bertviz(page: Path, layers: int) -> str | None:
    """Write bertviz's page, or say why there is none."""
    try:
        import torch

        bertviz: Any = import_module("bertviz")
    except ImportError as error:
        return f"{error.name} is not installed"
    shares = [torch.tensor(layer)[None] for layer in _attention(SMALL, layers)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # it leaves a file open
        found = bertviz.head_view(shares, _words(SMALL), html_action="return")
    page.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{found.data}", "utf-8")
    return None


def _row(name: str, value: float | None, unit: str, bar: str, reason: str | None = None) -> Row:
    return Row(
        group="widgets", name=name, value=value, unit=unit, bar=bar, reason=None if value is not None else reason
    )


def _attention(tokens: int, layers: int) -> NDArray[np.float32]:
    """Shares of a decoder's kind, (layers, heads, tokens, tokens)."""
    random, found = np.random.default_rng(0), np.empty((layers, HEADS, tokens, tokens), np.float32)
    for layer in found:
        layer[:] = np.tril(random.exponential(size=layer.shape).astype(np.float32) ** 3)
        layer /= layer.sum(-1, keepdims=True)
    return found


def _words(count: int) -> list[str]:
    return [f"word{n % 97}" for n in range(count)]


def _measured(browser: "Browser", page: Path) -> tuple[float, float, float]:
    """First paint (median of a few), click to paint and redraw (both p95), in ms."""
    paints = [opened(browser, page, ".pl-attention .pl-cells", PATIENCE).paint for _ in range(OPENED)]
    tab = browser.new_page(viewport={"width": 1200, "height": 900})
    tab.goto(page.as_uri())
    tab.wait_for_selector(".pl-head-cell")
    return float(np.median([one for one in paints if one is not None])), _clicks(tab), _redraws(tab)


def _clicks(tab: "Page") -> float:
    tab.evaluate(WAITS, ["click", ".pl-heads"])
    carried = tab.locator(".pl-head-cell")
    for move in range(MOVES):
        carried.nth(move % 6).click()
    return float(np.percentile(gathered(tab, "waits"), 95))


def _redraws(tab: "Page") -> float:
    box = tab.locator(".pl-matrix-field").bounding_box()
    assert box is not None, "there is a matrix"
    tab.evaluate(FRAMES)
    for move in range(MOVES):
        tab.mouse.move(box["x"] + 20 + 5 * move, box["y"] + 10 + 3 * move)
    return float(np.percentile(gathered(tab, "drawn"), 95))
