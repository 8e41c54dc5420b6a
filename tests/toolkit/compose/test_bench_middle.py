"""What the right side of a gap tells, measured where it can be checked."""

from typing import Any

import numpy as np
import pytest

from polyloom import WordVocabulary
from polyloom.association.bench_text import Anchor
from polyloom.compose import bench_middle

WORDS = WordVocabulary(["<unk>", "</s>", *"abcdefgh"])


def small(*_: Any) -> Anchor:
    """Any token may come next, and the one after it repeats it: only the right side knows what stands in a gap."""
    dice = np.random.default_rng(0)
    train, valid, test = (np.repeat(dice.integers(2, 10, size // 2), 2) for size in (2000, 400, 400))
    return Anchor("small", WORDS, train, valid, test, {})


def test_the_right_side_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_middle, "anchor", small)
    for name, value in {"GAPS": 60, "LEFT": 3, "RIGHT": 2}.items():
        monkeypatch.setattr(bench_middle, name, value)
    first, five, surprise, speed = bench_middle.rows(None)
    for row in (first, five, surprise):
        assert row.ratio is not None
        assert row.ratio >= 1
        assert "95 % of draws" in (row.reason or "")
    assert (first.value or 0) > (first.peer_value or 0) + 0.2
    assert speed.met


def test_without_the_book_the_rows_say_so() -> None:
    rows = list(bench_middle.rows(None))
    assert [row.value for row in rows] == [None] * 4
    assert len({row.name for row in rows}) == 4
    assert all("--shared DIR" in (row.reason or "") for row in rows)


def test_gaps_are_words(monkeypatch: pytest.MonkeyPatch) -> None:
    text = np.tile([0, 1, 5, 7], 50)
    monkeypatch.setattr(bench_middle, "LEFT", 10)
    monkeypatch.setattr(bench_middle, "GAPS", 80)
    places = bench_middle._gaps(Anchor("", WORDS, text, text, text, {}))
    assert len(set(places.tolist())) == 80
    assert set(text[places].tolist()) == {5, 7}
    assert places.min() >= 10
    assert places.max() < len(text) - bench_middle.RIGHT


def test_ranks_and_surprise() -> None:
    log_probs = np.log([0.4, 0.1, 0.3, 0.05, 0.08, 0.07])
    assert bench_middle._judged(log_probs, 0).tolist() == [1, 1, pytest.approx(-np.log(0.4))]
    assert bench_middle._judged(log_probs, 2).tolist() == [0, 1, pytest.approx(-np.log(0.3))]
    assert bench_middle._judged(log_probs, 3).tolist() == [0, 0, pytest.approx(-np.log(0.05))]
