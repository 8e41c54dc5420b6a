"""The view of routing in a real Chromium, as a page without Python: lanes, load, decisions under sliders, a router."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

import polyloom
from browser.tab import Tab
from browser.view import assert_saved, assert_usable, assert_walked, cells, everywhere, opened, settled
from polyloom import ByLikelihood, ByteVocabulary, Routed, Router
from polyloom.transformer.config import Attention, Experts, TransformerConfig
from polyloom.transformer.model import TransformerModel
from polyloom_datasets import load
from polyloom_widgets import RoutingView
from polyloom_widgets.routing.choices import Choices

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
TEXT = "the captain went to sea"
EXAMPLES = {
    "sea": ["is it high tide", "the ship is at sea", "salt and waves", "the harbour is full of boats"],
    "law": ["who is liable", "the court and the contract", "pay the fine", "the party shall pay"],
    "kitchen": ["salt in the soup", "bake bread in the oven", "boil an egg", "a pinch of salt and butter"],
}
CLAIM = "the tide is salt and the contract is wet"
PLACED = "(slider, to) => { slider.value = to; slider.dispatchEvent(new Event('input', { bubbles: true })); }"
LET_GO = "slider => slider.dispatchEvent(new Event('change', { bubbles: true }))"


@pytest.fixture(scope="module")
def views() -> dict[str, RoutingView]:
    """Of a transformer with experts, of a routed mix, of a router."""
    attention = Attention(heads=2, kv_heads=2)
    config = TransformerConfig(257, width=32, layers=3, context=64, attention=attention, experts=Experts(6, 2))
    model = TransformerModel.build(config, ByteVocabulary(), seed=1)
    for n, part in model.decoder.mixtures.items():
        torch.nn.init.normal_(part.router.weight, std=0.3, generator=torch.Generator().manual_seed(n))
    mix = polyloom.weave({"sea": load("sea"), "law": load("contracts")})[0]
    return {
        "mixture": RoutingView(model, TEXT),
        "members": RoutingView(Routed(ByLikelihood(), mix.models), TEXT),
        "router": RoutingView(Router.fit(EXAMPLES), CLAIM),
    }


@pytest.fixture(scope="module")
def files(views: dict[str, RoutingView], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("routing")
    return {name: view.to_html(folder / f"{name}.html") for name, view in views.items()}


@pytest.fixture
def page(open_tab: Callable[..., Tab], files: dict[str, Path]) -> "Page":
    return opened(open_tab, files["mixture"]).page


def bias(page: "Page", expert: int) -> "Locator":
    return page.get_by_role("slider", name=f"bias of expert {expert}", exact=True)


def loads(page: "Page") -> list[float]:
    settled(page)
    return [
        float(text.split("\u202f")[0]) / 100 for text in page.locator(".pl-load-part .pl-load-share").all_inner_texts()
    ]


def table(views: dict[str, RoutingView], layer: int = 0) -> Choices:
    return views["mixture"]._tables[layer]


def test_lanes_and_load_are_those_of_python(page: "Page", views: dict[str, RoutingView]) -> None:
    for layer in (0, 2):
        page.get_by_label("Who chooses").select_option(f"layer {layer}")
        one = table(views, layer)
        assert loads(page) == pytest.approx(one.load.tolist(), abs=0.0006)
        covers = cells(page)
        drawn = np.reshape(covers, one.scores.T.shape) > 0
        np.testing.assert_array_equal(drawn, one.chosen().T)
        first = page.locator(".pl-who").all_inner_texts()
        assert [int(name) for name in first] == np.argmax(one.scores + one.biases, axis=1).tolist()


def test_a_token_opens_its_decision(page: "Page", views: dict[str, RoutingView]) -> None:
    one = table(views)
    page.get_by_role("button", name="4: c,").click()
    settled(page)
    assert page.locator(".pl-decision-part .pl-title").inner_text() == "token 4, “c”: 2 of 6 experts read it"
    names = page.locator(".pl-decision .pl-load-name").all_inner_texts()
    assert names == [f"expert {n}" for n in np.argsort(-one.scores[4], kind="stable")]
    order = np.sort(one.scores[4])[::-1]
    flips = page.locator(".pl-decision .pl-flip").all_inner_texts()
    assert flips[1] == f"chosen; {order[1] - order[2]:.3f} less would leave it out"
    assert flips[2] == f"{order[1] - order[2]:.3f} more would choose it"
    assert "bits of doubt" in page.locator(".pl-said").inner_text()
    page.get_by_role("button", name="4: c,").press("ArrowRight")
    settled(page)
    assert page.locator(".pl-decision-part .pl-title").inner_text().startswith("token 5, “a”")
    page.get_by_role("application").focus()
    page.keyboard.press("Enter")
    settled(page)
    assert page.get_by_role("button", name="4: c,").get_attribute("aria-pressed") == "false", "the same one lets it go"


def test_a_slider_decides_anew(page: "Page", views: dict[str, RoutingView]) -> None:
    one = table(views)
    before, slider = loads(page), bias(page, 2)
    slider.evaluate(PLACED, 0.3)
    moved = np.zeros(6, np.float32)
    moved[2] = 0.3
    chosen = one.chosen(moved)
    assert loads(page) == pytest.approx((chosen.sum(0) / chosen.sum()).tolist(), abs=0.0006)
    gone = (one.chosen() & ~chosen).sum() / chosen.sum()
    assert page.locator(".pl-load-part p").last.inner_text() == f"{100 * gone:.0f}\u202f% of the choices changed"
    slider.evaluate(LET_GO)
    page.get_by_role("button", name="As it was").click()
    assert loads(page) == before
    slider.focus()
    page.keyboard.press("ArrowRight")
    settled(page)
    assert slider.get_attribute("aria-valuetext") == "0.005, not chosen"
    field = page.get_by_label("bias of expert 2, figure")
    field.fill("0.3")
    field.press("Enter")
    assert loads(page) == pytest.approx((chosen.sum(0) / chosen.sum()).tolist(), abs=0.0006)


def test_the_tick_is_where_the_choice_turns(page: "Page", views: dict[str, RoutingView]) -> None:
    page.get_by_role("button", name="4: c,").click()
    settled(page)
    scores = table(views).scores[4]
    order = np.argsort(-scores, kind="stable")
    wanted = float(scores[order[1]] - scores[order[3]])
    row = page.locator(".pl-decision li").nth(3)
    at = float(row.locator(".pl-flip-tick").evaluate("tick => tick.style.getPropertyValue('--pl-at')"))
    assert at == pytest.approx(wanted + 0.5, abs=1e-3)
    slider = bias(page, int(order[3]))
    for value, chosen in ((wanted - 0.01, "not chosen"), (wanted + 0.01, "chosen")):
        slider.evaluate(PLACED, round(value, 3))
        settled(page)
        assert (slider.get_attribute("aria-valuetext") or "").endswith(f", {chosen}")


def test_members_have_shares(
    open_tab: Callable[..., Tab], files: dict[str, Path], views: dict[str, RoutingView]
) -> None:
    page = opened(open_tab, files["members"]).page
    one = views["members"].shown
    assert loads(page) == pytest.approx(one.load.tolist(), abs=0.0006)
    assert page.get_by_role("slider").count() == 0
    page.get_by_role("button", name="captain").click()
    settled(page)
    assert page.locator(".pl-decision .pl-load-share").first.inner_text() == f"{one.scores[1].max():.3f}"


def test_features_of_a_router_decide_anew(
    open_tab: Callable[..., Tab], files: dict[str, Path], views: dict[str, RoutingView]
) -> None:
    page = opened(open_tab, files["router"]).page
    routing = views["router"]._model.route(CLAIM)
    best = max(routing.scores, key=routing.scores.__getitem__)
    assert best in page.locator(".pl-verdict").inner_text()
    shown = dict(
        zip(
            page.locator(".pl-load-name").all_inner_texts(),
            page.locator(".pl-load-share").all_inner_texts(),
            strict=False,
        )
    )
    assert {name: float(shown[name]) for name in routing.scores} == pytest.approx(dict(routing.scores), abs=0.0006)
    slider = page.get_by_role("slider", name="strength of contract", exact=True)
    tick = slider.locator("..").locator(".pl-flip-tick").evaluate("one => +one.style.getPropertyValue('--pl-at')")
    assert 3 * tick == pytest.approx(1 - routing.flips()["contract"], abs=2e-3)
    slider.evaluate(PLACED, 0)
    slider.evaluate(LET_GO)
    settled(page)
    assert best not in page.locator(".pl-verdict").inner_text()
    page.get_by_role("button", name="As it is").click()
    settled(page)
    assert best in page.locator(".pl-verdict").inner_text()


@pytest.mark.parametrize(("name", "look"), everywhere("mixture", "members", "router"))
def test_everybody_can_use_it(
    open_tab: Callable[..., Tab], files: dict[str, Path], shots: Path, name: str, look: dict[str, object],
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    tab = opened(open_tab, files[name], **look)
    tab.page.get_by_role("slider").first.focus() if name != "members" else None
    assert_usable(tab)
    tab.shoot(shots / f"routing-{request.node.callspec.id}.png")


@pytest.mark.parametrize("name", ["mixture", "members", "router"])
def test_the_tab_key_comes_everywhere(open_tab: Callable[..., Tab], files: dict[str, Path], name: str) -> None:
    assert_walked(opened(open_tab, files[name]).page)


def test_it_is_taken_along(
    open_tab: Callable[..., Tab], files: dict[str, Path], tmp_path: Path, views: dict[str, RoutingView]
) -> None:
    rows = assert_saved(opened(open_tab, files["mixture"]), tmp_path, "routing", ["layer 0", "expert 3"])
    one = table(views)
    assert rows[0] == ["token", *one.experts]
    np.testing.assert_allclose(np.array([row[1:] for row in rows[1:]], float), one.scores, atol=1e-5)
