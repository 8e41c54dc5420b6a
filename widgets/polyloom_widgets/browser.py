"""A headless Chromium for the benchmarks, where there is one."""

import os
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")


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
