"""The desk of a mix that speaks music: a keyboard that follows the faders, knobs that move them, and sound."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

import polyloom
from browser.alive import alive
from browser.hand import Hand
from browser.lab import jupyterlab
from browser.tab import Tab
from browser.test_lesson import READY, RUN_ALL
from browser.view import assert_usable, opened, settled
from polyloom.music import MidiVocabulary, Score
from polyloom_widgets import Mixer
from polyloom_widgets.base import bundle as module
from polyloom_widgets.base.bundle import bundle

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from polyloom.compose.weave import HeldOut

pytestmark = pytest.mark.browser
WIDGETS = Path(module.__file__).parents[1]

# What a controller with two knobs would send: there is none here.
CONTROLLER = """
  const input = { onmidimessage: null };
  const access = { inputs: new Map([["one", input]]), onstatechange: null };
  window.turn = (knob, place) => input.onmidimessage?.({ data: new Uint8Array([0xb0, knob, place]) });
  navigator.requestMIDIAccess = async () => access;
"""
# What was going on in the page when the first sound was asked for.
OPENED = """
  const Real = window.AudioContext;
  window.AudioContext = class extends Real {
    constructor(given) { super(given); window.opened ??= window.event?.type ?? "later"; }
  };
"""
COUNT = """() => {
  const send = model.send.bind(model);
  window.asked = 0;
  model.send = (content) => { asked += content.op === "play"; send(content); };
  window.requestAnimationFrame = () => 1;
}"""
LATE_CONTROLLER = """async () => {
  const input = { onmidimessage: null };
  let grant;
  const access = { inputs: new Map([["one", input]]), onstatechange: null };
  navigator.requestMIDIAccess = () => new Promise((done) => { grant = () => done(access); });
  const life = new Lifetime();
  const part = knobs({ layers: [{ name: "low" }], redraw() {} }, life);
  part.element.querySelector("button").click();
  life.end();
  grant();
  await new Promise((done) => setTimeout(done, 50));
  return input.onmidimessage === null;
}"""
FILLED = """all => all.map((one) => [one.title, [...one.children]
  .reduce((sum, part) => sum + (part.hidden ? 0 : parseFloat(part.style.height) || 0), 0)])"""
SOURCE = """
import polyloom
from polyloom.music import MidiVocabulary, read_abc
from polyloom_datasets import load
from polyloom_widgets import Mixer
vocabulary, tunes = MidiVocabulary(grid=12), load("tunes").documents
names, ids = ("dance", "chorale", "blues", "arpeggio"), [vocabulary.tokens(read_abc(tune)) for tune in tunes]
voices = {name: ids[5 * n : 5 * n + 5] for n, name in enumerate(names)}
mix, held_out = polyloom.weave(voices, vocabulary, progress=False)
desk = Mixer(mix, "Bar", held_out)
desk
"""


@pytest.fixture(scope="module")
def woven() -> tuple[polyloom.Layered, "HeldOut"]:
    """Two voices: after a bar line one sings C, the other G."""
    vocabulary = MidiVocabulary(grid=4)
    voices = {
        name: [vocabulary.tokens(Score.of([(n, 1, low + n * step % 12) for n in range(16)], ticks_per_beat=1))
               for step in range(1, 7)]
        for name, low in (("low", 60), ("high", 67))
    }  # fmt: skip
    return polyloom.weave(voices, vocabulary, progress=False)


@pytest.fixture(scope="module")
def file(woven: tuple[polyloom.Layered, "HeldOut"], tmp_path_factory: pytest.TempPathFactory) -> Path:
    mix, held_out = woven
    return Mixer(mix, "Bar", held_out).to_html(tmp_path_factory.mktemp("desk") / "desk.html")


@pytest.fixture
def played(open_tab: Callable[..., Tab], woven: tuple[polyloom.Layered, "HeldOut"], tmp_path: Path) -> "Iterator[Page]":
    """A desk with Python behind it."""
    desk = Mixer(woven[0], "Bar", woven[1])
    yield alive(open_tab, desk, tmp_path).page
    desk.close()


def likeliest(page: "Page") -> str:
    filled = page.locator(".pl-key-bar").evaluate_all(FILLED)
    return max(filled, key=lambda key: key[1])[0]


@pytest.mark.parametrize("look", [{}, {"dark": True}, {"width": 380}, {"forced_colors": "active"}])
def test_it_can_be_used_in_every_look(open_tab: Callable[..., Tab], file: Path, look: dict[str, object]) -> None:
    assert_usable(opened(open_tab, file, **look))


def test_the_keyboard_follows_the_faders(open_tab: Callable[..., Tab], file: Path) -> None:
    page = opened(open_tab, file).page
    hand = Hand(page)
    said = page.locator(".pl-music p[role=status]")
    assert "a note comes next with" in said.inner_text()
    for name, key in (("low", "C4"), ("high", "G4")):
        hand.button(f"solo {name}").click()
        settled(page)
        assert likeliest(page) == key
        assert f"if so, {key}" in said.inner_text()
    hand.button("mute low").click()
    hand.button("mute high").click()
    settled(page)
    assert said.inner_text() == ""


def test_knobs_are_learned_and_move_the_faders(open_tab: Callable[..., Tab], file: Path) -> None:
    tab = open_tab()
    tab.context.add_init_script(CONTROLLER)
    tab.context.set_offline(True)
    tab.page.goto(file.as_uri())
    page, hand = tab.page, Hand(tab.page)
    hand.button("Learn knobs").click()
    page.get_by_text("turn the knob for low").wait_for()
    page.evaluate("() => turn(7, 127)")
    page.get_by_text("turn the knob for high").wait_for()
    page.wait_for_timeout(500)  # a knob that rests is one step
    page.evaluate("() => turn(9, 0)")
    page.get_by_text("2 knobs known").wait_for()
    page.wait_for_function("() => document.querySelectorAll('.pl-thumb')[1].getAttribute('aria-valuenow') === '0'")
    assert (hand.weight("low"), hand.weight("high")) == (2, 0)
    hand.button("Undo").click()  # whether it rests already or not
    page.wait_for_function("() => document.querySelectorAll('.pl-thumb')[1].getAttribute('aria-valuenow') === '1'")
    assert (hand.weight("low"), hand.weight("high")) == (2, 1)
    page.wait_for_timeout(500)
    assert (hand.weight("low"), hand.weight("high")) == (2, 1), "and it stays so"
    hand.button("Undo").click()
    page.wait_for_function("() => document.querySelectorAll('.pl-thumb')[0].getAttribute('aria-valuenow') === '1'")
    page.evaluate("() => turn(3, 100)")  # nobody's
    settled(page)
    assert (hand.weight("low"), hand.weight("high")) == (1, 1)


def test_a_controller_that_is_allowed_late_moves_no_desk_that_was_closed(open_tab: Callable[..., Tab]) -> None:
    page = open_tab().page
    source = bundle(WIDGETS / "mixer" / "knobs.js")
    page.add_script_tag(content=f"{source}\nObject.assign(window, {{ knobs, Lifetime }});", type="module")
    page.wait_for_function("() => window.knobs")
    assert page.evaluate(LATE_CONTROLLER)


def test_sound_is_asked_for_within_the_click(played: "Page") -> None:
    played.evaluate(f"() => {{ {OPENED} }}")
    Hand(played).button("Play").click()
    played.get_by_role("button", name="Pause").wait_for()
    assert played.evaluate("() => opened") == "click"


def test_it_is_supplied_while_the_page_is_not_seen(played: "Page") -> None:
    Hand(played).button("Play").click()
    played.locator(".pl-key-bar[data-pressed]").first.wait_for()
    played.evaluate(COUNT)
    played.wait_for_function("() => asked > 1", polling=100)


def test_it_stops_where_nobody_speaks(played: "Page") -> None:
    hand = Hand(played)
    hand.button("Play").click()
    played.locator(".pl-key-bar[data-pressed]").first.wait_for()
    hand.button("mute low").click()
    hand.button("mute high").click()
    played.locator(".pl-music").get_by_text("Nobody is speaking. Raise a fader").wait_for()
    assert hand.button("Play").get_attribute("aria-disabled") == "true"
    hand.button("mute low").click()
    settled(played)
    hand.button("Play").click()
    played.locator(".pl-key-bar[data-pressed]").first.wait_for()


def test_another_prompt_is_begun_and_the_same_one_is_gone_on_with(played: "Page") -> None:
    hand = Hand(played)
    played.evaluate("""() => {
      const send = model.send.bind(model);
      window.begun = [];
      model.send = (content) => { if (content.op === "play") begun.push(content.begin); send(content); };
    }""")
    hand.button("Play").click()
    hand.button("Pause").click()
    hand.button("Play").click()
    hand.button("Pause").click()
    assert played.evaluate("() => begun.filter(Boolean).length") == 1
    played.get_by_label("Prompt", exact=True).fill("Bar Pitch_60 Duration_4")
    played.keyboard.press("Enter")
    played.wait_for_function("() => model.get('bars').key > 1")
    settled(played)
    hand.button("Play").click()
    hand.button("Pause").wait_for()
    assert played.evaluate("() => begun.filter(Boolean).length") == 2


def test_a_kernel_that_is_gone_is_missed(played: "Page") -> None:
    played.evaluate("() => { model.send = () => {}; }")
    Hand(played).button("Play").click()
    played.get_by_text("no music comes until it does").wait_for()


@pytest.fixture(scope="module")
def lab(chromium: "Browser", tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Page]":
    folder = tmp_path_factory.mktemp("music")
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(SOURCE.strip())],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )
    nbformat.write(notebook, folder / "music.ipynb")
    with jupyterlab(folder / "music.ipynb", folder / "server") as address:
        tab = Tab(chromium, width=1100, height=1000)
        tab.page.goto(address)
        tab.page.wait_for_function(READY, timeout=60_000)
        tab.page.evaluate(RUN_ALL)
        yield tab.page
        tab.check()
        tab.close()


@pytest.mark.lesson
def test_it_plays_while_faders_move(lab: "Page") -> None:
    hand = Hand(lab)
    lab.locator(".pl-keyboard").wait_for(timeout=60_000)
    hand.button("Play").click()
    lab.locator(".pl-key-bar[data-pressed]").first.wait_for()
    hand.button("solo chorale").click()
    chorale = ".pl-key-bar[data-pressed].pl-layer-1"
    others = ":is(.pl-layer-0, .pl-layer-2, .pl-layer-3)"
    lab.wait_for_function(
        f"() => document.querySelector('{chorale}') && !document.querySelector('.pl-key-bar[data-pressed]{others}')",
        timeout=20_000,
    )
    hand.button("Pause").click()
    lab.locator(".pl-key-bar[data-pressed]").first.wait_for(state="detached")
