"""The benchmark of `route` on a GPU asks what it says; the shim stands in, and nothing is timed."""

import shutil
from typing import Any

import pytest

from polyloom.cli.rows import Row
from polyloom_kernels._measure import Ceilings
from polyloom_kernels.route import bench_cuda
from polyloom_kernels.shim import Shim


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++, which compiles for the shim, is not installed")
def test_its_rows_have_figures_peers_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_cuda, "TOKENS", {5: "value <= 10", 300: None})
    monkeypatch.setattr(bench_cuda, "_theirs", lambda *_: lambda: None)

    def microseconds(jobs: Any) -> float:
        assert len(jobs) == bench_cuda.LAYERS
        jobs[0]()
        return 5e-6

    monkeypatch.setattr(bench_cuda, "seconds", microseconds)
    machine: Any = Shim()
    few, many = (Row(**row) for row in bench_cuda.rows(machine, Ceilings(copy=1e9, launch=2e-6)))
    assert (few.value, few.peer_value, few.met, many.met) == (pytest.approx(5), pytest.approx(5), True, None)
    assert few.limit == pytest.approx(5 * (64 * 4 + 8 * 28) / 1e3)
    (fast, _) = (Row(**row) for row in bench_cuda.rows(machine, Ceilings(copy=1e15, launch=2e-6)))
    assert fast.limit == pytest.approx(2)
