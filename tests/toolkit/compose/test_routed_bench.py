"""The measured curve of a cascade, and the benchmark of routing, at a size where they can be checked."""

import math
from pathlib import Path

import numpy as np
import pytest

from polyloom import InputError, cascade_curve
from polyloom.association import bench_measure, bench_text
from polyloom.compose import bench_routed
from toolkit.compose.test_hybrid import COUNTS, NETWORK, OTHERS, WORDS, skewed


def test_the_curve_goes_from_the_small_one_to_the_large_one() -> None:
    text = [skewed(WORDS.size, 1, 60), skewed(WORDS.size, 2, 40)]
    curve = cascade_curve({"small": NETWORK, "large": COUNTS}, text, [math.inf, 3.5, 0])
    assert [point.threshold for point in curve] == [math.inf, 3.5, 0]
    assert curve[0].share == 0 < curve[1].share < curve[2].share == 1
    for point, model in ((curve[0], NETWORK), (curve[2], COUNTS)):
        scores = np.concatenate([model.log_likelihood(ids) for ids in text])
        assert point.loss == pytest.approx(-scores.mean(), abs=1e-9)
    assert all(point.seconds > 0 for point in curve)
    assert str(curve[2]).startswith("above 0.000 nats: 100.0% to the large one, ")


def test_what_has_no_curve() -> None:
    with pytest.raises(InputError, match="a small member and a large one, in this order; got a, b, c"):
        cascade_curve({"a": COUNTS, "b": OTHERS, "c": NETWORK}, [np.array([1])], [1])
    with pytest.raises(InputError, match="at least one token"):
        cascade_curve({"a": COUNTS, "b": OTHERS}, [], [1])


def test_pieces_of_other_voices_follow_each_other() -> None:
    texts = [np.full(730, 7 * voice) for voice in range(5)]
    ids, voices = bench_routed.switching(texts, 3)
    assert len(ids) == len(voices)
    np.testing.assert_array_equal(ids, 7 * voices)
    pieces = voices.reshape(-1, bench_routed.PIECE)
    assert (pieces == pieces[:, :1]).all()
    assert (np.diff(pieces[:, 0]) != 0).all()
    assert np.bincount(pieces[:, 0]).max() == 7
    assert bench_routed.switching(texts, 4)[1].tolist() != voices.tolist()


@pytest.mark.long
def test_every_row_has_a_figure_and_every_bar_its_row(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, voices: dict[str, tuple[str, ...]]
) -> None:
    for name, value in {"ORDERS": 1, "EXPONENTS": 20, "FITTED": 100, "READ": 50, "BUDGETS": (0.0, 0.5)}.items():
        monkeypatch.setattr(bench_routed, name, value)
    for name, value in {"NOVEL": 4000, "JUDGED": 800, "HELD_OUT": 400}.items():
        monkeypatch.setattr(bench_text, name, value)
    monkeypatch.setattr(bench_measure, "REPEATS", 1)
    (tmp_path / "one.py").write_text("\n".join([*voices["sea"], *voices["kitchen"]]), encoding="utf-8")
    monkeypatch.setattr(bench_text.sysconfig, "get_path", {"stdlib": str(tmp_path)}.__getitem__)
    found = list(bench_routed.rows(None))
    assert [row.met for row in found if row.bar] == [True]
    assert len({row.name for row in found}) == len(found)
    assert all(row.group == "compose" and row.value is not None for row in found)
    oracle, best, even, single = found[:4]
    assert oracle.value is not None
    assert all(row.value is not None and row.value > oracle.value for row in (best, even, single))


def test_without_the_voices_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_routed, "entries", dict)
    row = next(iter(bench_routed.rows(None)))
    assert (row.value, row.reason) == (None, "no text 'sea' is registered")
