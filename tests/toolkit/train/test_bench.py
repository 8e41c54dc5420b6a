"""The peer of the benchmark is the same model: it learns the same from the same batches."""

from dataclasses import replace

import pytest

from polyloom.train import bench
from polyloom.transformer.config import Attention


def test_both_sides_take_the_same_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    small = replace(bench.CONFIG, vocabulary_size=50, width=32, layers=2, context=16, rows=0, attention=Attention(2))
    monkeypatch.setattr(bench, "CONFIG", small)
    (ours, number), theirs = bench._ours(), bench._theirs()
    assert number == sum(weight.numel() for weight in bench.Plain().parameters())
    for seed in range(5):
        batch = bench._batch(seed % 2)
        assert ours(batch) == pytest.approx(theirs(batch), rel=1e-5)


def test_of_each_work_the_fastest_run_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0, 5, 10, 12, 20, 22, 30, 37])  # seconds: 5 and 2 for the first batch, 2 and 7 for the second
    monkeypatch.setattr("time.process_time", lambda: next(clock))
    seen: list[str] = []
    works = [lambda _: seen.append("ours"), lambda _: seen.append("theirs")]
    assert bench._turns(works, [bench._batch(0)] * 2) == [2, 2]
    assert seen == ["ours", "theirs"] * 3
