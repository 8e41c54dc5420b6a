"""The benchmarks of `quantized` measure what they say, and their peers compute the same."""

import shutil
import sys
from typing import Any

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels._measure import Ceilings
from polyloom_kernels.quantized import bench, bench_cuda, product
from polyloom_kernels.shim import Shim


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ROWS": 48, "COLUMNS": 128, "REPEATS": 2}.items():
        monkeypatch.setattr(bench, name, value)
    for name, value in {"ROWS": 6, "COLUMNS": 128, "LAYERS": 2}.items():
        monkeypatch.setattr(bench_cuda, name, value)


def test_every_row_has_a_figure_a_limit_and_its_peer_or_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = [Row(**row) for row in bench.rows(None)]
    assert [row.bar for row in found] == ["limit_ratio >= 0.9"] * 2 + ["ratio >= 1"] * 2
    assert [row.name.rpartition(", ")[2] for row in found] == ["a core", "two threads"] * 2
    for row in found:
        assert row.value
        assert row.limit
        assert row.peer_value is None
        assert str(row.reason).startswith("torch is not installed here")


@pytest.mark.parametrize("name", bench.BARS)
def test_where_torch_is_it_computes_the_same(name: str) -> None:
    torch: Any = pytest.importorskip("torch")
    x, weight = bench.given(name)
    before = torch.get_num_threads()
    run, reason = bench.torch_product(x, weight, 1)
    if run is None:
        pytest.skip(str(reason))
    found = run().float().numpy()
    assert torch.get_num_threads() == before
    assert np.corrcoef(found[0], product(x, weight)[0])[0, 1] > 0.999


def test_operators_that_torch_does_not_have_are_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    torch: Any = pytest.importorskip("torch")
    monkeypatch.delattr(torch, "_convert_weight_to_int4pack_for_cpu")
    run, reason = bench.torch_product(*bench.given("int4"), 1)
    assert run is None
    assert "has no such product here" in str(reason)


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++, which compiles for the shim, is not installed")
def test_the_rows_of_a_gpu_have_figures_peers_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The shim stands in, and nothing is timed."""

    def second(jobs: Any) -> float:
        assert len(jobs) == 2
        jobs[0]()
        return 1e-9

    monkeypatch.setattr(bench_cuda, "seconds", second)
    monkeypatch.setattr(bench_cuda, "_theirs", lambda _: [lambda: None] * 2)
    machine: Any = Shim()
    found = [Row(**row) for row in bench_cuda.rows(machine, Ceilings(copy=1e12, launch=1e-6))]
    assert [row.bar for row in found] == ["limit_ratio >= 0.75", "limit_ratio >= 0.65", None, None]
    assert found[0].value == pytest.approx(6 * (128 + 4))
    assert found[1].value == pytest.approx(6 * (64 + 2 * 2))
    assert {row.limit for row in found} == {1000}
