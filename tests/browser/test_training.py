"""The view of a training in a real Chromium: as a page, drawn and read in every size; and live, in JupyterLab."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from browser.lab import jupyterlab
from browser.tab import Tab
from browser.test_lesson import READY, RUN_ALL
from polyloom_widgets import TrainingView
from widgets.training_run import loss, watched

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser

# One cell that trains until somebody stops it, and one that is run after it.
CELLS = (
    """
import torch
from polyloom import ByteVocabulary
from polyloom.train.loop import train
from polyloom.train.settings import Training
from polyloom.transformer.config import Experts, TransformerConfig
from polyloom_widgets import TrainingView
torch.set_num_threads(1)
config = TransformerConfig(257, width=16, layers=2, context=16, experts=Experts(4, 2))
texts = ["the sea and the moon and the tide"] * 20
settings = Training(steps=1_000_000, batch=2, evaluate_every=10, sample_tokens=3)
watch = {"held_out": texts[:1], "progress": False}
""",
    """
view = TrainingView()
found = train(config, texts, settings, vocabulary=ByteVocabulary(), callbacks=[view], **watch)
print("ended:", found.stopped, len(found.history.steps) == view.status["step"])
""",
)
OUTPUTS = "() => window.jupyterapp.shell.currentWidget.content.widgets[1].model.outputs.toJSON()"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of a training that is over, with experts, and of one on its way."""
    folder = tmp_path_factory.mktemp("training")
    over, under_way = TrainingView(), TrainingView()
    watched(over, steps=600, experts=8, every=60)
    watched(under_way, steps=600, every=60, until=300)
    return {"over": over.to_html(folder / "over.html"), "under way": under_way.to_html(folder / "under_way.html")}


def opened(open_tab: Callable[..., Tab], file: Path, **options: object) -> "Page":
    tab = open_tab(**options)
    tab.context.set_offline(True)
    tab.page.goto(file.as_uri())
    tab.page.locator(".pl-held[d^=M]").wait_for(state="attached")
    return tab.page


def settled(page: "Page") -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_the_figures_stand_where_they_belong(open_tab: Callable[..., Tab], files: dict[str, Path]) -> None:
    page = opened(open_tab, files["over"])
    assert page.locator(".pl-standing").inner_text() == "step 600 of 600"
    assert page.locator(".pl-remark").inner_text() == "all steps done, 0:30"
    assert page.locator(".pl-loss").inner_text() == f"{loss(600) + 0.2:.3f}"
    assert "a fair choice among 9.0 tokens" in page.locator(".pl-loss-words").inner_text()
    assert page.locator(".pl-dots circle").count() == 10
    assert page.locator(".pl-experts td[title]").count() == 24
    assert page.get_by_role("progressbar").get_attribute("aria-valuenow") == "100"
    assert not page.get_by_role("button", name="Stop").is_visible(), "there is no Python to be stopped"


def test_the_curve_falls_from_left_to_right(open_tab: Callable[..., Tab], files: dict[str, Path]) -> None:
    page = opened(open_tab, files["under way"])
    points = page.locator(".pl-batch").get_attribute("d") or ""
    places = [tuple(map(float, point.split())) for point in points.replace("M", "L").split("L")[1:]]
    assert len(places) == 300
    assert all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(places))
    width = page.locator(".pl-plot-field").evaluate("field => field.clientWidth")
    assert places[-1][0] == pytest.approx(34 + (width - 44) / 2, abs=1), "half of the training is done"


def test_the_curve_is_read_by_keyboard_and_by_pointer(open_tab: Callable[..., Tab], files: dict[str, Path]) -> None:
    page = opened(open_tab, files["over"])
    plot = page.get_by_role("slider", name="Loss by step")
    plot.focus()
    page.keyboard.press("Home")
    settled(page)
    assert plot.get_attribute("aria-valuetext") == f"step 1: batch {loss(1):.3f}"
    page.keyboard.press("PageUp")
    page.keyboard.press("ArrowRight")
    settled(page)
    assert plot.get_attribute("aria-valuetext") == (
        f"step 62: batch {loss(62):.3f}, held-out {loss(60) + 0.2:.3f} (step 60)"
    )
    assert page.locator(".pl-reading").inner_text() == plot.get_attribute("aria-valuetext")
    page.keyboard.press("Escape")
    settled(page)
    assert page.locator(".pl-reading").inner_text() == ""
    box = plot.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 34 + (box["width"] - 44) / 2, box["y"] + 50)
    settled(page)
    assert (plot.get_attribute("aria-valuetext") or "").startswith("step 300: ")
    page.mouse.move(0, 0)
    settled(page)
    assert page.locator(".pl-reading").inner_text() == ""


def test_the_table_has_the_figures_and_the_texts_can_all_be_read(
    open_tab: Callable[..., Tab], files: dict[str, Path]
) -> None:
    page = opened(open_tab, files["over"])
    assert not page.locator(".pl-table").is_visible()
    page.get_by_role("button", name="Table").click()
    settled(page)
    rows = page.locator(".pl-table tbody tr")
    assert rows.count() == 10
    assert rows.last.inner_text().split("\t") == [
        "600",
        f"{loss(600) + 0.2:.3f}",
        f"{loss(600):.3f}",
        "× 1.00",
        "9,000",
    ]
    assert page.locator(".pl-samples li").all_inner_texts() == [
        "step 60\nAt night the sea 60",
        "step 600\nAt night the sea 600",
    ]
    page.get_by_role("button", name="all texts").click()
    settled(page)
    assert page.locator(".pl-samples li").count() == 10


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1100, 760, 380])
@pytest.mark.parametrize("name", ["over", "under way"])
def test_everybody_can_use_it(
    open_tab: Callable[..., Tab], files: dict[str, Path], shots: Path, name: str, width: int, dark: bool
) -> None:
    tab = open_tab(width=width, dark=dark)
    tab.context.set_offline(True)
    tab.page.goto(files[name].as_uri())
    tab.page.get_by_role("button", name="Table").click()
    settled(tab.page)
    assert tab.faults() == []
    sticks = tab.page.evaluate("() => document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert sticks <= 0
    tab.shoot(shots / f"training-{name.replace(' ', '-')}-{width}-{'dark' if dark else 'light'}.png")


@pytest.fixture(scope="module")
def training(chromium: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """A notebook in JupyterLab whose second cell trains without an end."""
    folder = tmp_path_factory.mktemp("lab")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source.strip()) for source in CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, folder / "training.ipynb")
    with jupyterlab(folder / "training.ipynb", folder / "server") as address:
        tab = Tab(chromium, width=1300, height=1000)
        tab.page.set_default_timeout(60_000)
        tab.page.goto(address)
        tab.page.wait_for_selector(".jp-Notebook .jp-Cell")
        tab.page.wait_for_function(READY)
        yield tab
        tab.close()


def begun(tab: Tab) -> "Page":
    """Run both cells, until the view has drawn an evaluation."""
    tab.page.evaluate(RUN_ALL)
    tab.page.locator(".polyloom.pl-training .pl-held[d^=M]").wait_for(state="attached")
    return tab.page


@pytest.mark.lesson
def test_it_moves_while_the_kernel_trains_and_stop_is_heard(training: Tab, shots: Path) -> None:
    page = begun(training)
    before = page.locator(".pl-standing").inner_text()
    page.wait_for_function("before => document.querySelector('.pl-standing').textContent !== before", arg=before)
    assert page.evaluate("() => window.ran") is False, "the cell is still running"
    assert page.locator(".pl-experts td[title]").count() == 8
    training.shoot(shots / "training-lab.png", "")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_function("() => window.ran")
    assert page.locator(".pl-remark").inner_text().startswith("stopped by hand, ")
    assert page.locator(".jp-OutputArea-output").last.inner_text().strip() == "ended: interrupted True"


@pytest.mark.lesson
def test_the_file_keeps_the_picture_of_the_end(training: Tab) -> None:
    view, printed = training.page.evaluate(OUTPUTS)
    assert "stopped by hand" in view["data"]["text/html"]
    assert view["data"]["text/plain"].startswith("TrainingView(step=")
    assert "stopped='interrupted'" in view["data"]["text/plain"]
    assert "ended: interrupted True" in json.dumps(printed)


@pytest.mark.lesson
def test_an_interrupted_kernel_ends_it_as_well(training: Tab) -> None:
    page = begun(training)
    page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.interrupt()")
    page.wait_for_function("() => window.ran")
    assert page.locator(".jp-OutputArea-output").last.inner_text().strip() == "ended: interrupted True"
    training.check()
