"""The piano roll in a real Chromium: drawn, walked, zoomed, looped, heard; edited and gone on with Python behind it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import polyloom
from browser.alive import alive
from browser.tab import Tab
from browser.view import assert_saved, assert_usable, assert_walked, everywhere, opened, settled
from polyloom import Sampling
from polyloom.music import MidiVocabulary, Score, read_abc
from polyloom.music.abc import style
from polyloom_datasets import load
from polyloom_widgets import PianoRoll

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
STYLES = ("dance", "chorale", "blues", "arpeggio")
FIELD = ".pl-roll-field"
KEYS, RULER = 46, 24
# Bright blue, as the dance's notes are: how many pixels of each column of the canvas have it.
BLUE = """canvas => {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const context = copy.getContext("2d", { willReadFrequently: true });
  context.drawImage(canvas, 0, 0);
  const { data } = context.getImageData(0, 0, copy.width, copy.height);
  const found = new Array(copy.width).fill(0);
  const blue = (n) => data[n] === 0 && data[n + 1] === 114 && data[n + 2] === 178;
  for (let n = 0; n < data.length; n += 4) if (blue(n)) found[(n / 4) % copy.width] += 1;
  return found;
}"""

SLOW = """() => {
  const talk = window.talk;
  window.talk = async (said) => { await new Promise((done) => setTimeout(done, 150)); return talk(said); };
}"""


@pytest.fixture(scope="module")
def made() -> polyloom.Generation:
    """A tune in four styles after an opening."""
    vocabulary = MidiVocabulary()
    scores = [(style(tune), read_abc(tune)) for tune in load("tunes").documents]
    voices = {name: [vocabulary.tokens(score) for kind, score in scores if kind == name] for name in STYLES}
    mix = polyloom.weave(voices, vocabulary, progress=False)[0]
    opening = Score.of([(0, 480, 60), (480, 480, 64), (960, 480, 67), (1440, 480, 64)])
    return mix.generate(vocabulary.tokens(opening), Sampling(temperature=0.8, max_tokens=250, min_p=0.05, seed=3))


@pytest.fixture
def roll(made: polyloom.Generation) -> PianoRoll:
    return PianoRoll(made)


@pytest.fixture(scope="module")
def files(made: polyloom.Generation, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("roll")
    return {
        "written": PianoRoll(made, note=8).to_html(folder / "written.html"),
        "score": PianoRoll(two_parts()).to_html(folder / "score.html"),
        "one": PianoRoll(Score.of([(480, 480, 60)])).to_html(folder / "one.html"),
        "empty": PianoRoll(Score.of([])).to_html(folder / "empty.html"),
    }


def two_parts() -> Score:
    """Twelve bars: a melody, and drums."""
    melody = [(480 * n, 480, 60 + n % 12, 80, 0, 40, 0) for n in range(48)]
    return Score.of([*melody, *((960 * n, 120, 38, 90, 9, 0, 1) for n in range(24))])


@pytest.fixture
def page(open_tab: Callable[..., Tab], files: dict[str, Path]) -> "Page":
    return opened(open_tab, files["score"]).page


def told(page: "Page") -> str:
    """What is said of the chosen note."""
    settled(page)
    return (page.locator("[role=status].pl-hidden").text_content() or "").replace("\u202f", "")


def trait(page: "Page", name: str) -> Any:
    return page.evaluate("name => window.model.get(name)", name)


def press(page: "Page", *keys: str) -> None:
    page.locator(FIELD).focus()
    for key in keys:
        page.keyboard.press(key)
    settled(page)


def test_notes_are_walked_by_keyboard(page: "Page") -> None:
    press(page, "Home")
    assert told(page) == "drum 38, bar 1 beat 1, a quarter of a beat, part drums"
    press(page, "ArrowUp")
    assert told(page) == "C4, bar 1 beat 1, one beat, part strings"
    press(page, "ArrowRight")
    assert told(page) == "C sharp 4, bar 1 beat 2, one beat, part strings"
    press(page, "End")
    assert told(page) == "B4, bar 12 beat 4, one beat, part strings"
    assert page.locator(FIELD).evaluate("one => one.scrollLeft") > 300, "the note has come into the window"
    assert page.locator(".pl-note-name").inner_text() == "B4"
    press(page, "Escape")
    assert page.locator(".pl-reason").inner_text().startswith("Point at a note")


def test_it_zooms_around_what_is_looked_at(page: "Page") -> None:
    field = page.locator(FIELD)
    wide = field.evaluate("one => one.scrollWidth")
    press(page, "+", "+")
    assert field.evaluate("one => one.scrollWidth") == pytest.approx(2.25 * wide, rel=0.1)
    press(page, "0")
    assert field.evaluate("one => one.scrollWidth") <= field.evaluate("one => one.clientWidth") + 1
    box = field.bounding_box()
    assert box is not None
    place = box["x"] + KEYS + 300
    before = page.locator(".pl-roll-canvas").evaluate(BLUE)
    page.mouse.move(place, box["y"] + 100)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -600)
    page.keyboard.up("Control")
    settled(page)
    after = page.locator(".pl-roll-canvas").evaluate(BLUE)
    assert sum(after) != sum(before)
    left = field.evaluate("one => one.scrollLeft")
    assert left == pytest.approx(300 * (1.0015**600 - 1), abs=3), "the beat under the pointer stays there"
    page.get_by_role("button", name="Fit").click()
    settled(page)
    assert field.evaluate("one => one.scrollLeft") == 0


def test_a_loop_by_hand_and_by_key(page: "Page") -> None:
    box = page.locator(FIELD).bounding_box()
    assert box is not None
    y = box["y"] + RULER / 2
    page.mouse.move(box["x"] + KEYS + 32 * 4.2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + KEYS + 32 * 8.1, y, steps=4)
    page.mouse.up()
    settled(page)
    loop = page.get_by_role("button", name="Loop")
    assert loop.get_attribute("aria-pressed") == "true"
    press(page, "l")
    assert loop.get_attribute("aria-pressed") == "false"
    page.mouse.click(box["x"] + KEYS + 32 * 8.5, y)
    settled(page)
    assert page.locator(".pl-time").inner_text() == "bar 3 · 0:04 / 0:24"


def test_it_plays_from_a_note_and_in_a_loop(page: "Page") -> None:
    press(page, "Home", "ArrowRight", "ArrowRight", "ArrowRight", "Enter")
    page.get_by_role("button", name="Pause").wait_for()
    page.wait_for_function("() => document.querySelector('.pl-time').textContent.includes('0:01')")
    press(page, " ")
    assert page.get_by_role("button", name="Play").is_visible()
    press(page, "l", "Enter")
    page.wait_for_timeout(2500)
    assert page.locator(".pl-time").inner_text().startswith("bar 1 "), "a bar lasts two seconds, and it begins again"
    press(page, " ")


def test_parts_are_muted_and_heard_alone(page: "Page") -> None:
    before = sum(page.locator(".pl-roll-canvas").evaluate(BLUE))
    page.get_by_role("button", name="Mute part 1, strings").click()
    settled(page)
    assert sum(page.locator(".pl-roll-canvas").evaluate(BLUE)) < before / 2, "it is faint"
    page.get_by_role("button", name="Solo part 1, strings").click()
    settled(page)
    assert sum(page.locator(".pl-roll-canvas").evaluate(BLUE)) == before
    assert page.get_by_role("button", name="Solo part 1, strings").get_attribute("aria-pressed") == "true"


def test_a_note_says_why(open_tab: Callable[..., Tab], files: dict[str, Path], made: polyloom.Generation) -> None:
    page = opened(open_tab, files["written"]).page
    roll = PianoRoll(made)
    step = int(np.frombuffer(roll.facts, np.int32).reshape(-1, 8)[8, 6])
    said = made.steps[step]
    assert f"{-said.log_prob / np.log(2):.1f} bits" in page.locator(".pl-reason-head").inner_text()
    shares = page.locator(".pl-note-shares .pl-voice").first.inner_text().replace("\u202f", " ").split("\n")[-1]
    assert shares == f"{said.loudest} {round(100 * said.shares[said.loudest])} %"
    assert page.locator(".pl-other").count() == len(said.candidates)
    assert (
        page.locator(".pl-other[data-came] .pl-other-name").inner_text() == page.locator(".pl-note-name").inner_text()
    )
    assert page.locator("button.pl-other").count() == 0, "without Python no note can be moved"
    assert not page.get_by_role("button", name="Continue from here").is_visible()
    box = page.locator(FIELD).bounding_box()
    assert box is not None
    before = page.locator(".pl-note-name").inner_text()
    names = set()
    for y in range(RULER + 4, int(box["height"]), 5):
        page.mouse.move(box["x"] + KEYS + 32 * 8 + 10, box["y"] + y)
        settled(page)
        names.add(page.locator(".pl-note-name").inner_text())
    assert len(names) > 1, "notes under the pointer are told"
    page.mouse.move(0, 0)
    settled(page)
    assert page.locator(".pl-note-name").inner_text() == before


def test_the_twin_has_the_notes_that_can_be_seen(page: "Page") -> None:
    page.wait_for_function("() => document.querySelectorAll('.pl-hidden tbody tr').length > 5")
    first = page.locator(".pl-hidden tbody tr").first.locator("th, td").all_text_contents()
    assert first == ["drum 38", "1", "1", "0.25", "90", "drums"]
    assert "of 72" in (page.locator(".pl-hidden caption").text_content() or "")
    press(page, "End")
    page.wait_for_function("() => document.querySelector('.pl-hidden tbody').textContent.includes('12')")


@pytest.mark.parametrize(("name", "look"), everywhere("written", "score", "one", "empty"))
def test_everybody_can_use_it(
    open_tab: Callable[..., Tab], files: dict[str, Path], shots: Path, name: str, look: dict[str, object],
    request: pytest.FixtureRequest,
) -> None:  # fmt: skip
    tab = opened(open_tab, files[name], **look)
    press(tab.page, "l")
    assert_usable(tab)
    tab.shoot(shots / f"roll-{request.node.callspec.id}.png")


@pytest.mark.parametrize("name", ["written", "score"])
def test_the_tab_key_comes_everywhere(open_tab: Callable[..., Tab], files: dict[str, Path], name: str) -> None:
    assert_walked(opened(open_tab, files[name]).page)


def test_it_is_taken_along(
    open_tab: Callable[..., Tab], files: dict[str, Path], tmp_path: Path, made: polyloom.Generation
) -> None:
    rows = assert_saved(opened(open_tab, files["written"]), tmp_path, "roll", ["chorale", "bits of surprise"])
    assert rows[0] == ["note", "bar", "beat", "beats", "velocity", "part", "voice", "share"]
    assert len(rows) == 1 + len(PianoRoll(made).score)
    assert rows[1][:4] == ["C4", "1", "1", "1"]


# -- with Python behind it -------------------------------------------------------------------------------------------


def test_a_note_is_moved_by_key_and_taken_back(
    open_tab: Callable[..., Tab], roll: PianoRoll, tmp_path: Path, made: polyloom.Generation
) -> None:
    page = alive(open_tab, roll, tmp_path).page
    before = roll.score
    press(page, "Home", *["ArrowRight"] * 8)
    assert roll.note == 8
    pitch = int(roll.score.notes["pitch"][8])
    press(page, "Shift+ArrowUp")
    page.wait_for_function("() => window.model.get('versions') === 2")
    assert roll.score.notes["pitch"][roll.note] == pitch + 1
    assert "moved by hand" in page.locator(".pl-reason-head").inner_text()
    press(page, "Control+z")
    page.wait_for_function("() => window.model.get('version') === 0")
    assert roll.score == before
    page.get_by_role("button", name="Redo").click()
    page.wait_for_function("() => window.model.get('version') === 1")
    assert roll.score != before


def test_keys_that_come_faster_than_python_all_count(
    open_tab: Callable[..., Tab], roll: PianoRoll, tmp_path: Path
) -> None:
    page = alive(open_tab, roll, tmp_path).page
    press(page, "Home", *["ArrowRight"] * 8)
    pitch = int(roll.score.notes["pitch"][8])
    page.evaluate(SLOW)
    press(page, *["Shift+ArrowUp"] * 5, "Shift+ArrowDown")
    page.wait_for_function("() => window.model.get('versions') === 3")
    assert roll.score.notes["pitch"][roll.note] == pitch + 4
    page.wait_for_timeout(400)
    assert roll.versions == 3, "the first of them, and the last"


def test_a_note_is_dragged_and_the_model_goes_on(
    open_tab: Callable[..., Tab], roll: PianoRoll, tmp_path: Path, shots: Path, made: polyloom.Generation
) -> None:
    tab = alive(open_tab, roll, tmp_path)
    page = tab.page
    press(page, "Home", *["ArrowRight"] * 8)
    x, y = place_of(page, roll, 8)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x, y - 30, steps=5)
    page.mouse.up()
    page.wait_for_function("() => window.model.get('versions') === 2")
    pitch = int(roll.score.notes["pitch"][roll.note])
    step = int(np.frombuffer(roll.facts, np.int32).reshape(-1, 8)[roll.note, 6])
    assert pitch == int(made.steps[step].piece.removeprefix("Pitch_")) + 3
    settled(page)
    assert page.locator(".pl-chip-hand").is_visible(), "the legend tells it now"
    tab.shoot(shots / "roll-moved.png")
    page.get_by_role("button", name="Continue from here").click()
    page.wait_for_function("() => window.model.get('versions') === 3")
    settled(page)
    page.get_by_role("button", name="Continue from here").wait_for()
    assert roll.generation.steps == made.fork(step, f"Pitch_{pitch}").steps
    assert f"{len(roll.score)} notes now" in told(page)
    tab.shoot(shots / "roll-gone-on.png")
    assert_usable(tab)


def place_of(page: "Page", roll: PianoRoll, note: int) -> tuple[float, float]:
    """Where a note stands in the window, found by pointing at one row after the other."""
    box = page.locator(FIELD).bounding_box()
    assert box is not None
    left = page.locator(FIELD).evaluate("one => one.scrollLeft")
    beat = roll.score.notes["onset"][note] / roll.score.ticks_per_beat
    x = box["x"] + 1 + KEYS + roll.zoom * beat - left + 8
    name = page.locator(".pl-note-name").inner_text()
    page.keyboard.press("Escape")
    for y in range(RULER + 4, int(box["height"]), 4):
        page.mouse.move(x, box["y"] + y)
        settled(page)
        if page.locator(".pl-note-name").inner_text() == name:
            return x, box["y"] + y
    raise AssertionError(f"{name} is not under the pointer")


def test_an_alternative_is_put_there_and_writing_is_stopped(
    open_tab: Callable[..., Tab], roll: PianoRoll, tmp_path: Path
) -> None:
    page = alive(open_tab, roll, tmp_path).page
    press(page, "Home", *["ArrowRight"] * 8)
    other = page.locator("button.pl-other").first
    other.wait_for()
    name = other.locator(".pl-other-name").inner_text()
    other.click()
    page.wait_for_function("() => window.model.get('versions') === 2")
    settled(page)
    assert page.locator(".pl-note-name").inner_text() == name
    page.evaluate(SLOW)
    page.get_by_role("button", name="Continue from here").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("button", name="Continue from here").wait_for()
    page.wait_for_timeout(400)
    steps = len(roll.generation.steps)
    page.wait_for_timeout(400)
    assert len(roll.generation.steps) == steps < 200


def test_a_given_note_stays_and_says_why(open_tab: Callable[..., Tab], roll: PianoRoll, tmp_path: Path) -> None:
    page = alive(open_tab, roll, tmp_path).page
    press(page, "Home", "Shift+ArrowUp")
    assert "given to the model" in page.locator(".pl-reason-head").inner_text()
    assert page.get_by_role("button", name="Continue from here").get_attribute("aria-disabled") == "true"
    assert roll.versions == 1
