"""What the piano roll reckons in the page, run in node: beats and seconds, bars, names of notes, what can be seen."""

import json
from typing import Any

import numpy as np
import pytest

from polyloom.music import Score
from polyloom_widgets.roll.picture import metres, tempi, times
from widgets.test_views_js import run

SCORE = Score.of(
    [(0, 4800, 60), (240, 480, 61), (4000, 10, 62)],
    metres=((0, 4, 4), (1920, 6, 8), (3360, 3, 4)),
    tempi=((0, 500_000), (960, 1_000_000), (2400, 250_000)),
)


def test_seconds_are_those_of_the_score_and_come_back() -> None:
    ticks = [0, 479, 960, 961, 2400, 4800]
    maps = json.dumps(tempi(SCORE))
    beats = json.dumps([tick / 480 for tick in ticks])
    seconds = run("roll/clock.js", f"{beats}.map((beat) => secondsAt({maps}, beat))")
    assert seconds == pytest.approx([SCORE.seconds(tick) for tick in ticks])
    assert run("roll/clock.js", f"{seconds}.map((one) => beatAt({maps}, one))") == pytest.approx(json.loads(beats))


@pytest.mark.parametrize(
    ("beat", "place"),
    [(0, [1, 1, 0, 4]), (3.5, [1, 4.5, 0, 4]), (4, [2, 1, 4, 7]), (5.5, [2, 4, 4, 7]), (7, [3, 1, 7, 10]),
     (13, [5, 1, 13, 16])],
)  # fmt: skip
def test_places_are_counted_in_the_metre(beat: float, place: list[float]) -> None:
    found = run("roll/clock.js", f"placeOf({json.dumps(metres(SCORE))}, {beat})")
    assert [found[name] for name in ("bar", "beat", "from", "to")] == place


def test_lines_are_the_bars_of_the_score() -> None:
    given = json.dumps(metres(SCORE))
    lines = run("roll/clock.js", f"barsBetween({given}, 0, 10)")
    assert [line["beat"] * 480 for line in lines] == [bar for bar in SCORE.bars() if bar < 4800]
    assert [line["bar"] for line in lines] == [1, 2, 3]
    assert [line["bar"] for line in run("roll/clock.js", f"barsBetween({given}, 3, 40, 4)")] == [5, 9, 13]
    assert run("roll/clock.js", f"beatsBetween({given}, 3, 7)") == [3, 4, 4.5, 5, 5.5, 6, 6.5]


def test_bars_of_a_rest_without_end_are_few_where_few_are_shown() -> None:
    assert len(run("roll/clock.js", "barsBetween([[0, 4, 1, 0]], 0, 2 ** 40, 2 ** 34)")) == 16


@pytest.mark.parametrize(
    ("call", "found"),
    [("pitchName(60)", "C4"), ("pitchName(0)", "C-1"), ("pitchName(127)", "G9"), ("pitchName(70)", "A♯4"),
     ("lengthName(0.5, true)", "half a beat"), ("lengthName(0.5)", "½ beat"), ("lengthName(3)", "3 beats"),
     ("lengthName(0.7)", "0.7 beats"), ("otherName('Pitch_60', 60)", "C4"), ("otherName('</s>', -1)", "the end"),
     ("otherName('Position_24', -1)", "position 24"), ("otherName('<Bar>', -1)", "bar"), ("minutes(65.9)", "1:05"),
     ("lettersFor(['folk', 'fugue', 'piano 1', 'piano 2', '', 'é'])", ["F", "U", "1", "2", "A", "É"]),
     ("contrast('#0072b2')", "#fff"), ("contrast('#f0e442')", "#000"), ("bounded(1e9)", 1000)],
)  # fmt: skip
def test_names(call: str, found: Any) -> None:
    assert run("roll/roll.js", call) == found


MUSIC = """(() => {
  const bytes = (array) => new DataView(array.buffer);
  const traits = { times: bytes(new Float64Array(TIMES)), facts: bytes(new Int32Array(FACTS)), note: NOTE };
  return new Music({ get: (name) => traits[name] }, { ask() {}, report() {} }, () => {});
})()"""


def music(note: int = -1) -> str:
    """A roll over the score above, as an expression."""
    facts = [[pitch, 80, 0, 0, -1, 0, -1, 0] for pitch in SCORE.notes["pitch"].tolist()]
    given = {"TIMES": times(SCORE).ravel().tolist(), "FACTS": np.ravel(facts).tolist(), "NOTE": note}
    text = MUSIC
    for name, value in given.items():
        text = text.replace(name, json.dumps(value))
    return text


@pytest.mark.parametrize(
    ("window", "between"),
    [((0, 0.5), [0, 1]), ((0, 20), [0, 3]), ((9, 10), [0, 3]), ((10, 12), [3, 3]), ((2, 5), [0, 2])],
)
def test_what_can_be_seen_is_found_by_halving(window: tuple[float, float], between: list[int]) -> None:
    found = run("roll/music.js", f"{music()}.between({window[0]}, {window[1]})")
    assert found == between, "the long first note sounds all along"


def test_up_and_down_go_to_what_sounds_together() -> None:
    assert [run("roll/roll.js", f"neighbour({music(note)}, {way})") for note, way in ((0, 1), (1, 1), (1, -1))] == [
        1, 1, 0,
    ]  # fmt: skip


def test_arrays_of_two_versions_are_not_mixed() -> None:
    torn = music().replace("new Int32Array([60", "new Int32Array([1, 2, 3, 60")
    assert run("roll/music.js", f"{torn}.notes.count") == 0
