"""The tour and the later lessons in real JupyterLab: all runs, is drawn in light and dark, and answers a hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from browser.lab import jupyterlab
from browser.tab import Tab
from browser.test_lesson import CELLS, LESSON, READY, RUN_ALL

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.lesson]
LESSONS = [path for path in sorted(LESSON.parent.glob("*.ipynb")) if path != LESSON]
# For each kind of view what is done on it by keyboard: where, which key, and the words that must become others.
# The members of a mix have no slider; they are asked what it would cost if one spoke alone.
MOVES = {
    "pl-mixer": [("[role=slider]", "End", ".pl-p")],
    "pl-generation": [
        (".pl-written", "Enter", ".pl-alternatives .pl-title"),
        (".pl-option:not([data-came])", "Enter", ".pl-branch-name"),
    ],
    "pl-training": [(".pl-plot-field", "Home", ".pl-reading")],
    "pl-attention": [(".pl-head-cell[aria-selected=false]", "Enter", ".pl-said")],
    "pl-routing:not(:has(.pl-slider-field:not([hidden])))": [("[data-alone]", "Enter", ".pl-load-cost")],
    "pl-routing": [("[type=range]", "End", ".pl-load-share")],
    "pl-roll": [(".pl-roll-field", "ArrowRight", ".pl-note-name")],
    "pl-listen": [("[data-way=abx]", "Enter", ".pl-task")],
    "pl-rack": [(".pl-button[aria-pressed=true]", "Enter", ".pl-next-figures")],
}
WORDS = "([view, where]) => [...view.querySelectorAll(where)].map((one) => one.textContent).join()"
OTHERS = f"([view, where, before]) => ({WORDS})([view, where]) !== before"
LONG = 600_000  # milliseconds that all cells may take on a machine that is busy with other tests


@pytest.fixture(scope="module", params=LESSONS, ids=lambda path: path.stem)
def lesson(
    request: pytest.FixtureRequest, chromium: "Browser", tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Tab]]:
    """A lesson in a tab, run from top to bottom."""
    path: Path = request.param
    with jupyterlab(path, tmp_path_factory.mktemp("lab")) as address:
        tab = Tab(chromium, width=1300, height=1000)
        tab.page.set_default_timeout(60_000)
        tab.page.goto(address)
        tab.page.wait_for_selector(".jp-Notebook .jp-Cell")
        tab.page.wait_for_function(READY)
        tab.page.evaluate(RUN_ALL)
        tab.page.wait_for_function("() => window.ran", timeout=LONG)
        yield path, tab
        tab.close()


def kept(path: Path, kind: str) -> int:
    """How many outputs of a kind the lesson keeps."""
    cells = nbformat.read(path, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return sum(kind in output.get("data", {}) for output in outputs)


def test_all_cells_run_without_an_error(lesson: tuple[Path, Tab]) -> None:
    cells = lesson[1].page.evaluate(CELLS)
    assert [cell["errors"] for cell in cells] == [[]] * len(cells)
    assert [cell["count"] for cell in cells] == list(range(1, len(cells) + 1))


def test_every_view_is_alive_and_every_training_was_watched_to_its_end(lesson: tuple[Path, Tab]) -> None:
    path, tab = lesson
    views = tab.page.locator(".jp-OutputArea .polyloom")
    assert views.count() == kept(path, "application/vnd.jupyter.widget-view+json")
    for training in tab.page.locator(".polyloom.pl-training").all():
        assert training.locator(".pl-remark").inner_text().startswith("all steps done")
        assert training.locator(".pl-held[d^=M]").count() == 1


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_every_figure_is_drawn_in_both_themes(lesson: tuple[Path, Tab], shots: Path, theme: str) -> None:
    path, tab = lesson
    page, dark = tab.page, theme == "Dark"
    page.evaluate(
        "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", f"JupyterLab {theme}"
    )
    page.wait_for_function("(dark) => document.body.dataset.jpThemeLight === String(!dark)", arg=dark)
    figures = page.locator(".jp-OutputArea .js-plotly-plot .main-svg:first-child")
    assert figures.count() == kept(path, "application/vnd.plotly.v1+json")
    for at, cell in enumerate(page.locator(".jp-CodeCell").all()):
        if cell.locator(".jp-OutputArea-output").count():
            cell.scroll_into_view_if_needed()
            cell.screenshot(path=shots / f"{path.stem}-{theme.lower()}-{at + 1:02}.png")
    if page.locator(".polyloom").count():
        assert tab.faults(".polyloom") == []


def test_every_view_answers_a_hand(lesson: tuple[Path, Tab]) -> None:
    """A fader, a slider, a head, another word; in a lesson without views a line of a figure is put out."""
    page = lesson[1].page
    views = page.locator(".jp-OutputArea .polyloom").all()
    for view in views:
        root = view.element_handle()
        kind = next(kind for kind in MOVES if view.evaluate("(view, kind) => view.matches(`.${kind}`)", kind))
        for where, key, told in MOVES[kind]:
            before = page.evaluate(WORDS, [root, told])
            view.locator(where).first.press(key)
            page.wait_for_function(OTHERS, arg=[root, told, before])
    if not views:
        entry = page.locator(".jp-OutputArea .js-plotly-plot .legend .traces").first
        entry.locator(".legendtoggle").click()
        page.locator(".jp-OutputArea .legend .traces[style*='opacity: 0.5']").first.wait_for()


def test_nothing_was_asked_of_the_world_and_nothing_complained(lesson: tuple[Path, Tab]) -> None:
    lesson[1].check()
