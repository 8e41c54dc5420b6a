"""Sound in the page: the same notes as Python renders, no clicks at loops, and soon after the hand has asked for it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from browser.tab import Tab
from polyloom.music import Score
from polyloom.music.synth import PARTIALS, rendered
from polyloom_widgets.base import bundle as module
from polyloom_widgets.base.bundle import bundle

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser

RATE = 44_100
BASE = Path(module.__file__).parent
OFFLINE = """async ({ notes, seconds, rate }) => {
  const context = new OfflineAudioContext(1, seconds * rate, rate);
  const timbre = new Timbre(context);
  for (const note of notes) timbre.strike(context.destination, note, note.start);
  return [...(await context.startRendering()).getChannelData(0)];
}"""
# What the player sends to the loudspeaker, before the limiter; it begins with the click that a browser asks for.
HEARD = """async ({ notes, end, loop, seconds }) => {
  const life = new Lifetime();
  const player = new Player(life, () => {});
  player.load(notes, end);
  player.loop = loop;
  const asked = performance.now();
  player.play();
  const context = player.context;
  const code = `registerProcessor("ear", class extends AudioWorkletProcessor {
    process([input]) { if (input[0]) this.port.postMessage(input[0].slice()); return true; } })`;
  const url = URL.createObjectURL(new Blob([code], { type: "text/javascript" }));
  while (context.currentTime < player.run.since) await new Promise((done) => setTimeout(done, 1));
  const began = performance.now() - asked + 1000 * context.outputLatency;
  await context.audioWorklet.addModule(url);
  const ear = new AudioWorkletNode(context, "ear");
  const blocks = [];
  ear.port.onmessage = ({ data }) => blocks.push(data);
  player.out.connect(ear);
  await new Promise((done) => setTimeout(done, 1000 * seconds));
  const at = player.at;
  player.pause();
  const stood = player.at;
  await new Promise((done) => setTimeout(done, 300));
  const rate = context.sampleRate;
  life.end();
  return { began, at, stood, rate, state: context.state, heard: blocks.flatMap((block) => [...block]) };
}"""


@pytest.fixture
def page(open_tab: Callable[..., Tab]) -> "Page":
    """A page with an address, since browsers give none to listen in on others."""
    page, address = open_tab().page, "http://127.0.0.1:9/"
    body = "<!doctype html><link rel=icon href=data:,><title>sound</title><button>play</button>"
    page.route(address, lambda route: route.fulfill(body=body, content_type="text/html"))
    sources = "\n".join(bundle(BASE / name) for name in ("sound.js", "dom.js"))
    page.goto(address)
    page.add_script_tag(content=f"{sources}\nObject.assign(window, {{ Timbre, Player, Lifetime }});", type="module")
    page.wait_for_function("() => window.Lifetime")
    page.get_by_role("button").click()
    return page


def heard(*notes: tuple[float, float, int, int]) -> list[dict[str, Any]]:
    return [{"start": s, "length": n, "pitch": p, "velocity": v, "drum": False} for s, n, p, v in notes]


@pytest.mark.parametrize("pitch", [36, 69, 100])
@pytest.mark.parametrize("length", [0.05, 0.5])
def test_a_note_is_the_one_that_python_renders(page: "Page", pitch: int, length: float) -> None:
    score = Score.of([(0, round(960 * length), pitch, 127)])
    theirs = rendered(score, RATE)
    ours = np.array(page.evaluate(OFFLINE, {"notes": heard((0, length, pitch, 127)), "seconds": 1, "rate": RATE}))
    ours, theirs = ours[: len(theirs)] / np.abs(ours).max(), theirs / np.abs(theirs).max()
    assert ours[0] == 0
    assert np.corrcoef(ours, theirs[: len(ours)])[0, 1] > 0.999
    assert np.abs(ours[len(theirs) - 200 :]).max() < 0.02


def test_loops_do_not_click(page: "Page") -> None:
    notes = heard((0, 0.5, 60, 100), (0.1, 0.8, 64, 100), (0.3, 0.2, 67, 100))
    found = page.evaluate(HEARD, {"notes": notes, "end": 1.0, "loop": [0, 0.35], "seconds": 2})
    signal, rate = np.array(found["heard"]), found["rate"]
    voices = [60, 64, 67, 60, 64]  # and two that fade when the loop begins again
    partials = enumerate(PARTIALS, 1)
    slope = sum(2 * np.pi * part * share for part, share in partials)
    steepest = sum(0.25 * (100 / 127) ** 2 * slope * 440 * 2 ** ((pitch - 69) / 12) / rate for pitch in voices)
    assert np.abs(signal).max() > 0.1
    assert np.abs(np.diff(signal)).max() < steepest
    curve = np.abs(np.diff(signal, 2))
    assert curve.max() < 8 * np.quantile(curve, 0.99), "a click is a corner"
    assert found["at"] < 0.35
    assert found["stood"] == pytest.approx(found["at"], abs=0.05)
    assert np.abs(signal[-64:]).max() < 1e-4, "a pause falls silent"


def test_it_sounds_within_a_tenth_of_a_second_and_leaves_nothing(page: "Page") -> None:
    many = heard(*((n / 100, 0.05, 40 + n % 40, 90) for n in range(5000)))
    asked = {"notes": many, "end": 50.1, "loop": None, "seconds": 0.1}
    found = [page.evaluate(HEARD, asked) for _ in range(3)]  # whatever else the machine does
    print(f"from the click to the first note: {min(one['began'] for one in found):.0f} ms")
    assert min(one["began"] for one in found) <= 100
    assert {one["state"] for one in found} == {"closed"}
