"""The desk in one file, opened from a disk without a network: it shows what Python computes, and its faders work."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from browser.hand import Hand, number
from browser.tab import Tab
from polyloom import Layered
from polyloom.compose.weave import HeldOut
from polyloom_widgets import Mixer
from polyloom_widgets.base.bundle import bundle
from polyloom_widgets.mixer.step import Step

pytestmark = pytest.mark.browser
MIXES = 200

# The page's own module once more, and the page's own data as it stands in the file.
MODULE = bundle(Mixer.module).replace("export default", "const view =")
SOURCE = f"""
  const {{ view, Desk, Painter, Lifetime }} = (() => {{ {MODULE}
    return {{ view, Desk, Painter, Lifetime }};
  }})();
  const {{ state, buffers }} = JSON.parse(document.querySelector("script[type='application/json']").textContent);
  const decoded = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
  const arrays = Object.entries(buffers).map(([name, text]) => [name, decoded(text)]);
  const whole = {{ ...state, ...Object.fromEntries(arrays) }};
  const frame = () => new Promise((done) => requestAnimationFrame(done));
"""

# The very figures that the page draws, unrounded.
FIGURES = (
    f"""(mixes) => {{ {SOURCE}"""
    + """
  const model = { get: (name) => whole[name], on() {}, off() {} };
  const desk = new Desk(model, new Lifetime(), () => {});
  const painter = new Painter(desk);
  return mixes.map((step) => {
    Object.assign(whole, { steps: [step], cursor: 0 });
    desk.tick();
    const { bars, score } = painter.look();
    return { rows: bars.rows.map(({ token, p, parts }) => ({ token, p, parts })), sure: bars.sure, ...score };
  });
}"""
)

# Each mix pasted into the page's own recipe box, and what is drawn then.
DRAWN = """async (recipes) => {
  const find = (selector) => document.querySelector(selector);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  const box = find("[aria-label='Recipe to restore']");
  const restore = all(".pl-recipe button").find((one) => one.textContent === "Restore");
  const seen = [];
  for (const recipe of recipes) {
    box.value = recipe;
    restore.click();
    await frame(); await frame();
    seen.push({
      message: find(".pl-recipe .pl-message").textContent,
      weights: all("[role=slider]").map((one) => Number(one.getAttribute("aria-valuenow"))),
      sign: find(".pl-badge-sign").textContent,
      words: all(".pl-row:not([data-blank])").map((row) => ({
        p: row.querySelector(".pl-p").textContent,
        widths: [...row.querySelectorAll(".pl-part")].map((part) => parseFloat(part.style.width.slice(5))),
      })),
      meaning: find(".pl-meaning").textContent, headline: find(".pl-headline").textContent,
      slices: all(".pl-slice-figures").map((one) => one.textContent),
    });
  }
  return seen;
}"""


# A view in which the traits named are still as a new model has them, until they arrive.
LATE = (
    f"""async ([late, empty]) => {{ {SOURCE}"""
    + """
  const traits = { ...whole, ...Object.fromEntries(late.map((name) => [name, empty[name]])) };
  const heard = {};
  const on = (event, handler) => (heard[event] ??= new Set()).add(handler);
  const model = { get: (name) => traits[name], on, off() {} };
  const el = document.body.appendChild(document.createElement("div"));
  const end = view.render({ model, el });
  await frame();
  for (const name of late) {
    traits[name] = whole[name];
    for (const handler of heard[`change:${name}`] ?? []) handler();
    await frame(); await frame();
  }
  const meaning = el.querySelector(".pl-meaning").textContent;
  end();
  return [meaning, el.childElementCount];
}"""
)


@pytest.fixture(scope="module")
def desk(woven: tuple[Layered, HeldOut]) -> Mixer:
    mix, held_out = woven
    desk = Mixer(mix, prompt="At night the", held_out=held_out)
    desk.pinned = [1.0, 2.0, 0.5, 1.0, 1.0]
    return desk


@pytest.fixture(scope="module")
def file(desk: Mixer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return desk.to_html(tmp_path_factory.mktemp("offline") / "desk.html", title="My mix")


@pytest.fixture
def tab(open_tab: Callable[..., Tab], file: Path) -> Tab:
    return opened(open_tab(), file)


@pytest.fixture
def hand(tab: Tab) -> Hand:
    return Hand(tab.page)


def opened(tab: Tab, file: Path) -> Tab:
    tab.context.set_offline(True)
    tab.page.goto(file.as_uri())
    Hand(tab.page).await_sign("=")
    return tab


def random_steps(layers: int) -> list[Step]:
    """Weights on hundredths as a hand leaves them, some layers muted or soloed, somebody always speaking."""
    rng = np.random.default_rng(11)
    steps = list[Step]()
    while len(steps) < MIXES:
        weights = np.round(rng.uniform(0, 2, layers) * (rng.random(layers) < 0.9), 2)
        muted, soloed = rng.random(layers) < 0.15, rng.random(layers) < 0.08
        if (weights * ~muted * (soloed | ~soloed.any())).any():
            steps.append({"weights": weights.tolist(), "muted": muted.tolist(), "soloed": soloed.tolist()})
    return steps


def by_python(desk: Mixer, step: Step) -> dict[str, Any]:
    """The exact figures of a desk in Python."""
    desk.steps, desk.cursor = [step], 0
    assert desk.exact is not None
    return desk.exact


def test_two_hundred_mixes_agree_with_python(desk: Mixer, tab: Tab) -> None:
    steps = random_steps(5)
    figures = tab.page.evaluate(FIGURES, steps)
    recipes = [recipe(desk, step) for step in steps]
    Hand(tab.page).button("Recipe").click()
    drawn = tab.page.evaluate(DRAWN, recipes)
    sure = 0
    for step, figure, picture in zip(steps, figures, drawn, strict=True):
        exact = by_python(desk, step)
        for name in ("perplexity", "change", "half"):
            assert figure[name] == pytest.approx(exact[name], rel=1e-5, abs=1e-5), name
        for ours, theirs in zip(figure["slices"], exact["slices"], strict=True):
            assert ours["name"] == theirs["name"]
            assert (ours["now"], ours["pinned"]) == pytest.approx((theirs["now"], theirs["pinned"]), rel=1e-5)
        sure += figure["sure"]
        if figure["sure"]:
            assert [row["token"] for row in figure["rows"]] == [bar["token"] for bar in exact["bars"]]
        wanted = {bar["token"]: bar for bar in exact["bars"]}
        for row in figure["rows"]:
            if row["token"] in wanted:
                assert row["p"] == pytest.approx(wanted[row["token"]]["p"], abs=1e-5)
                assert row["parts"] == pytest.approx(wanted[row["token"]]["parts"], abs=1e-5)
        assert_drawn(picture, figure, step)
    assert sure > 0.9 * MIXES


def recipe(desk: Mixer, step: Step) -> str:
    """The text that a visitor would paste."""
    names = list(desk.mix.layers)
    silent = {key: [name for name, on in zip(names, step[key], strict=True) if on] for key in ("muted", "soloed")}
    return json.dumps(
        {"polyloom": "recipe", "format": 1, "weights": dict(zip(names, step["weights"], strict=True)), **silent}
    )


def assert_drawn(picture: dict[str, Any], figure: dict[str, Any], step: Step) -> None:
    """What stands in the page is the figure, to the digits that are drawn."""
    assert picture["message"].startswith("The mix is restored")
    assert picture["weights"] == step["weights"]
    assert picture["sign"] == ("=" if figure["sure"] else "≈")
    assert number(picture["meaning"].removeprefix("perplexity")) == pytest.approx(figure["perplexity"], abs=0.0501)
    change, _, half = picture["headline"].partition("±")
    assert (number(change), number(half)) == pytest.approx((figure["change"], figure["half"]), abs=0.0501)
    for text, slice in zip(picture["slices"], figure["slices"], strict=True):
        then, now = map(number, text.split("→"))
        assert (then, now) == pytest.approx((slice["pinned"], slice["now"]), abs=0.0501)
    longest = max(row["p"] for row in figure["rows"])
    scale = sum(picture["words"][0]["widths"]) / 100 / figure["rows"][0]["p"] if longest else 1
    for seen, row in zip(picture["words"], figure["rows"], strict=True):
        assert (0 if seen["p"] == "<0.001" else float(seen["p"])) == pytest.approx(row["p"], abs=0.000501)
        assert [width / 100 / scale for width in seen["widths"]] == pytest.approx(row["parts"], abs=1e-5)


@pytest.mark.parametrize("order", [1, -1], ids=["as sent", "backwards"])
def test_traits_may_arrive_one_by_one(hand: Hand, order: int) -> None:
    """A kernel sends them so, and a frame may fall between any two of them."""
    names = ["layers", "steps", "pinned", "score_p", "score_blocks", "score", "bars_p", "bars", "exact", "presets"]
    empty = {name: None if name.endswith(("_p", "_blocks")) else [] for name in names}
    empty |= {"score": {}, "bars": {}, "exact": None}
    meaning = hand.find(".pl-meaning").text_content()
    for late in ([name] for name in names):
        assert hand.page.evaluate(LATE, [late, empty]) == [meaning, 0]
    assert hand.page.evaluate(LATE, [names[::order], empty]) == [meaning, 0]


def test_faders_by_keyboard(hand: Hand) -> None:
    sea = hand.fader("sea")
    sea.focus()
    for key, weight in [
        ("ArrowUp", 1.05), ("ArrowRight", 1.1), ("ArrowDown", 1.05), ("ArrowLeft", 1.0),
        ("PageUp", 1.25), ("PageDown", 1.0), ("Shift+ArrowUp", 1.01), ("End", 2.0),
        ("ArrowUp", 2.0), ("Home", 0.0), ("ArrowDown", 0.0), ("PageUp", 0.25),
    ]:  # fmt: skip
        hand.page.keyboard.press(key)
        hand.settled()
        assert hand.weight("sea") == pytest.approx(weight), key
    text = sea.get_attribute("aria-valuetext") or ""
    assert text.startswith("sea, weight 0.25, ")
    assert "percent share" in text
    assert sea.get_attribute("aria-valuemax") == "2"
    said = hand.find("[aria-live=polite].pl-hidden").text_content() or ""
    assert said.startswith("sea 0.25, ")
    assert "leads with" in said
    assert "perplexity" in said


def test_undo_redo_presets_and_reset(hand: Hand) -> None:
    hand.fader("kitchen").focus()
    hand.page.keyboard.press("End")
    hand.page.keyboard.press("Control+z")
    hand.settled()
    assert hand.weight("kitchen") == 1
    hand.button("Redo").click()
    hand.settled()
    assert hand.weight("kitchen") == 2
    assert hand.button("Redo").is_disabled()
    hand.desk.get_by_label("Preset").select_option("only lullabies")
    hand.settled()
    assert [hand.weight(name) for name in ("sea", "kitchen", "lullabies")] == [0, 0, 1]
    assert hand.words()[0] == "moon"
    hand.page.keyboard.press("Control+z")
    hand.page.keyboard.press("Control+z")
    hand.settled()
    assert hand.weight("kitchen") == 1
    assert hand.button("Undo").is_disabled()
    hand.desk.get_by_label("weight of sea").fill("3.5")
    hand.page.keyboard.press("Enter")
    hand.settled()
    assert hand.weight("sea") == 3.5
    assert hand.fader("sea").get_attribute("aria-valuemax") == "4"
    hand.fader("sea").dblclick()
    hand.settled()
    assert hand.weight("sea") == 1


def test_a_fader_by_mouse_is_one_step(hand: Hand, desk: Mixer) -> None:
    before = hand.chances()
    x, y = hand.grab("sea")
    seen = set[float]()
    for n in range(1, 29):
        hand.page.mouse.move(x, y - 2.5 * n)
        hand.settled()
        seen.add(hand.weight("sea"))
    hand.page.mouse.up()
    hand.settled()
    assert hand.weight("sea") == 2
    assert len(seen) > 20, "it follows the finger"
    after = hand.chances()
    assert after["tide"] / after["dough"] > 1.9 * before["tide"] / before["dough"]
    equal = desk.mix.with_weights(**dict.fromkeys(desk.mix.layers, 1.0))
    assert after == pytest.approx(dict(equal.with_weights(sea=2.0).predict("At night the")), abs=0.0006)
    hand.page.keyboard.press("Control+z")
    hand.settled()
    assert hand.weight("sea") == 1
    assert hand.chances() == before


def test_escape_and_a_lost_pointer_take_a_drag_back(hand: Hand) -> None:
    x, y = hand.grab("sea")
    hand.page.mouse.move(x, y - 40)
    hand.settled()
    assert hand.weight("sea") > 1
    hand.page.keyboard.press("Escape")
    hand.page.mouse.up()
    hand.settled()
    assert hand.weight("sea") == 1
    assert hand.button("Undo").is_disabled()


def test_mute_and_solo(hand: Hand) -> None:
    hand.button("solo sea").click()
    hand.settled()
    assert [hand.button(f"solo {name}").get_attribute("aria-pressed") for name in ("sea", "kitchen")] == [
        "true",
        "false",
    ]
    hand.button("solo kitchen").click()
    hand.settled()
    assert [hand.button(f"solo {name}").get_attribute("aria-pressed") for name in ("sea", "kitchen")] == [
        "false",
        "true",
    ]
    hand.button("solo sea").click(modifiers=["Control"])
    hand.settled()
    assert hand.find(".pl-share").all_text_contents() == ["50\u202f%", "50\u202f%", "0\u202f%", "0\u202f%", "0\u202f%"]
    for name in ("sea", "kitchen"):
        hand.button(f"mute {name}").click()
    hand.settled()
    assert hand.headline() == "nobody is speaking"
    assert hand.words() == []
    hand.button("mute sea").click()
    hand.settled()
    assert hand.words()[0] == "tide"


def test_a_receipt_opens_follows_a_fader_and_closes(hand: Hand, tab: Tab, shots: Path) -> None:
    hand.find(".pl-row").filter(has_text="tide").first.press("Enter")
    receipt = hand.find(".pl-receipt")
    receipt.wait_for()
    hand.settled()
    assert receipt.locator(".pl-tree-foot .pl-tree-number").all_text_contents()[1] == "0.000000"
    total = number(receipt.locator(".pl-tree-foot .pl-tree-number").first.text_content() or "")
    assert total == pytest.approx(hand.chances()["tide"], abs=0.0006)
    lines = receipt.locator("[data-line]:visible")
    assert lines.count() >= 1
    assert "tide" in (lines.first.locator("mark").text_content() or "")
    hand.fader("sea").focus()
    hand.page.keyboard.press("End")
    hand.settled()
    assert number(receipt.locator(".pl-tree-foot .pl-tree-number").first.text_content() or "") > total
    assert tab.faults() == []
    tab.shoot(shots / "offline-receipt.png", "main")
    receipt.locator("[role=row]").first.focus()
    hand.page.keyboard.press("Escape")
    hand.settled()
    assert not receipt.is_visible()
    assert "tide" in (hand.page.evaluate("() => document.activeElement.textContent") or "")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1100, 760, 380])
def test_no_serious_fault_and_nothing_sticks_out(
    open_tab: Callable[..., Tab], file: Path, shots: Path, width: int, dark: bool
) -> None:
    tab = opened(open_tab(width=width, dark=dark), file)
    assert tab.faults() == []
    Hand(tab.page).fader("sea").focus()
    tab.page.keyboard.press("End")
    tab.page.evaluate("() => document.activeElement.blur()")
    Hand(tab.page).settled()
    tab.shoot(shots / f"offline-{'dark' if dark else 'light'}-{width}.png", "main")
    wide, tall = tab.page.evaluate(
        "() => [document.documentElement.scrollWidth, document.querySelector('.polyloom').offsetHeight]"
    )
    assert wide <= width
    if width == 760:
        assert tall <= 580
    Hand(tab.page).button("Recipe").click()
    assert tab.faults() == []


def test_in_a_frame_it_takes_the_colours_around_it(open_tab: Callable[..., Tab], file: Path) -> None:
    """As in an output of JupyterLab, whose theme is not the system's."""
    page, address = open_tab().page, "http://127.0.0.1:9/"
    around = (
        "<!doctype html><title>lab</title><link rel=icon href=data:,><body data-jp-theme-light=false><iframe src=/in>"
    )
    page.route(address, lambda route: route.fulfill(body=around, content_type="text/html"))
    page.route(f"{address}in", lambda route: route.fulfill(path=file, content_type="text/html"))
    page.goto(address)
    desk, dark = page.frame_locator("iframe").locator(".polyloom"), []
    for theme in ("false", "true"):
        page.evaluate("(light) => { document.body.dataset.jpThemeLight = light; }", theme)
        desk.evaluate("() => new Promise(requestAnimationFrame)")
        colours = [desk.evaluate("one => getComputedStyle(one).backgroundColor")]
        colours += [desk.evaluate("() => getComputedStyle(document.body).backgroundColor")]
        dark.append([colour == "rgb(17, 17, 17)" for colour in colours])
    assert dark == [[True, True], [False, False]]
