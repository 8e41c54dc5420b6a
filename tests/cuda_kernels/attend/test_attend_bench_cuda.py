"""The benchmark of `attend` on a GPU asks what it says; the shim stands in, and nothing is timed."""

import shutil
from typing import Any

import pytest

from polyloom.cli.rows import Row
from polyloom_kernels._measure import Ceilings
from polyloom_kernels.attend import bench_cuda
from polyloom_kernels.shim import Shim


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++, which compiles for the shim, is not installed")
def test_its_rows_have_figures_peers_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TEXTS": 2, "TOKENS": 64, "PAGE": 16, "HEADS": 4, "KEY_HEADS": 2, "SIZE": 16}.items():
        monkeypatch.setattr(bench_cuda, name, value)
    monkeypatch.setattr(bench_cuda, "_theirs", lambda *_: lambda: None)
    spent = iter([8e-6, 4e-6, 16e-6])

    def given(jobs: Any) -> float:
        jobs[0]()
        return next(spent)

    monkeypatch.setattr(bench_cuda, "seconds", given)
    machine: Any = Shim()
    half, narrow = (Row(**row) for row in bench_cuda.rows(machine, Ceilings(copy=4e9, launch=2e-6)))
    assert (half.value, half.ratio, half.met) == (pytest.approx(8), pytest.approx(2), False)
    assert half.limit == pytest.approx(2 * 2 * 64 * 2 * 16 * 2 / 4e3)
    assert (narrow.value, narrow.ratio, narrow.met) == (pytest.approx(4), pytest.approx(2), True)
    assert narrow.limit == pytest.approx(2 * 2 * 64 * 2 * (16 + 4) / 4e3)
