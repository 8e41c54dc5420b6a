"""Sound in the page: the same notes as Python renders, no clicks at loops, and soon after the hand has asked for it."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from browser.tab import Tab
from polyloom.music import Score
from polyloom.music.synth import PARTIALS, rendered, summed
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
LIMITED = """async ({ notes, seconds, rate }) => {
  const context = new OfflineAudioContext(2, seconds * rate, rate);
  const [timbre, limit, merger] = [new Timbre(context), limiter(context), context.createChannelMerger(2)];
  const out = context.createGain();
  out.connect(merger, 0, 0);
  out.connect(limit).connect(merger, 0, 1);
  merger.connect(context.destination);
  for (const note of notes) timbre.strike(out, note, note.start);
  const found = await context.startRendering();
  return [0, 1].map((channel) => [...found.getChannelData(channel)]);
}"""
# How many notes are struck at once after the page had no time for the player.
BUSY = """async (notes) => {
  const life = new Lifetime();
  const player = new Player(life, () => {});
  player.load(notes, 9);
  player.play();
  const began = player.context.currentTime;
  while (player.context.currentTime < began + 0.1) await new Promise((done) => setTimeout(done, 5));
  const until = performance.now() + 1500;
  while (performance.now() < until);
  const struck = [];
  player.strike = (note, when) => struck.push(when);
  await new Promise((done) => setTimeout(done, 200));
  life.end();
  return struck;
}"""
RESTED = """async () => {
  const late = window.setTimeout;
  window.setTimeout = (handler, time) => late(handler, time > 5000 ? 300 : time);
  const [life, wait] = [new Lifetime(), (time) => new Promise((done) => late(done, time))];
  const player = new Player(life, () => {});
  player.load([{ start: 0, length: 3, pitch: 60, velocity: 90, drum: false }], 3);
  const states = [];
  player.play();
  await wait(600);
  states.push(player.context.state);
  player.pause();
  await wait(600);
  states.push(player.context.state);
  player.play();
  const at = player.at;
  await wait(600);
  states.push(player.context.state, player.at > at);
  life.end();
  return states;
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

# What is known of the run after each of some notes was loaded.
LOADED = """async ([first, ...others]) => {
  const life = new Lifetime();
  const player = new Player(life, () => {});
  player.load(first, 9);
  player.play();
  const [run, voices] = [player.run, player.voices.length];
  const found = others.map((notes) => {
    player.load(notes, 9);
    return [player.run === run, player.voices.length - voices];
  });
  player.pause();
  player.touch(60, 90, false);
  const touched = [player.playing, player.voices.length];
  life.end();
  return { found, touched };
}"""


@pytest.fixture
def page(open_tab: Callable[..., Tab]) -> "Page":
    """A page with an address, since browsers give none to listen in on others."""
    page, address = open_tab().page, "http://127.0.0.1:9/"
    body = "<!doctype html><link rel=icon href=data:,><title>sound</title><button>play</button>"
    page.route(address, lambda route: route.fulfill(body=body, content_type="text/html"))
    sources = "\n".join(bundle(BASE / name) for name in ("sound.js", "dom.js"))
    page.goto(address)
    page.add_script_tag(
        content=f"{sources}\nObject.assign(window, {{ Timbre, Player, Lifetime, limiter }});", type="module"
    )
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


def test_notes_that_are_added_do_not_cut_off_those_that_sound(page: "Page") -> None:
    first = heard((0, 2, 60, 90), (0.1, 2, 64, 90), (5, 1, 67, 90))
    found = page.evaluate(LOADED, [first, [*first, *heard((6, 1, 72, 90))], heard((0, 2, 61, 90), (0.1, 2, 64, 90))])
    assert found["found"][0] == [True, 0]
    assert found["found"][1][0] is False, "another note in the place of one that sounds is struck"
    assert found["touched"] == [False, 1]


def test_one_player_of_a_page_is_heard_at_a_time(page: "Page") -> None:
    script = """(notes) => {
      const life = new Lifetime();
      const players = [0, 1].map(() => new Player(life, () => {}));
      for (const player of players) { player.load(notes, 5); player.play(); }
      const playing = players.map((player) => player.playing);
      life.end();
      return playing;
    }"""
    assert page.evaluate(script, heard((0, 5, 60, 90))) == [False, True]


def test_it_sounds_within_a_tenth_of_a_second_and_leaves_nothing(page: "Page") -> None:
    many = heard(*((n / 100, 0.05, 40 + n % 40, 90) for n in range(5000)))
    asked = {"notes": many, "end": 50.1, "loop": None, "seconds": 0.1}
    found = [page.evaluate(HEARD, asked) for _ in range(3)]  # whatever else the machine does
    print(f"from the click to the first note: {min(one['began'] for one in found):.0f} ms")
    assert min(one["began"] for one in found) <= 100
    assert {one["state"] for one in found} == {"closed"}


def test_percussion_is_as_loud_as_python_renders_it(page: "Page") -> None:
    drum = [{**heard((0, 0.3, 38, 127))[0], "drum": True}]
    ours, note = (
        np.array(page.evaluate(OFFLINE, {"notes": notes, "seconds": 1, "rate": RATE}))
        for notes in (drum, heard((0, 0.3, 60, 127)))
    )
    theirs, tone = (summed(Score.of([(0, 288, pitch, 127, channel)]), RATE) for pitch, channel in ((38, 9), (60, 0)))
    assert (ours**2).sum() / (note**2).sum() == pytest.approx((theirs**2).sum() / (tone**2).sum(), rel=0.1)


def test_the_limit_bears_a_cluster_and_leaves_a_melody(page: "Page") -> None:
    for notes, gains in ((range(60, 61), (1, 1.2)), (range(48, 58), (0.2, 0.9))):
        asked = {"notes": heard(*((0.1, 1, pitch, 127) for pitch in notes)), "seconds": 1.5, "rate": RATE}
        before, after = (np.array(channel) for channel in page.evaluate(LIMITED, asked))
        assert np.abs(after).max() < 1
        assert gains[0] < np.sqrt((after**2).sum() / (before**2).sum()) < gains[1]


def test_a_page_that_was_busy_leaves_out_what_it_missed(page: "Page") -> None:
    struck: list[float] = page.evaluate(BUSY, heard(*((n / 50, 0.05, 40 + n % 40, 90) for n in range(400))))
    assert struck
    assert max(Counter(struck).values()) < 8, "what was missed does not sound at once"


def test_after_a_while_of_silence_the_loudspeaker_is_given_back(page: "Page") -> None:
    assert page.evaluate(RESTED) == ["running", "suspended", "running", True]
