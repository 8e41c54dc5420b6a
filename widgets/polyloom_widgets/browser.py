"""A headless Chromium for the benchmarks, where there is one, and what they measure in it."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")

# From the beginning of a page to the task after the first frame in which something stands in it: it is painted then.
FIRST = """
const begun = performance.now();
const look = () => requestAnimationFrame(() => {
  if (!document.querySelector("FOUND")) return look();
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => { window.painted = performance.now() - begun; };
  port2.postMessage(null);
});
look();"""
# How long the callbacks of each frame run.
FRAMES = """() => {
  window.drawn = [];
  const { requestAnimationFrame: ask } = window;
  window.requestAnimationFrame = (call) => ask.call(window, (now) => {
    const start = performance.now();
    call(now);
    window.drawn.push(performance.now() - start);
  });
}"""


@dataclass(frozen=True)
class Opening:
    """A page was opened without a network: ms until it stood there (None: it never did), and whom it asked."""

    paint: float | None
    asked: tuple[str, ...]


@contextmanager
def browsing() -> "Generator[tuple[Browser | None, str | None]]":
    """A browser and None, or None and the reason why there is none."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        yield None, "playwright is not installed"
        return
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        yield None, f"no browser: set CHROMIUM, or install one of {', '.join(BROWSERS)}"
        return
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        yield browser, None
        browser.close()


def opened(browser: "Browser", page: Path, found: str, patience: int) -> Opening:
    """Open a page without a network and wait until `found` stands in it, at most so many ms."""
    from playwright.sync_api import TimeoutError as Never

    context, asked = browser.new_context(viewport={"width": 1200, "height": 900}), dict[str, None]()
    context.set_offline(True)
    tab = context.new_page()
    tab.on("request", lambda request: asked.setdefault(urlsplit(request.url).netloc))
    tab.add_init_script(FIRST.replace("FOUND", found))
    tab.goto(page.as_uri())
    tab.set_default_timeout(patience)
    try:
        tab.wait_for_function("() => window.painted")
        paint = float(tab.evaluate("() => window.painted"))
    except Never:
        paint = None
    context.close()
    return Opening(paint, tuple(filter(None, asked)))


def gathered(tab: "Page", name: str) -> list[float]:
    """What the page has put into a list of that name, once it came to rest."""
    return tab.evaluate("(name) => new Promise((done) => setTimeout(() => done(window[name]), 200))", name)
