"""Every view with Python behind it, in one notebook in JupyterLab: questions are answered, what is linked follows.

The tests share the session and run in order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from browser.hand import Hand, number
from browser.lab import jupyterlab
from browser.tab import Tab
from browser.test_lesson import CELLS, READY, RUN_ALL
from browser.view import settled

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.lesson]
SOURCES = (
    """
import ipywidgets, torch, polyloom
from polyloom import ByteVocabulary, Sampling
from polyloom.transformer.config import Attention, Experts, TransformerConfig
from polyloom.transformer.model import TransformerModel
from polyloom_datasets import load
from polyloom_widgets import AttentionView, GenerationView, Mixer, RoutingView
torch.set_num_threads(1)
attention = Attention(heads=4, kv_heads=2)
config = TransformerConfig(257, width=32, layers=2, context=512, attention=attention, experts=Experts(6, 2))
model = TransformerModel.build(config, ByteVocabulary(), seed=3)
mix, held_out = polyloom.weave({"sea": load("sea"), "law": load("contracts")}, progress=False)
""",
    """
long = AttentionView(model, "the captain went to sea " * 15)  # too large to travel whole
long
""",
    """
seen, routed = AttentionView(model, "the captain"), RoutingView(model, "the captain", held_out=["a ship", "the tide"])
dashboard = ipywidgets.HBox([seen, routed])
dashboard
""",
    """
written = GenerationView(mix, "At night the", Sampling(temperature=0.8, seed=3, max_tokens=24),
                         mixes={"law up": mix.with_weights(law=5)})
written
""",
    """
desk = Mixer(mix, "At night the", held_out)
for view in (seen, routed, written):
    desk.link(view)
desk
""",
    """
from polyloom.music import MidiVocabulary, read_abc
from polyloom_widgets import PianoRoll
vocabulary, tunes = MidiVocabulary(), [read_abc(tune) for tune in load("tunes").documents]
voices = {name: [vocabulary.tokens(tune) for tune in tunes[at : at + 5]] for name, at in (("dance", 0), ("blues", 10))}
band = polyloom.weave(voices, vocabulary, progress=False)[0]
opening, settings = vocabulary.tokens(tunes[0])[:40], Sampling(temperature=0.8, seed=3, max_tokens=120, min_p=0.05)
music = PianoRoll(band.generate(opening, settings))
music
""",
)


@pytest.fixture(scope="module")
def tab(chromium: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    """The notebook, run from top to bottom."""
    folder = tmp_path_factory.mktemp("views")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source.strip()) for source in SOURCES],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, folder / "views.ipynb")
    with jupyterlab(folder / "views.ipynb", folder / "server") as address:
        tab = Tab(chromium, width=1500, height=1000)
        tab.page.set_default_timeout(60_000)
        tab.page.goto(address)
        tab.page.wait_for_selector(".jp-Notebook .jp-Cell")
        tab.page.wait_for_function(READY)
        tab.page.evaluate(RUN_ALL)
        tab.page.wait_for_function("() => window.ran")
        yield tab
        tab.close()


@pytest.fixture
def page(tab: Tab) -> "Page":
    return tab.page


def shown(page: "Page", kind: str, nth: int = 0) -> "Locator":
    return page.locator(f".polyloom.pl-{kind}").nth(nth)


def awaited(found: "Locator", text: str) -> str:
    """What stands there once it says `text`."""
    found.filter(has_text=text).wait_for()
    return found.inner_text()


def test_every_cell_ran_and_two_views_stand_side_by_side(page: "Page", tab: Tab, shots: Path) -> None:
    assert [cell["errors"] for cell in page.evaluate(CELLS)] == [[]] * len(SOURCES)
    left, right = shown(page, "attention", 1).bounding_box(), shown(page, "routing").bounding_box()
    assert left is not None
    assert right is not None
    assert min(left["width"], right["width"]) > 300
    assert left["x"] + left["width"] <= right["x"] + 1
    assert abs(left["y"] - right["y"]) < 5
    tab.shoot(shots / "alive-hbox.png", ".jp-CodeCell:nth-of-type(3)")


def test_a_linked_view_reads_what_the_desk_reads(page: "Page") -> None:
    said = [one.locator(".pl-tokens") for one in (shown(page, "attention", 1), shown(page, "routing"))]
    for strip in said:
        strip.get_by_role("button", name="0: A").wait_for()
    prompt = Hand(page).desk.get_by_label("Prompt")
    prompt.fill("The moon")
    prompt.press("Enter")
    for strip in said:
        strip.get_by_role("button", name="0: T").wait_for()
        assert strip.get_by_role("button").count() == len("The moon")
    assert shown(page, "generation").get_by_label("Prompt").input_value() == "The moon"


def test_enter_reads_another_text(page: "Page") -> None:
    view = shown(page, "routing")
    field = view.get_by_label("Text: Enter reads it")
    field.click()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("By day")
    page.keyboard.press("Enter")
    view.get_by_role("button", name="0: B").wait_for()
    assert view.locator(".pl-tokens button").count() == len("By day")
    field.fill("The moon")
    field.press("Enter")
    view.get_by_role("button", name="0: T").wait_for()


def test_a_head_that_did_not_travel_is_asked_for(page: "Page") -> None:
    view = shown(page, "attention")
    view.get_by_role("gridcell", name="layer 1, head 3:").click()
    awaited(view.locator(".pl-shown-name"), "layer 1, head 3")
    view.locator(".pl-shown:not([data-stale])").wait_for()
    view.get_by_role("button", name="4: c", exact=True).click()
    assert awaited(view.locator(".pl-said"), "takes").startswith("layer 1, head 3: “c” takes ")


def test_panels_of_attention(page: "Page", tab: Tab, shots: Path) -> None:
    view = shown(page, "attention")
    view.get_by_role("button", name="Logit lens").click()
    view.get_by_role("cell").first.wait_for()
    assert "After token 4, “c”" in view.locator(".pl-panel caption").inner_text()
    assert view.locator(".pl-lens-cell").count() >= 9
    view.get_by_role("button", name="Attribution").click()
    view.locator(".pl-signed").first.wait_for()
    figures = [number(text) for text in view.locator(".pl-panel tbody td:last-child").all_inner_texts()]
    assert sum(figures[:-2]) == pytest.approx(figures[-2], abs=0.0005 * len(figures))
    tab.shoot(shots / "alive-attention.png", ".polyloom.pl-attention")


def test_a_head_is_silenced_by_a_click(page: "Page") -> None:
    view = shown(page, "attention")
    view.get_by_role("button", name="Silence this head").click()
    assert "nats a token" in awaited(view.locator(".pl-cost"), "without layer 1, head 3")
    assert view.locator(".pl-next-tick:visible").count() == 8
    view.get_by_role("button", name="Hear all").click()
    view.locator(".pl-cost", has_not_text="without").wait_for()


def test_what_a_moved_bias_and_a_lone_expert_cost(page: "Page", tab: Tab, shots: Path) -> None:
    view = shown(page, "routing")
    view.get_by_label("bias of expert 2, figure").fill("0.4")
    view.get_by_label("bias of expert 2, figure").press("Enter")
    told = awaited(view.locator(".pl-load-part > p").last, "on held-out")
    assert "of the choices changed: " in told
    view.get_by_role("button", name="what if expert 1 read everything").click()
    awaited(view.locator(".pl-load-cost").nth(1), "on this text")
    tab.shoot(shots / "alive-routing.png", ".polyloom.pl-routing")
    view.get_by_role("button", name="As it was").click()


def test_a_text_is_written_stopped_and_forked(page: "Page", tab: Tab, shots: Path) -> None:
    view = shown(page, "generation")
    view.get_by_role("button", name="Write").click()
    written(page, view)
    assert view.locator(".pl-written").count() == 24
    view.locator(".pl-written").nth(5).click()
    settled(page)
    other = view.locator("button.pl-option:not([data-came])").first
    word = other.locator(".pl-option-word").inner_text()
    other.click()
    view.locator(".pl-branch").nth(1).wait_for()
    written(page, view)
    assert view.locator(".pl-written").nth(5).inner_text().strip() == word.strip("·")
    view.get_by_role("button", name="from here under law up").click()
    view.locator(".pl-branch").nth(2).wait_for()
    written(page, view)
    assert "law up, from 2" in view.locator(".pl-branch-name").last.inner_text()
    view.get_by_label("tokens").fill("2000")
    view.get_by_label("tokens").press("Enter")
    view.get_by_role("button", name="Write").click()
    view.locator(".pl-branch").nth(3).wait_for()
    view.get_by_role("button", name="Stop").click()
    written(page, view)
    assert 0 < view.locator(".pl-written").count() < 2000
    tab.shoot(shots / "alive-generation.png", ".polyloom.pl-generation")


def written(page: "Page", view: "Locator") -> None:
    """Wait until nothing is written any more."""
    settled(page)
    view.get_by_role("button", name="Write").wait_for()


def opened(page: "Page", name: str) -> "Locator":
    """A panel of the desk, open."""
    button = Hand(page).button(name)
    button.click()
    settled(page)
    assert button.get_attribute("aria-pressed") == "true"
    return Hand(page).find(".pl-closer-body")


def test_credit_and_likeness(page: "Page", tab: Tab, shots: Path) -> None:
    panel = opened(page, "Credit")
    rows = panel.locator(".pl-credit li")
    rows.first.wait_for()
    whole = number((panel.locator("p").first.inner_text()).rpartition("Together")[2].rstrip("."))
    values = [number(text) for text in rows.locator(".pl-credit-said").all_inner_texts()]
    assert sum(values) == pytest.approx(whole, abs=0.002)
    tab.shoot(shots / "alive-credit.png", ".polyloom.pl-mixer .pl-closer")
    panel = opened(page, "Likeness")
    panel.locator("td[data-itself]").first.wait_for()
    assert panel.locator("td[data-itself]").all_inner_texts() == ["1.000"] * 2
    tab.shoot(shots / "alive-likeness.png", ".polyloom.pl-mixer .pl-closer")


def test_reach_moves_the_faders_and_is_taken_back_or_kept(page: "Page", tab: Tab, shots: Path) -> None:
    desk, panel = Hand(page), opened(page, "Reach")
    before = desk.weight("sea"), desk.weight("law")
    slider = panel.get_by_role("slider", name="Wanted probability")
    slider.focus()
    for _ in range(4):
        page.keyboard.press("PageUp")
    panel.locator(".pl-beside li").first.wait_for()
    assert (desk.weight("sea"), desk.weight("law")) != before
    tab.shoot(shots / "alive-reach.png", ".polyloom.pl-mixer")
    panel.get_by_role("button", name="Back").click()
    settled(page)
    assert (desk.weight("sea"), desk.weight("law")) == before
    slider.focus()
    page.keyboard.press("PageUp")
    panel.locator(".pl-beside li").first.wait_for()
    panel.get_by_role("button", name="Accept").click()
    desk.await_sign("=")
    assert (desk.weight("sea"), desk.weight("law")) != before
    desk.button("Undo").click()
    desk.await_sign("=")
    assert (desk.weight("sea"), desk.weight("law")) == before


def test_lanes_are_moved_and_written_along(page: "Page", tab: Tab, shots: Path) -> None:
    panel = opened(page, "Lanes")
    end = panel.get_by_role("slider", name="law, last point")
    end.focus()
    for _ in range(3):
        page.keyboard.press("PageDown")
    settled(page)
    assert float(end.get_attribute("aria-valuenow") or "nan") < 1
    panel.get_by_role("button", name="Write along the lanes").click()
    panel.locator(".pl-written").first.wait_for()
    tab.shoot(shots / "alive-lanes.png", ".polyloom.pl-mixer .pl-closer")


def test_a_note_is_moved_and_the_model_goes_on(page: "Page", tab: Tab, shots: Path) -> None:
    view = shown(page, "roll")
    cells = page.locator(".jp-Cell").count()
    view.locator(".pl-roll-field").focus()
    for key in ("End", "ArrowLeft", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    view.locator(".pl-other").first.wait_for()
    name = view.locator(".pl-note-name").inner_text()
    page.keyboard.press("Shift+ArrowUp")
    awaited(view.locator(".pl-reason-head"), "moved by hand")
    assert view.locator(".pl-note-name").inner_text() != name
    for key in ("b", "l", "0", "Control+z"):
        page.keyboard.press(key)
    awaited(view.locator(".pl-note-name"), name)
    view.get_by_role("button", name="Redo").click()
    awaited(view.locator(".pl-reason-head"), "moved by hand")
    view.get_by_role("button", name="Continue from here").click()
    awaited(view.locator(".pl-reason-head"), "put by hand")
    view.get_by_role("button", name="Continue from here").wait_for()
    assert view.get_by_role("button", name="Loop").get_attribute("aria-pressed") == "true"
    assert page.locator(".jp-Cell").count() == cells, "no key of the roll was one of JupyterLab's"
    tab.shoot(shots / "alive-roll.png", ".polyloom.pl-roll")


@pytest.mark.parametrize("theme", ["Light", "Dark"])
@pytest.mark.parametrize("width", [1500, 620])
def test_everybody_can_use_them_in_both_themes(page: "Page", tab: Tab, shots: Path, theme: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    page.evaluate(
        "(theme) => window.jupyterapp.commands.execute('apputils:change-theme', { theme })", f"JupyterLab {theme}"
    )
    dark = theme == "Dark"
    page.wait_for_function("(dark) => document.body.dataset.jpThemeLight === String(!dark)", arg=dark)
    settled(page)
    assert tab.faults(".polyloom") == []
    for kind in ("attention", "routing", "generation", "mixer", "roll"):
        page.locator(f".polyloom.pl-{kind}").last.screenshot(path=shots / f"alive-{kind}-{width}-{theme.lower()}.png")


def test_nothing_was_asked_of_the_world_and_nothing_complained(tab: Tab) -> None:
    tab.check()
