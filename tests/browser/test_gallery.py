"""The pictures of docs/gallery.md: views that the lessons made, as pages without Python; made only when asked.

pytest tests/browser/test_gallery.py --pictures docs

A lesson is run as it stands, and a last cell exports its views; the pages are then photographed in light and dark.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from browser.tab import Tab
from browser.test_lesson import LESSON
from browser.view import opened, settled

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.lesson]
EXPORTS = {
    "00_tour": """
desk.to_html("desk.html", title="Two voices under faders")
story.to_html("generation.html", title="A text and its fork")
look.to_html("attention.html", title="A head that copies")
RoutingView(router, "The captain shall pay for the net").to_html("router.html", title="A router says why")
""",
    "04_mixture_of_experts": """
view.to_html("routing.html", title="Six experts share the letters")
watched.to_html("training.html", title="A training, and how six experts share the work")
""",
    "05_experts": """
rack.to_html("rack.html", title="A cook and a lawyer in a rack")
""",
    "07_music": """
desk.to_html("music.html", title="Four styles under faders")
PianoRoll(tune, note=8, zoom=30).to_html("roll.html", title="Four styles write a tune")
ListenAB(study, filled, names=("as it was", "filled in")).to_html("listen.html", title="Can you tell them apart?")
""",
}
LIMIT = 200_000  # bytes of a picture


@pytest.fixture(scope="module")
def gallery(request: pytest.FixtureRequest, pictures: Path) -> Path:
    """The folder, with the pages in it."""
    if request.config.getoption("--pictures", None) is None:
        pytest.skip("the gallery is made with --pictures DIR")
    client = pytest.importorskip("nbclient")
    folder = pictures.resolve() / "gallery"
    folder.mkdir(exist_ok=True)
    for name, last in EXPORTS.items():
        lesson = nbformat.read(LESSON.with_name(f"{name}.ipynb"), as_version=4)
        lesson.cells.append(nbformat.v4.new_code_cell(f"import os\nos.chdir({str(folder)!r})\n{last}"))
        where = request.getfixturevalue("tmp_path_factory").mktemp(name)
        client.NotebookClient(lesson, timeout=300, resources={"metadata": {"path": str(where)}}).execute()
    return folder


def louder(page: "Page") -> None:
    """The contracts as loud as they can be."""
    page.get_by_role("slider", name="contracts", exact=True).press("End")


def fork(page: "Page") -> None:
    """The word at which the two texts part."""
    page.locator(".pl-words [data-parts]").click()


def letter(page: "Page") -> None:
    """A letter in the second round of the row."""
    page.locator(".pl-token").nth(15).click()


def lines(page: "Page") -> None:
    """The same head as lines."""
    letter(page)
    page.get_by_role("button", name="Lines").click()


def expert(page: "Page") -> None:
    """A letter whose decision is opened."""
    page.locator(".pl-token").nth(5).click()


def without_captain(page: "Page") -> None:
    """Both features of the captain put out."""
    for name in ("captain", "the captain"):
        page.get_by_role("slider", name=f"strength of {name}", exact=True).press("Home")


def chorales(page: "Page") -> None:
    """The chorales as loud as they can be."""
    page.get_by_role("slider", name="chorale", exact=True).press("End")


def inside(page: "Page") -> None:
    """A place in the bar that was filled in."""
    page.locator(".pl-field").click(position={"x": 145, "y": 20})


def bar(page: "Page") -> None:
    """A bar as a loop, and the play head in it."""
    page.locator(".pl-roll-field").press("l")
    page.locator(".pl-roll-canvas").click(position={"x": 46 + 30 * 9, "y": 12})


PICTURES: dict[str, tuple[str, Callable[["Page"], None] | None]] = {
    "desk": ("desk", louder),
    "generation": ("generation", fork),
    "training": ("training", None),
    "attention": ("attention", letter),
    "attention-lines": ("attention", lines),
    "routing": ("routing", expert),
    "router": ("router", without_captain),
    "rack": ("rack", None),
    "music": ("music", chorales),
    "roll": ("roll", bar),
    "listen": ("listen", inside),
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture(gallery: Path, open_tab: Callable[..., Tab], name: str, dark: bool) -> None:
    page_name, prepare = PICTURES[name]
    tab = opened(open_tab, gallery / f"{page_name}.html", dark=dark)
    if prepare:
        prepare(tab.page)
    tab.page.mouse.move(0, 0)
    tab.page.evaluate("() => document.activeElement.blur()")
    settled(tab.page)
    file = gallery / f"{name}-{'dark' if dark else 'light'}.png"
    tab.shoot(file)
    assert file.stat().st_size < LIMIT
