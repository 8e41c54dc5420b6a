"""The benchmark of `sample` on a GPU asks what it says; the shim stands in, and nothing is timed."""

import shutil
from typing import Any

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels._measure import Ceilings
from polyloom_kernels.sample import bench, bench_cuda, kept
from polyloom_kernels.shim import Shim


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++, which compiles for the shim, is not installed")
def test_its_rows_have_figures_peers_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "TOKENS", 100)
    monkeypatch.setattr(bench_cuda, "ROWS", (1, 3))
    monkeypatch.setattr(bench_cuda, "_theirs", lambda *_: lambda: None)

    def microseconds(jobs: Any) -> float:
        assert len(jobs) == bench_cuda.SETS
        jobs[0]()
        return 5e-6

    monkeypatch.setattr(bench_cuda, "seconds", microseconds)
    machine: Any = Shim()
    found = [Row(**row) for row in bench_cuda.rows(machine, Ceilings(copy=1e8, launch=2e-6))]
    assert [(row.value, row.peer_value) for row in found] == [(pytest.approx(5), pytest.approx(5))] * 4
    assert [row.met for row in found] == [None, True] * 2
    assert [row.limit for row in found] == pytest.approx([12, 12, 36, 36])


def test_the_peer_draws_from_the_same_law() -> None:
    torch: Any = pytest.importorskip("torch")
    logits = np.random.default_rng(0).normal(0, 2, (1, 40)).astype(np.float32)
    run = bench_cuda._theirs(torch.from_numpy(logits))
    left = kept(logits[0].astype(np.float64), temperature=bench_cuda.TEMPERATURE, top_p=bench_cuda.TOP_P)
    drawn: list[Any] = [run() for _ in range(600)]
    assert {int(token) for token in drawn} == set(left.tolist())
