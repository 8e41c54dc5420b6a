"""The first lesson in real JupyterLab: all cells run, the desk appears, and a hand on it is heard by Python.

The tests share one session and run in order, as a visitor's morning does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from browser.hand import Hand, number
from browser.lab import jupyterlab
from browser.tab import Tab
from polyloom import Layered
from polyloom.compose.weave import HeldOut

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.lesson]
LESSON = Path(__file__).parents[2] / "notebooks" / "01_weave.ipynb"
PROMPT = "At night the"
FIRST_DESK = 10_000  # milliseconds from "run all" on a fresh kernel until the desk can be seen

READY = "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.isReady"
RUN_ALL = """async () => {
  const panel = window.jupyterapp.shell.currentWidget;
  await panel.sessionContext.ready;
  await panel.sessionContext.session.kernel.info;
  window.ran = false;
  window.jupyterapp.commands.execute("notebook:run-all-cells").then(() => { window.ran = true; });
}"""
CELLS = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.widgets.map((cell) => cell.model);
  const errors = (cell) => cell.outputs.toJSON().filter((one) => one.output_type === "error").map((one) => one.evalue);
  const told = (cell) => ({ count: cell.executionCount, errors: errors(cell) });
  return cells.filter((cell) => cell.type === "code").map(told);
}"""


@dataclass
class Lesson:
    """The lesson in a tab, run from top to bottom; the hand is on its first desk."""

    tab: Tab
    hand: Hand

    def command(self, name: str, **given: Any) -> None:
        self.tab.page.evaluate("([name, given]) => window.jupyterapp.commands.execute(name, given)", [name, given])


@pytest.fixture(scope="module")
def lesson(chromium: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lesson]:
    with jupyterlab(LESSON, tmp_path_factory.mktemp("lab")) as address:
        tab = Tab(chromium, width=1300, height=1000)
        tab.page.set_default_timeout(60_000)
        tab.page.goto(address)
        tab.page.wait_for_selector(".jp-Notebook .jp-Cell")
        tab.page.wait_for_function(READY)
        tab.page.evaluate(RUN_ALL)
        tab.page.locator(".polyloom.pl-mixer .pl-row .pl-word").first.wait_for(timeout=FIRST_DESK)
        yield Lesson(tab, Hand(tab.page))
        tab.close()


@pytest.fixture
def hand(lesson: Lesson) -> Hand:
    """The first desk with all faders at one."""
    hand = lesson.hand
    hand.desk.scroll_into_view_if_needed()
    if hand.desk.get_by_label("Preset").input_value() != "1":
        hand.desk.get_by_label("Preset").select_option("all equal")
    hand.await_sign("=")
    assert hand.weight("sea") == 1
    return hand


def chances(mix: Layered) -> dict[str, float]:
    return dict(mix.predict(PROMPT, k=10))


def test_all_cells_run_without_an_error(lesson: Lesson) -> None:
    lesson.tab.page.wait_for_function("() => window.ran")
    cells = lesson.tab.page.evaluate(CELLS)
    assert len(cells) > 10
    assert [cell["errors"] for cell in cells] == [[]] * len(cells)
    assert [cell["count"] for cell in cells] == list(range(1, len(cells) + 1))


def test_the_desk_shows_the_mix(hand: Hand, woven: tuple[Layered, HeldOut]) -> None:
    mix, held_out = woven
    assert hand.chances() == pytest.approx(chances(mix), abs=0.0006)
    assert hand.perplexity() == pytest.approx(mix.perplexity(held_out), abs=0.051)
    assert list(hand.slices()) == list(held_out)


def test_the_sea_by_keyboard(hand: Hand, woven: tuple[Layered, HeldOut]) -> None:
    mix, held_out = woven
    louder = mix.with_weights(sea=1.05)
    hand.fader("sea").focus()
    hand.page.keyboard.down("ArrowUp")
    hand.settled()
    assert (hand.weight("sea"), hand.sign()) == (1.05, "≈")
    hand.page.keyboard.up("ArrowUp")
    hand.await_sign("=")
    assert hand.perplexity() == pytest.approx(louder.perplexity(held_out), abs=0.051)
    assert hand.chances() == pytest.approx(chances(louder), abs=0.0006)
    hand.page.keyboard.press("Control+z")
    hand.await_sign("=")
    assert hand.weight("sea") == 1


def test_the_sea_by_mouse(hand: Hand, woven: tuple[Layered, HeldOut]) -> None:
    """Cell 6 of the lesson: push the sea, see its word rise; solo the lullabies; undo the way back."""
    mix, held_out = woven
    before, perplexity = hand.chances(), hand.perplexity()
    x, y = hand.grab("sea")
    for n in range(1, 16):
        hand.page.mouse.move(x, y - 5 * n)
        hand.settled()
        assert hand.sign() == "≈", "the figures of a moving hand are the page's"
    assert hand.weight("sea") == 2
    dragged = hand.chances()
    hand.page.mouse.up()
    hand.await_sign("=")
    louder = mix.with_weights(sea=2.0)
    assert hand.chances() == pytest.approx(chances(louder), abs=0.0006) == dragged
    assert hand.words()[:2] == [word for word, _ in louder.predict(PROMPT, k=2)]
    assert hand.chances()["tide"] > 1.5 * before["tide"]
    assert hand.perplexity() == pytest.approx(louder.perplexity(held_out), abs=0.051) != perplexity
    hand.button("solo lullabies").click()
    hand.await_sign("=")
    assert hand.words()[0] == mix.models["lullabies"].predict(PROMPT, k=1)[0][0]
    hand.button("Undo").click()
    hand.button("Undo").click()
    hand.await_sign("=")
    assert (hand.weight("sea"), hand.chances()) == (1, before)


def test_a_receipt(hand: Hand, lesson: Lesson, shots: Path) -> None:
    hand.find(".pl-row").filter(has_text="tide").first.click()
    hand.settled()
    receipt = hand.find(".pl-receipt:not([data-waiting])")
    receipt.locator(".pl-tree-foot").wait_for()
    total, residual = receipt.locator(".pl-tree-foot .pl-tree-number").all_text_contents()
    assert number(total) == pytest.approx(hand.chances()["tide"], abs=0.0006)
    assert residual == "0.000000"
    assert "tide" in receipt.locator("[data-line]:visible mark").all_text_contents()
    assert lesson.tab.faults(".pl-mixer") == []
    lesson.tab.shoot(shots / "lab-receipt.png")
    receipt.get_by_role("button", name="Close the receipt").click()
    hand.settled()
    assert not hand.find(".pl-receipt").is_visible()


def test_python_hears_and_speaks(hand: Hand, lesson: Lesson) -> None:
    """What Python sets, the page shows: the second view of the same desk follows the first."""
    second = Hand(lesson.tab.page, 1)
    hand.fader("kitchen").focus()
    hand.page.keyboard.press("End")
    hand.await_sign("=")
    second.await_sign("=")
    assert second.weight("kitchen") == 2
    assert second.chances() == hand.chances()
    hand.button("Fit").click()
    hand.find("[role=slider][aria-label=kitchen]:not([aria-valuenow='2'])").wait_for()
    hand.await_sign("=")
    assert hand.headline().startswith("\u2212"), "what was fitted to the held-out text reads it better"


def test_generate_and_another_prompt(hand: Hand, woven: tuple[Layered, HeldOut]) -> None:
    mix, _ = woven
    hand.button("Generate").click()
    hand.find(".pl-writing").wait_for()
    assert hand.find(".pl-written").count() >= 1
    assert hand.page.evaluate("() => document.activeElement.textContent") == "Generate", "the focus stays"
    hand.desk.get_by_label("Prompt").fill("In the morning the")
    first = mix.predict("In the morning the", k=1)[0][0]
    hand.find(".pl-row .pl-word").first.get_by_text(first, exact=True).wait_for()
    hand.await_sign("=")
    assert hand.chances() == pytest.approx(dict(mix.predict("In the morning the")), abs=0.0006)
    hand.button("held-out text").click()
    hand.find(".pl-where").get_by_text("1 /").wait_for()
    hand.button("One word on").click()
    hand.find(".pl-where").get_by_text("2 /").wait_for()
    hand.await_sign("=")
    assert hand.find("[data-actual]").count() >= 1
    hand.button("own text").click()
    hand.desk.get_by_label("Prompt").fill(PROMPT)
    hand.page.keyboard.press("Enter")
    hand.find(".pl-row .pl-word").first.get_by_text(mix.predict(PROMPT, k=1)[0][0], exact=True).wait_for()


def test_the_notebook_keeps_its_keys_to_itself(hand: Hand, lesson: Lesson) -> None:
    """D D deletes a cell, B adds one, Z takes it back: not while a fader has the focus."""
    cells = lesson.tab.page.locator(".jp-Cell").count()
    hand.fader("sea").focus()
    for key in ("d", "d", "b", "a", "x", "z", "m"):
        hand.page.keyboard.press(key)
    hand.settled()
    assert lesson.tab.page.locator(".jp-Cell").count() == cells


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_themes_and_a_narrow_window(hand: Hand, lesson: Lesson, shots: Path, theme: str) -> None:
    lesson.command("apputils:change-theme", theme=f"JupyterLab {theme}")
    page = lesson.tab.page
    page.wait_for_function("dark => document.body.dataset.jpThemeLight === String(!dark)", arg=theme == "Dark")
    for width in (1300, 620):
        page.set_viewport_size({"width": width, "height": 1000})
        hand.desk.scroll_into_view_if_needed()
        page.mouse.move(0, 0)
        hand.settled()
        lesson.tab.shoot(shots / f"lab-{theme.lower()}-{width}.png")
        lesson.tab.shoot(shots / f"lab-{theme.lower()}-{width}-window.png", "")
        assert lesson.tab.faults(".pl-mixer") == []
        sticks = page.evaluate(
            "() => { const one = document.querySelector('.pl-mixer'); return one.scrollWidth - one.clientWidth; }"
        )
        assert sticks <= 0
    page.set_viewport_size({"width": 1300, "height": 1000})


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_the_pictures_of_the_readme(hand: Hand, lesson: Lesson, pictures: Path, theme: str) -> None:
    """The real desk, 760 pixels wide, after the sea was pushed up; its second view, in which nothing was written."""
    page, hand = lesson.tab.page, Hand(lesson.tab.page, 1)
    hand.desk.scroll_into_view_if_needed()
    lesson.command("apputils:change-theme", theme=f"JupyterLab {theme}")
    page.wait_for_function("dark => document.body.dataset.jpThemeLight === String(!dark)", arg=theme == "Dark")
    page.set_viewport_size({"width": 1300, "height": 1000})
    page.set_viewport_size({"width": 1300 - width(hand) + 760, "height": 1000})
    hand.fader("sea").focus()
    page.keyboard.press("End")
    page.evaluate("() => document.activeElement.blur()")
    page.mouse.move(0, 0)
    hand.await_sign("=")
    assert width(hand) == 760
    assert hand.desk.evaluate("desk => desk.offsetHeight") <= 580
    assert hand.words()[0] == "tide"
    picture = pictures / f"desk-{theme.lower()}.png"
    hand.desk.screenshot(path=picture)
    assert picture.stat().st_size <= 300_000
    page.set_viewport_size({"width": 1300, "height": 1000})


def width(hand: Hand) -> int:
    hand.settled()
    return int(hand.desk.evaluate("desk => desk.offsetWidth"))


def test_nothing_was_asked_of_the_world_and_nothing_complained(lesson: Lesson) -> None:
    lesson.tab.check()


def test_when_the_kernel_is_gone_the_desk_says_so(hand: Hand, lesson: Lesson) -> None:
    lesson.tab.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    hand.fader("sea").focus()
    hand.page.keyboard.press("End")
    hand.settled()
    assert (hand.weight("sea"), hand.sign()) == (2, "≈")
    hand.find(".pl-banner").get_by_text("The kernel does not answer: figures are frozen.").wait_for()
