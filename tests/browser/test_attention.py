"""The view of attention in a real Chromium, as a page without Python: heads, tokens, matrix, lines, table, pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from browser.tab import Tab
from browser.view import assert_saved, assert_usable, assert_walked, cells, everywhere, opened, settled
from polyloom import ByteVocabulary
from polyloom.transformer.config import Attention, TransformerConfig
from polyloom.transformer.model import TransformerModel
from polyloom_widgets import AttentionView, head_view
from polyloom_widgets.attention.pictures import picture
from polyloom_widgets.attention.reading import Reading, from_arrays

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
WORDS = ["the", "cat", "that", "the", "dog", "chased", "sat", "on", "the", "mat"]
LAYERS, HEADS = 3, 4
COUNT_DRAWINGS = """() => {
  const canvas = CanvasRenderingContext2D.prototype, { putImageData } = canvas;
  window.drawn = 0;
  canvas.putImageData = function (...all) { window.drawn += 1; return putImageData.apply(this, all); };
}"""


@pytest.fixture(scope="module")
def model() -> TransformerModel:
    config = TransformerConfig(257, width=32, layers=LAYERS, context=64, attention=Attention(heads=HEADS, kv_heads=2))
    return TransformerModel.build(config, ByteVocabulary(), seed=3)


def attention() -> np.ndarray:
    """Shares with a few that stand out, (layers, heads, words, words)."""
    shares = np.tril(np.random.default_rng(0).exponential(size=(LAYERS, HEADS, len(WORDS), len(WORDS))) ** 3)
    return (shares / shares.sum(-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def reading() -> Reading:
    return from_arrays("all", attention(), WORDS)


@pytest.fixture(scope="module")
def files(model: TransformerModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of bare arrays, of a model with a head silenced, and of two models."""
    folder = tmp_path_factory.mktemp("attention")
    text = "the captain went"
    pages = {
        "heads": head_view(attention(), WORDS, layer=1, heads=[2]),
        "model": AttentionView(model, text, ablated=[[1, 3]], chosen=["head", 1, 3]),
        "two": AttentionView(model, text, against=model.ablate(heads=[(0, 0)]), compare=True, chosen=["head", 1, 0]),
    }
    return {name: view.to_html(folder / f"{name}.html") for name, view in pages.items()}


@pytest.fixture
def page(open_tab: Callable[..., Tab], files: dict[str, Path]) -> "Page":
    return opened(open_tab, files["heads"]).page


def said(page: "Page") -> str:
    settled(page)
    return page.locator(".pl-said").inner_text()


def head(page: "Page", layer: int, number: int) -> "Locator":
    return page.get_by_role("gridcell", name=f"layer {layer}, head {number}:")


def strongest(shares: np.ndarray, query: int) -> str:
    """What the line below the text says first."""
    key = int(shares[query].argmax())
    share = ((np.rint(255 * shares[query, key] ** 0.5)) / 255) ** 2
    return f"{100 * share:.0f}\u202f% from “{WORDS[key]}”"


def test_a_token_under_the_hand_is_the_query_everywhere(page: "Page", reading: Reading) -> None:
    page.get_by_role("button", name="6: sat").hover()
    shares = picture(reading, ["head", 1, 2])
    assert said(page).startswith(f"layer 1, head 2: “sat” takes {strongest(shares, 6)}")
    assert page.locator(".pl-arc-queries [data-on]").inner_text() == "sat"
    page.get_by_role("button", name="Matrix").click()
    page.get_by_role("button", name="6: sat").click()
    page.mouse.move(0, 0)
    settled(page)
    assert page.get_by_role("button", name="6: sat").get_attribute("aria-pressed") == "true"
    assert page.locator(".pl-row-names [data-on]").inner_text() == "sat"
    shade = page.get_by_role("button", name="0: the").evaluate("one => one.style.getPropertyValue('--pl-share')")
    assert float(shade) == pytest.approx(shares[6, 0] ** 0.5, abs=0.003)
    page.get_by_role("button", name="6: sat").click()
    page.evaluate("() => document.activeElement.blur()")
    page.mouse.move(0, 0)
    assert "Point at a token" in said(page)


def test_heads_are_chosen_and_averaged(page: "Page", reading: Reading) -> None:
    head(page, 0, 1).click()
    page.get_by_role("button", name="9: mat").hover()
    assert said(page).startswith(f"layer 0, head 1: “mat” takes {strongest(picture(reading, ['head', 0, 1]), 9)}")
    page.get_by_role("rowheader", name="layer 2, mean").click()
    page.get_by_role("button", name="9: mat").hover()
    assert said(page).startswith(
        f"layer 2, mean of its heads: “mat” takes {strongest(picture(reading, ['layer', 2]), 9)}"
    )
    page.get_by_role("button", name="Roll-out").click()
    page.get_by_role("button", name="9: mat").hover()
    assert said(page).startswith(
        f"roll-out through all layers: “mat” takes {strongest(picture(reading, ['rollout']), 9)}"
    )
    page.get_by_role("button", name="Mean", exact=True).click()
    assert said(page).startswith("mean of all heads")


def test_the_overview_shows_figures_and_is_walked_by_arrows(page: "Page") -> None:
    page.get_by_label("What the overview shows").select_option("entropy")
    settled(page)
    assert "how spread a head looks" in page.locator(".pl-measure-words").inner_text()
    shades = page.locator(".pl-head-cell").evaluate_all(
        "all => all.map(one => +one.style.getPropertyValue('--pl-share'))"
    )
    assert max(shades) == 1
    assert len(set(shades)) > 3
    head(page, 0, 0).focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    settled(page)
    assert head(page, 0, 2).get_attribute("aria-selected") == "true"
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    assert said(page).startswith("layer 0, mean of its heads")


def test_the_matrix_is_walked_by_keyboard(page: "Page", reading: Reading) -> None:
    page.get_by_role("button", name="Matrix").click()
    settled(page)
    page.get_by_role("application").focus()
    for key in ("PageUp", "ArrowDown", "ArrowDown", "Home", "ArrowRight"):
        page.keyboard.press(key)
    shares = picture(reading, ["head", 1, 2])
    share = (np.rint(255 * shares[2, 1] ** 0.5) / 255) ** 2
    assert (
        said(page) == f"layer 1, head 2: “that” takes {100 * share:.{0 if share >= 0.0995 else 1}f}\u202f% from “cat”"
    )
    page.keyboard.press("Enter")
    settled(page)
    assert page.get_by_role("button", name="2: that").get_attribute("aria-pressed") == "true"
    page.keyboard.press("Escape")
    assert "Point at a token" in said(page)


def test_the_matrix_shows_its_cells(page: "Page", reading: Reading) -> None:
    page.get_by_role("button", name="Matrix").click()
    settled(page)
    covers = cells(page)
    expected = np.rint(255 * np.sqrt(picture(reading, ["head", 1, 2]))).ravel()
    np.testing.assert_allclose(covers, expected, atol=1)


def test_pointing_does_not_draw_the_matrix_anew(page: "Page") -> None:
    page.get_by_role("button", name="Matrix").click()
    settled(page)
    settled(page)  # the matrix learns its width when it is first seen
    page.evaluate(COUNT_DRAWINGS)
    for name in ("1: cat", "5: chased", "8: the"):
        page.get_by_role("button", name=name).hover()
        settled(page)
    assert page.evaluate("() => window.drawn") == 0
    head(page, 2, 3).click()
    settled(page)
    assert page.evaluate("() => window.drawn") == 1


def test_the_table_says_the_same(page: "Page", reading: Reading) -> None:
    page.get_by_role("button", name="5: chased").click()
    page.get_by_role("button", name="Table").click()
    settled(page)
    shares = picture(reading, ["head", 1, 2])[5]
    rows = [row.split("\t") for row in page.locator(".pl-panel tbody tr").all_inner_texts()]
    assert [int(row[0]) for row in rows] == np.argsort(-shares, kind="stable")[: len(rows)].tolist()
    assert [float(row[2].split("\u202f")[0]) / 100 for row in rows] == pytest.approx(
        shares[[int(r[0]) for r in rows]], abs=0.006
    )


def test_what_a_silenced_head_changes(open_tab: Callable[..., Tab], files: dict[str, Path]) -> None:
    page = opened(open_tab, files["model"]).page
    assert head(page, 1, 3).get_attribute("data-silenced") is not None
    assert "without layer 1, head 3: loss" in page.locator(".pl-cost").inner_text()
    assert page.locator(".pl-next-tick:visible").count() == 8
    assert not page.get_by_role("button", name="Hear this head").is_visible(), "there is no Python to ask"
    assert not page.get_by_role("button", name="Logit lens").is_visible()


def test_two_models_and_their_difference(
    open_tab: Callable[..., Tab], files: dict[str, Path], model: TransformerModel
) -> None:
    page = opened(open_tab, files["two"]).page
    page.get_by_role("button", name="2: e").hover()
    assert said(page).startswith("layer 1, head 0: “e” differs: ")
    head(page, 0, 1).click()
    page.get_by_role("button", name="2: e").hover()
    assert said(page) == "layer 0, head 1: “e” looks the same in both", "what is silenced changes the layers above"
    head(page, 1, 0).click()
    page.get_by_role("button", name="Difference").click()
    page.get_by_label("Reading").select_option("against")
    page.get_by_role("button", name="2: e").hover()
    assert said(page).startswith("layer 1, head 0: “e” takes ")


@pytest.mark.parametrize(("name", "look"), everywhere("model", "heads", "two"))
def test_everybody_can_use_it(
    open_tab: Callable[..., Tab], files: dict[str, Path], shots: Path, name: str, look: dict[str, object],
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    tab = opened(open_tab, files[name], **look)
    tab.page.get_by_role("button", name=": t").first.click()
    tab.page.get_by_role("button", name="Table").click()
    assert_usable(tab)
    tab.shoot(shots / f"attention-{request.node.callspec.id}.png")


@pytest.mark.parametrize("name", ["heads", "model", "two"])
def test_the_tab_key_comes_everywhere(open_tab: Callable[..., Tab], files: dict[str, Path], name: str) -> None:
    assert_walked(opened(open_tab, files[name]).page)


def test_it_is_taken_along(
    open_tab: Callable[..., Tab], files: dict[str, Path], tmp_path: Path, reading: Reading
) -> None:
    tab = opened(open_tab, files["heads"])
    rows = assert_saved(tab, tmp_path, "attention", ["layer 1, head 2", "chased"])
    assert rows[0] == ["query", *WORDS]
    table = np.array([row[1:] for row in rows[1:]], float)
    np.testing.assert_allclose(table, picture(reading, ["head", 1, 2]), atol=0.004)
