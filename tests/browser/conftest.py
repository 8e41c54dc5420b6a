"""A real Chromium, and tabs that remember what they asked for and what they complained of.

pytest tests/browser --screenshots DIR     keeps the pictures that the tests take
pytest tests/browser --pictures docs       makes the pictures of the README and of the gallery anew
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browser.tab import Tab

if TYPE_CHECKING:
    from playwright.sync_api import Browser

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="DIR", help="keep the screenshots of the browser tests here")
    parser.addoption("--pictures", metavar="DIR", help="make the pictures of the README and of the gallery anew, here")


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    """A headless browser; for a module and no longer, since its event loop is in the way of others."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"no browser: set CHROMIUM, or install one of {', '.join(BROWSERS)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def open_tab(chromium: "Browser") -> Iterator[Callable[..., Tab]]:
    """Open tabs; at the end of the test none may have asked for anything outside or written to the console."""
    with ExitStack() as closing:
        tabs: list[Tab] = []

        def new(**options: object) -> Tab:
            tabs.append(Tab(chromium, **options))
            closing.callback(tabs[-1].close)
            return tabs[-1]

        yield new
        for tab in tabs:
            tab.check()


@pytest.fixture(scope="session")
def pictures(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures of the README and of the gallery go: into `docs` when asked, else nowhere that lasts."""
    given = request.config.getoption("--pictures", None)
    folder = Path(given) if given else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def shots(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where screenshots go."""
    given = request.config.getoption("--screenshots", None) or os.environ.get("POLYLOOM_SCREENSHOTS")
    folder = Path(given) if given else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
