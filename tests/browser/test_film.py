"""The moving picture of the README, recorded from the real desk in real JupyterLab; made only when asked.

pytest tests/browser/test_film.py --pictures docs

At rest moon leads; the sea fader rises and tide overtakes (≈); on release the exact figures come (=); a click on tide
opens its receipt, down to the sentences it was counted in.  Beside it the same desk as one file that needs no Python.
"""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from browser.hand import Hand
from browser.lab import jupyterlab
from browser.tab import Tab
from polyloom import Layered
from polyloom.compose.weave import HeldOut
from polyloom_widgets import Mixer

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.lesson]
CELL = """import polyloom
from polyloom_datasets import load
from polyloom_widgets import Mixer
names = ("sea", "kitchen", "contracts", "lullabies", "field_guide")
mix, held_out = polyloom.weave({name: load(name) for name in names}, progress=False)
Mixer(mix, prompt="At night the", held_out=held_out)"""
KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}
PANELS = {  # a panel, and what stands in it once Python has answered
    "Credit": ".pl-credit li",
    "Likeness": ".pl-likeness td",
    "Reach": ".pl-reach-said:has-text('smallest change of')",
    "Lanes": ".pl-lanes-panel .pl-written",
}
WIDTH, HEIGHT = 760, 500  # pixels of the picture
LIMIT = 2_000_000  # bytes


@pytest.fixture
def docs(request: pytest.FixtureRequest, pictures: Path) -> Path:
    if request.config.getoption("--pictures", None) is None:
        pytest.skip("the moving picture is made with --pictures DIR")
    return pictures


@pytest.fixture(params=["Light", "Dark"])
def stage(
    request: pytest.FixtureRequest, docs: Path, chromium: "Browser", tmp_path: Path
) -> Iterator[tuple[str, Hand]]:
    """A desk in JupyterLab, 760 pixels wide."""
    notebook = tmp_path / "desk.ipynb"
    cells = [nbformat.v4.new_code_cell(CELL)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), notebook)
    with jupyterlab(notebook, tmp_path / "lab") as address:
        tab = Tab(chromium, width=1300, height=1700)
        page, hand = tab.page, Hand(tab.page)
        page.set_default_timeout(60_000)
        page.goto(address)
        page.wait_for_function("() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.isReady")
        run = "([name, given]) => window.jupyterapp.commands.execute(name, given)"
        page.evaluate(run, ["apputils:change-theme", {"theme": f"JupyterLab {request.param}"}])
        page.evaluate(run, ["application:toggle-left-area", {}])
        page.evaluate(run, ["notebook:run-all-cells", {}])
        page.locator(".pl-mixer .pl-row .pl-word").first.wait_for()
        wide = int(hand.desk.evaluate("desk => desk.offsetWidth"))
        page.set_viewport_size({"width": 1300 - wide + WIDTH, "height": 1700})
        hand.await_sign("=")
        yield request.param.lower(), hand
        tab.close()


def test_the_film(stage: tuple[str, Hand], docs: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    theme, hand = stage
    frames = [(image.open(BytesIO(shot)), milliseconds) for shot, milliseconds in _scenes(hand)]
    (first, _), *others = frames
    film = docs / f"desk-{theme}.webp"
    look = {"duration": [milliseconds for _, milliseconds in frames], "loop": 0, "quality": 82, "method": 4}
    first.save(film, save_all=True, append_images=[frame for frame, _ in others], **look)
    assert film.stat().st_size <= LIMIT


def test_the_panels_of_the_gallery(stage: tuple[str, Hand], docs: Path) -> None:
    """What the desk shows when it is asked for a closer look; an exported page has nobody to ask."""
    theme, hand = stage
    folder = docs / "gallery"
    folder.mkdir(exist_ok=True)
    for panel, shown in PANELS.items():
        hand.button(panel).click()
        if panel == "Reach":
            hand.desk.get_by_role("slider", name="Wanted probability").press("PageUp")
        if panel == "Lanes":
            _from_the_sea_to_the_law(hand)
        hand.find(shown).first.wait_for()
        hand.page.evaluate("() => document.activeElement.blur()")
        hand.page.mouse.move(0, 0)
        hand.settled()
        box = hand.find(".pl-closer").bounding_box()
        assert box is not None
        clip = {"x": box["x"] - 8, "y": box["y"], "width": box["width"] + 16, "height": box["height"] + 8}
        hand.page.screenshot(path=folder / f"{panel.lower()}-{theme}.png", clip=clip)


def _from_the_sea_to_the_law(hand: Hand) -> None:
    """Draw the lanes: the sea fades out while the contracts fade in, the others are silent."""
    ends = {"sea": ("End", "Home"), "contracts": ("Home", "End")}
    for name in ("sea", "kitchen", "contracts", "lullabies", "field_guide"):
        for end, key in zip(("first", "last"), ends.get(name, ("Home", "Home")), strict=True):
            hand.desk.get_by_role("slider", name=f"{name}, {end} point").press(key)
    hand.button("Write along the lanes").click()


def test_the_desk_in_one_file(docs: Path, woven: tuple[Layered, HeldOut]) -> None:
    mix, held_out = woven
    Mixer(mix, prompt="At night the", held_out=held_out).to_html(docs / "desk.html", title="Five voices")


def _scenes(hand: Hand) -> Iterator[tuple[bytes, int]]:
    """Pictures with how long each stands, in milliseconds; six seconds in all."""
    page = hand.page
    yield _shot(hand), 1300
    x, y = hand.grab("sea")
    for step in range(1, 16):
        page.mouse.move(x, y - 5 * step)
        hand.settled()
        yield _shot(hand), 100
    assert hand.sign() == "≈"
    page.mouse.up()
    page.mouse.move(0, 0)
    hand.await_sign("=")
    assert hand.words()[0] == "tide"
    yield _shot(hand), 700
    hand.find(".pl-row:not([data-blank])").first.click()
    hand.find(".pl-tree-row mark").first.wait_for()
    page.mouse.move(0, 0)
    top = page.evaluate("() => document.querySelector('.pl-receipt').offsetTop") - 8
    for step in range(1, 7):
        yield _shot(hand, top * step / 6), 60
    yield _shot(hand, top), 2600


def _shot(hand: Hand, below: float = 0) -> bytes:
    box = hand.desk.bounding_box()
    assert box is not None
    clip = {"x": box["x"], "y": box["y"] + below, "width": WIDTH, "height": HEIGHT}
    return hand.page.screenshot(clip=clip)
