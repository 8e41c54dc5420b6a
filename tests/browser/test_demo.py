"""The web demo in a real browser: visitors with faders of their own, every tab alive, nothing from outside."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import polyloom
from browser.demo import served
from browser.hand import Hand
from browser.tab import Tab
from polyloom.music import read_abc, read_midi, write_midi
from polyloom_datasets import load

pytestmark = pytest.mark.browser

VIEWS = {
    "Mix": "mixer", "Attend": "attention", "Route": "routing", "Compose": "mixer", "Generate": "generation",
    "Music": "mixer",
}  # fmt: skip
MUSIC = {"A tune, note by note": "roll", "Two mixes, blind": "listen"}
LEARNED = 240_000  # milliseconds that the transformer may take on a machine that has much else to do


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(tmp_path_factory.mktemp("demo")) as found:
        yield found


def opened(tab: Tab, address: str) -> Hand:
    """The first tab with its desk."""
    tab.page.goto(address)
    hand = Hand(tab.page)
    hand.desk.wait_for()
    hand.await_sign("=")
    return hand


def turned(tab: Tab, name: str) -> Any:
    """Another tab, with its view."""
    tab.page.get_by_role("tab", name=name, exact=True).click()
    panel = tab.page.get_by_role("tabpanel").filter(visible=True)
    view = panel.locator(f".pl-{VIEWS[name]}")
    view.wait_for(timeout=LEARNED)
    return panel


def chosen(tab: Tab, panel: Any, label: str) -> Any:
    """Another example of the music, with its view."""
    panel.get_by_role("button", name=label).click()
    view = panel.locator(f".pl-{MUSIC[label]}")
    view.wait_for()
    Hand(tab.page).settled()
    return view


def downloaded(tab: Tab, panel: Any, name: str, folder: Path) -> Path:
    with tab.page.expect_download() as download:
        panel.get_by_role("link", name=name).click()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    return path


def width(tab: Tab) -> int:
    return tab.page.evaluate("() => document.documentElement.scrollWidth")


def test_two_visitors_move_their_own_faders(open_tab: Callable[..., Tab], address: str) -> None:
    mine, yours = opened(open_tab(), address), opened(open_tab(), address)
    mine.fader("sea").focus()
    mine.page.keyboard.press("End")
    mine.await_sign("=")
    yours.fader("kitchen").focus()
    yours.page.keyboard.press("Home")
    yours.await_sign("=")
    assert mine.weight("sea") > 1
    assert (mine.weight("kitchen"), yours.weight("kitchen"), yours.weight("sea")) == (1, 0, 1)
    assert mine.words() != yours.words()
    assert mine.perplexity() != yours.perplexity()


def test_the_address_is_the_mix(open_tab: Callable[..., Tab], address: str) -> None:
    first = opened(open_tab(), address)
    first.fader("sea").focus()
    first.page.keyboard.press("End")
    first.await_sign("=")
    first.page.wait_for_function("() => location.hash.startsWith('#recipe=')")
    second = opened(open_tab(), first.page.url)
    assert second.weight("sea") == first.weight("sea")
    assert second.chances() == first.chances()
    asked = opened(open_tab(), first.page.url.replace("#recipe=", "?recipe="))
    assert asked.weight("sea") == first.weight("sea")
    broken = opened(open_tab(), f"{address}/#recipe=nonsense")
    assert broken.weight("sea") == 1
    told = broken.page.locator(".demo-status").filter(visible=True).text_content()
    assert (told or "").startswith("The address holds a recipe that does not fit")


def test_it_ends_while_somebody_looks(open_tab: Callable[..., Tab], tmp_path: Path) -> None:
    with served(tmp_path) as found:
        tab = open_tab()
        hand = opened(tab, found)
    hand.fader("sea").focus()
    tab.page.keyboard.press("End")
    tab.page.get_by_text("The demo does not answer.").wait_for()
    tab.console.clear()  # a browser says there that nobody answered


def test_examples_and_what_can_be_taken_along(open_tab: Callable[..., Tab], address: str, tmp_path: Path) -> None:
    tab = open_tab()
    hand = opened(tab, address)
    tab.page.get_by_role("button", name="A contract at sea").click()
    hand.fader("kitchen").and_(tab.page.locator("[aria-valuenow='0']")).wait_for()
    hand.await_sign("=")
    assert (hand.weight("sea"), hand.weight("contracts"), hand.weight("kitchen")) == (1, 0.6, 0)
    panel = tab.page.get_by_role("tabpanel").filter(visible=True)
    got = {name: downloaded(tab, panel, name, tmp_path) for name in ("Recipe", "Model", "Offline page")}
    assert json.loads(got["Recipe"].read_text())["weights"]["contracts"] == 0.6
    mix = polyloom.load(got["Model"])
    assert isinstance(mix, polyloom.Layered)
    assert mix.weights["contracts"] == 0.6
    offline = open_tab()
    offline.page.goto(got["Offline page"].as_uri())
    assert Hand(offline.page).weight("contracts") == 0.6


def test_attention_asks_and_silences(open_tab: Callable[..., Tab], address: str) -> None:
    tab = open_tab()
    opened(tab, address)
    panel = turned(tab, "Attend")
    loss = panel.get_by_text("nats a token").first
    before = loss.text_content()
    text = panel.locator("input[type=text]").first
    text.fill("the tide comes in")
    text.press("Enter")
    tab.page.wait_for_function(
        "([at, old]) => document.querySelectorAll('.pl-attention .pl-token').length < 17 && at.textContent !== old",
        arg=[loss.element_handle(), before],
    )


def test_routing_decides_again(open_tab: Callable[..., Tab], address: str) -> None:
    tab = open_tab()
    opened(tab, address)
    panel = turned(tab, "Route")
    panel.get_by_role("button", name="what if sea read everything").click()
    panel.get_by_text("nats").first.wait_for()
    panel.get_by_role("button", name="Who should answer?").click()
    slider = panel.get_by_role("slider").first
    slider.wait_for()
    before = panel.locator(".pl-routing").text_content()
    slider.focus()
    tab.page.keyboard.press("Home")
    tab.page.wait_for_function(
        "([view, old]) => view.textContent !== old", arg=[panel.locator(".pl-routing").element_handle(), before]
    )


def test_writing_streams_stops_and_forks(open_tab: Callable[..., Tab], address: str) -> None:
    tab = open_tab()
    opened(tab, address)
    panel = turned(tab, "Generate")
    words = panel.locator(".pl-written")
    Hand(tab.page).settled()
    whole = words.count()
    tab.page.route("**/polyloom/say", lambda route: (tab.page.wait_for_timeout(800), route.continue_()))
    panel.get_by_role("button", name="Write").click()
    stop = panel.get_by_role("button", name="Stop")
    stop.click()
    stop.wait_for(state="detached")
    tab.page.wait_for_timeout(1000)
    stopped = words.count()
    tab.page.wait_for_timeout(1000)
    assert 0 < words.count() == stopped < whole


def test_texts_of_one_s_own_become_a_desk(open_tab: Callable[..., Tab], address: str) -> None:
    tab = open_tab()
    opened(tab, address)
    panel = turned(tab, "Compose")
    field = panel.locator("input[type=file]")
    files = [("shore.txt", load("sea").text), ("law.txt", load("contracts").text)]
    field.set_input_files([{"name": n, "mimeType": "text/plain", "buffer": t.encode()} for n, t in files])  # type: ignore[arg-type]
    panel.get_by_role("slider", name="shore").wait_for()
    law = panel.get_by_role("slider", name="law")
    law.focus()
    tab.page.keyboard.press("Home")
    Hand(tab.page).settled()
    panel.locator(".pl-badge-sign").get_by_text("=", exact=True).wait_for()
    assert law.get_attribute("aria-valuenow") == "0"
    field.set_input_files([{"name": "broken.psam", "mimeType": "", "buffer": b"nothing"}])  # type: ignore[arg-type]
    panel.get_by_text("broken.psam: ").wait_for()
    assert law.get_attribute("aria-valuenow") == "0"  # what was there still is
    assert [line for line in tab.console if "400" not in line] == []
    tab.console.clear()


def test_music_plays_under_the_faders_and_is_taken_along(
    open_tab: Callable[..., Tab], address: str, tmp_path: Path
) -> None:
    tab = open_tab()
    opened(tab, address)
    panel = turned(tab, "Music")
    panel.get_by_role("button", name="Play", exact=True).click()
    panel.locator(".pl-key-bar[data-pressed]").first.wait_for()
    panel.get_by_role("button", name="solo chorale").click()
    panel.locator(".pl-key-bar[data-pressed].pl-layer-1").first.wait_for()
    panel.get_by_role("button", name="Pause", exact=True).click()
    files = [downloaded(tab, panel, name, tmp_path) for name in ("Tune (MIDI)", "Tune (WAV)")]
    recipes = [polyloom.open_recipe(path) for path in files]
    assert recipes[0] == recipes[1]
    assert recipes[0]["weights"] == {"dance": 0.0, "chorale": 1.0, "blues": 0.0, "arpeggio": 0.0}
    assert len(read_midi(files[0])) > 4
    assert files[1].read_bytes()[:4] == b"RIFF"


def test_a_tune_says_why_is_edited_and_goes_on(open_tab: Callable[..., Tab], address: str, tmp_path: Path) -> None:
    tab = open_tab()
    opened(tab, address)
    panel = turned(tab, "Music")
    roll = chosen(tab, panel, "A tune, note by note")
    roll.locator(".pl-roll-field").focus()
    tab.page.keyboard.press("Home")
    roll.locator(".pl-note-shares").get_by_text("dance").first.wait_for()
    before = read_midi(downloaded(tab, panel, "Tune (MIDI)", tmp_path))
    roll.locator(".pl-roll-field").focus()
    tab.page.keyboard.press("Shift+ArrowUp")
    roll.get_by_text("moved by hand").first.wait_for()
    roll.get_by_role("button", name="Continue from here").click()
    roll.get_by_role("button", name="Stop").wait_for(state="detached")
    roll.get_by_role("button", name="Continue from here").wait_for()
    path = downloaded(tab, panel, "Tune (MIDI)", tmp_path)
    after = read_midi(path)
    assert after.notes["pitch"][0] == before.notes["pitch"][0] + 1
    assert polyloom.open_recipe(path)["seed"] == 4
    assert after != before


def test_two_mixes_are_heard_blind(open_tab: Callable[..., Tab], address: str) -> None:
    tab = open_tab()
    opened(tab, address)
    view = chosen(tab, turned(tab, "Music"), "Two mixes, blind")
    view.get_by_role("button", name="Which is better?").click()
    Hand(tab.page).settled()
    assert view.get_by_text("more blues").count() == 0
    view.get_by_role("button", name="① is better").click()
    view.get_by_text("Liked better").wait_for()


def test_a_tune_of_one_s_own_becomes_a_fader(open_tab: Callable[..., Tab], address: str, tmp_path: Path) -> None:
    tab = open_tab()
    opened(tab, address)
    panel = turned(tab, "Music")
    field = panel.locator("input[type=file]")
    field.set_input_files(write_midi(read_abc(load("tunes").documents[1]), tmp_path / "my tune.mid"))
    mine = panel.get_by_role("slider", name="mine")
    mine.wait_for()
    panel.get_by_role("button", name="solo mine").click()
    panel.get_by_role("button", name="Play", exact=True).click()
    panel.locator(".pl-key-bar[data-pressed].pl-layer-4").first.wait_for()
    for name, content, told in (
        ("broken.mid", b"nothing", "broken.mid: it cannot be read as MIDI"),
        ("notes.abc", b"hello", "notes.abc: Line 1 of a tune"),
        ("large.mid", bytes(200_001), "All files together may have 0.2 MB."),
    ):
        field.set_input_files([{"name": name, "mimeType": "", "buffer": content}])  # type: ignore[arg-type]
        panel.get_by_text(told).wait_for()
    assert mine.get_attribute("aria-valuenow") == "1"  # what was there still is
    assert [line for line in tab.console if "400" not in line] == []
    tab.console.clear()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("wide", [1100, 390])
def test_everybody_can_use_it(open_tab: Callable[..., Tab], address: str, shots: Path, wide: int, dark: bool) -> None:
    tab = open_tab(width=wide, dark=dark)
    opened(tab, address)
    for name in VIEWS:
        panel = turned(tab, name)
        assert_usable(tab, name.lower(), shots, wide, dark)
    for label, kind in MUSIC.items():
        chosen(tab, panel, label)
        assert_usable(tab, kind, shots, wide, dark)


def assert_usable(tab: Tab, name: str, shots: Path, wide: int, dark: bool) -> None:
    assert width(tab) <= wide, name
    Hand(tab.page).settled()
    tab.page.screenshot(path=shots / f"demo-{name}-{'dark' if dark else 'light'}-{wide}.png", full_page=True)
    assert tab.faults() == [], name
