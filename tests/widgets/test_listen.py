"""Two pieces heard against one another: the same place, the same loudness, votes and what they say."""

from typing import Any

import numpy as np
import pytest

import polyloom
from polyloom import InputError, Sampling
from polyloom.music import MidiVocabulary, Score, score_of
from polyloom_widgets.listen.listen import ListenAB
from polyloom_widgets.listen.votes import abx, at_least, preference
from widgets.test_views_js import run

SLOW = ((0, 1_000_000),)
LOW = range(60, 66)


@pytest.fixture(scope="module")
def mix() -> polyloom.Layered:
    vocabulary = MidiVocabulary(grid=4)
    voices = {
        name: [
            vocabulary.tokens(Score.of([(480 * n, 480, low + n * step) for n in range(16)])) for low in range(60, 66)
        ]
        for name, step in (("up", 1), ("higher", 2))
    }
    return polyloom.weave(voices, vocabulary, progress=False)[0]


def pair() -> tuple[Score, Score]:
    quick = Score.of([(480 * n, 480, 60 + n, 90) for n in range(12)])
    return quick, Score.of([(480 * n, 480, 60 + n + (n > 8), 40) for n in range(12)], tempi=SLOW)


def test_the_softer_piece_sets_how_loud_both_are() -> None:
    view = ListenAB(*pair())
    assert view.levels[1] == 1
    assert view.levels[0] == pytest.approx((40 / 90) ** 2, rel=0.2)  # of longer notes more fades
    assert view.bars == [[0, 2, 4, 6], [0, 4, 8, 12]]
    assert repr(view) == "ListenAB('A', 'B')"
    assert view._still().count("<svg") == 2
    view.close()


def test_no_piece_is_made_so_soft_that_nobody_hears_it() -> None:
    view = ListenAB(*(Score.of([(0, 480, 60, velocity)]) for velocity in (1, 127)))
    assert view.levels == [1, pytest.approx(0.01)]
    view.close()


def test_the_page_sees_the_same_notes_and_what_differs() -> None:
    view = ListenAB(*pair())
    notes = np.frombuffer(view.notes_b, "<f4").reshape(-1, 5)
    assert notes[3].tolist() == [3, 1, 63, 40, 0]
    given = ", ".join(f"new DataView(Uint8Array.from({list(one)}).buffer)" for one in (view.notes_a, view.notes_b))
    found = run("listen/places.js", f"difference([{given}].map(notesOf), {view.bars})")
    assert len(found["both"]) == 9
    assert [len(side) for side in found["alone"]] == [3, 3]
    assert found["alone"][1][0] == {"from": 2.25, "to": 2.5, "pitch": 70, "drum": False}
    view.close()


def test_percussion_is_no_melody() -> None:
    notes = "{ start: 0, length: 1, pitch: 36, velocity: 90, drum: false }"
    found = run("listen/places.js", f"difference([[{notes}], [{{ ...{notes}, drum: true }}]], [[0, 1], [0, 1]])")
    assert found["both"] == []


@pytest.mark.parametrize(("second", "place"), [(0, 0), (1, 0.5), (2, 1), (4.5, 1.625), (9, 2.75)])
def test_a_place_is_a_number_of_bars(second: float, place: float) -> None:
    bars = [0, 2, 6, 10]  # the tempo falls to half after a bar
    assert run("listen/places.js", f"placeOf({bars}, {second})") == place
    assert run("listen/places.js", f"secondOf({bars}, {place})") == second


@pytest.mark.parametrize(("right", "total", "p"), [(0, 0, 1), (7, 10, 0.171875), (10, 10, 2**-10), (60, 100, 0.028444)])
def test_chance_is_the_tail_of_a_fair_coin(right: int, total: int, p: float) -> None:
    assert at_least(right, total) == pytest.approx(p, rel=1e-3)
    assert run("listen/places.js", f"atLeast({right}, {total})") == pytest.approx(at_least(right, total), rel=1e-12)


def test_votes_are_counted_alike_in_the_page() -> None:
    votes: list[dict[str, Any]] = [{"kind": "abx", "x": n % 2, "said": n % 3 % 2} for n in range(9)]
    votes += [{"kind": "prefer", "said": int(n > 1)} for n in range(7)]
    for ours, theirs in ((abx(votes), "toldApart"), (preference(votes), "liked")):
        found = run("listen/places.js", f"{theirs}({votes})")
        assert found == {"count": ours.count, "total": ours.total, "p": pytest.approx(ours.p)}


def test_votes_lean_the_weights(mix: polyloom.Layered) -> None:
    first, second = mix.with_weights(up=3.0, higher=1.0), mix.with_weights(up=0.0, higher=1.0)
    texts = [one.generate("Bar Position_0 Pitch_60", Sampling(seed=1, max_tokens=40)) for one in (first, second)]
    view = ListenAB(*texts, names=("as it was", "higher"))
    assert len(view.scores[0]) == len(score_of(texts[0])) > 2
    assert view.suggested == {"up": pytest.approx(0.375), "higher": pytest.approx(0.625)}
    view.votes = [{"kind": "prefer", "said": 1}] * 8
    assert view.liked.total == 8
    assert view.suggested["up"] == pytest.approx(0.075)
    assert sum(view.suggested.values()) == pytest.approx(1)
    assert mix.with_weights(view.suggested).weights["higher"] == pytest.approx(0.925)
    view.close()


def test_what_cannot_be_heard_or_counted_is_refused(mix: polyloom.Layered) -> None:
    one = pair()[0]
    with pytest.raises(InputError, match="B has no note"):
        ListenAB(one, Score.of([]))
    with pytest.raises(InputError, match="Expected a score or what a model of music wrote, got str"):
        ListenAB(one, "tune.mid")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="Expected two names"):
        ListenAB(one, one, names="ab")
    view = ListenAB(one, one)
    with pytest.raises(InputError, match="two texts that mixes wrote"):
        _ = view.suggested
    for wrong in ({"kind": "abx", "said": 1}, {"kind": "prefer", "said": 2}, {"kind": "x", "said": 1}, {}):
        with pytest.raises(InputError, match="A vote is"):
            view.votes = [wrong]
    with pytest.raises(InputError, match="0 or 1"):
        view.side = 2
    assert view.votes == []
    view.close()
