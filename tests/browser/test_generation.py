"""The view of a generation in a real Chromium, as a page without Python: scrubbing, other ways, tree, recipe."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import polyloom
from browser.tab import Tab
from browser.view import assert_saved, assert_usable, assert_walked, everywhere, opened, settled
from polyloom import Sampling
from polyloom_datasets import load
from polyloom_widgets import GenerationView

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
PROMPT = "At night the"
FORKED = 6


@pytest.fixture(scope="module")
def view() -> GenerationView:
    """A text, and another from its sixth step on under a louder law."""
    mix = polyloom.weave({"sea": load("sea"), "law": load("contracts")})[0]
    sampling = Sampling(temperature=0.8, seed=3, max_tokens=30)
    found = GenerationView(mix, PROMPT, sampling, mixes={"law up": mix.with_weights(law=5)})
    found.write()
    found.fork(FORKED, mix="law up")
    return found


@pytest.fixture(scope="module")
def files(view: GenerationView, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("generation")
    alone = GenerationView(view._leaves[0].generation)
    alone.step = 4
    return {"forked": view.to_html(folder / "forked.html"), "alone": alone.to_html(folder / "alone.html")}


@pytest.fixture
def page(open_tab: Callable[..., Tab], files: dict[str, Path]) -> "Page":
    return opened(open_tab, files["forked"]).page


def parting(view: GenerationView) -> int:
    """Where the two texts part."""
    first, second = (leaf["steps"] for leaf in view.leaves)
    return next(n for n, (a, b) in enumerate(zip(first, second, strict=False)) if a["token"] != b["token"])


def text(view: GenerationView, leaf: int, start: int = 0) -> str:
    return "".join(step["text"] for step in view.leaves[leaf]["steps"][start:])


def test_the_text_is_scrubbed_and_says_what_could_have_come(page: "Page", view: GenerationView) -> None:
    scrubber = page.get_by_role("slider", name="Step")
    steps = view.leaves[1]["steps"]
    assert scrubber.get_attribute("aria-valuetext") == f"after the last step, {len(steps)}"
    scrubber.focus()
    page.keyboard.press("Home")
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    settled(page)
    assert page.locator(".pl-words [aria-current]").inner_text() == steps[9]["text"]
    assert page.locator(".pl-alternatives .pl-title").inner_text() == "step 9: what could come here"
    shown = page.locator(".pl-option").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
    pieces = [piece for piece, _ in steps[9]["candidates"]]
    assert [name.split(": ")[0] for name in shown][: len(pieces)] == [piece.strip() for piece in pieces]
    assert sum("came here" in name for name in shown) == 1
    word = page.locator(".pl-written").nth(3)
    word.click()
    page.keyboard.press("ArrowRight")
    settled(page)
    assert scrubber.input_value() == "4"
    assert page.locator(".pl-words [data-after]").count() == len(steps) - 5


def test_the_ghost_stands_to_where_two_texts_part(page: "Page", view: GenerationView) -> None:
    at = parting(view)
    assert page.locator(".pl-words [data-parts]").inner_text().strip() == view.leaves[1]["steps"][at]["text"].strip()
    ghost = page.locator(".pl-ghost-line").inner_text()
    said, _, words = ghost.partition(": ")
    assert said == f"from step {at}, text 1 goes on"
    assert text(view, 0, at).strip().startswith(words.removesuffix(" …"))
    assert page.locator(".pl-words [data-kept]").count() == FORKED
    sides = page.locator(".pl-diff-side").all_inner_texts()
    assert sides[0].split(maxsplit=1)[1].split() == text(view, 1, at).split()
    assert sides[1].split(maxsplit=1)[1].split() == text(view, 0, at).split()
    page.get_by_role("button", name="compare with text 1").click()
    settled(page)
    assert not page.locator(".pl-ghost-line").is_visible()
    assert page.locator(".pl-diff-side").count() == 0


def test_the_tree_is_walked(page: "Page", view: GenerationView) -> None:
    first = page.get_by_role("button", name="text 1 the mix")
    first.focus()
    page.keyboard.press("Enter")
    settled(page)
    assert first.get_attribute("aria-pressed") == "true"
    assert page.evaluate("() => document.activeElement.dataset.leaf") == "0", "the focus stays"
    assert page.locator(".pl-words").inner_text().split() == text(view, 0).split()
    page.get_by_role("button", name="compare with text 2").click()
    settled(page)
    assert "text 2 goes on" in page.locator(".pl-ghost-line").inner_text()


def test_without_python_nothing_offers_to_write(page: "Page") -> None:
    page.locator(".pl-written").first.click()
    settled(page)
    for name in ("Write", "from here under the mix"):
        assert not page.get_by_role("button", name=name).is_visible()
    assert page.locator("button.pl-option").count() == 0
    assert page.locator(".pl-option").count() > 0


def test_the_recipe_is_that_of_the_text(page: "Page", view: GenerationView) -> None:
    page.get_by_role("button", name="Recipe").click()
    settled(page)
    told = json.loads(page.locator(".pl-recipe-text").inner_text())
    assert told == json.loads(json.dumps(view._leaves[1].generation.recipe))


@pytest.mark.parametrize(("name", "look"), everywhere("forked", "alone"))
def test_everybody_can_use_it(
    open_tab: Callable[..., Tab], files: dict[str, Path], shots: Path, name: str, look: dict[str, object],
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    tab = opened(open_tab, files[name], **look)
    tab.page.locator(".pl-written").nth(7).click()
    tab.page.get_by_role("button", name="Recipe").click()
    assert_usable(tab)
    tab.shoot(shots / f"generation-{request.node.callspec.id}.png")


@pytest.mark.parametrize("name", ["forked", "alone"])
def test_the_tab_key_comes_everywhere(open_tab: Callable[..., Tab], files: dict[str, Path], name: str) -> None:
    page = opened(open_tab, files[name]).page
    page.get_by_role("button", name="Recipe").click()
    settled(page)
    assert_walked(page)


def test_it_is_taken_along(
    open_tab: Callable[..., Tab], files: dict[str, Path], tmp_path: Path, view: GenerationView
) -> None:
    tab = opened(open_tab, files["forked"])
    rows = assert_saved(tab, tmp_path, "generation", [PROMPT, "law up", "goes on"])
    assert rows[0] == ["step", "text", "probability", "sea", "law"]
    steps = view.leaves[1]["steps"]
    assert [float(row[2]) for row in rows[1:]] == pytest.approx([step["p"] for step in steps], abs=1e-6)
    assert [row[1] for row in rows[1:]] == [step["text"].replace("\n", " ") for step in steps]
