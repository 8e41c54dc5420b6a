"""The benchmark of `experts` measures what it says, and its peer computes the same."""

import sys
from typing import Any

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels import limit
from polyloom_kernels.experts import bench, experts


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOKENS": 5, "WIDTH": 32, "SIZE": 48, "REPEATS": 2}.items():
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(limit, "SIZE", 1_000)


def test_every_row_has_a_figure_and_its_peer_or_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = [Row(**row) for row in bench.rows(None)]
    assert [row.bar for row in found] == ["ratio >= 3"] * 2
    for row in found:
        assert row.value
        assert row.limit
        assert (row.peer_value, row.met) == (None, None)
        assert str(row.reason).startswith("torch is not installed here")


def test_a_token_has_different_experts() -> None:
    chosen = bench.layer("float32")[4]
    assert chosen.shape == (5, 2)
    assert all(len(set(row)) == 2 for row in chosen.tolist())


@pytest.mark.parametrize(("kind", "near"), [("float32", 1e-5), ("bfloat16", 3e-2)])
def test_where_torch_is_it_computes_the_same(kind: str, near: float) -> None:
    torch: Any = pytest.importorskip("torch")
    arrays: Any = bench.layer(kind)
    run, reason = bench.torch_loop(arrays, kind)
    before = torch.get_num_threads()
    assert (reason, run is None) == (None, False)
    np.testing.assert_allclose(run().float().numpy(), experts(*arrays), atol=near)  # pyright: ignore[reportOptionalCall]
    assert torch.get_num_threads() == before
