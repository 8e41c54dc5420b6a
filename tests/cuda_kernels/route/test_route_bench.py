"""The benchmark of `route` measures what it says, and its peer computes the same."""

import sys
from typing import Any

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels.route import bench, route


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOKENS": (5, 9), "REPEATS": 2}.items():
        monkeypatch.setattr(bench, name, value)


def test_every_row_has_a_figure_and_its_peer_or_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = [Row(**row) for row in bench.rows(None)]
    assert [row.name.split(",")[0] for row in found] == ["route 5 tokens", "route 9 tokens"]
    for row in found:
        assert row.value
        assert (row.peer_value, row.met, row.bar) == (None, None, "ratio >= 2")
        assert str(row.reason).startswith("torch is not installed here")


def test_where_torch_is_it_computes_the_same() -> None:
    torch: Any = pytest.importorskip("torch")
    scores, bias = bench.given(7)
    run, reason = bench.torch_calls(scores, bias)
    before = torch.get_num_threads()
    assert reason is None
    assert run is not None
    for theirs, ours in zip(run(), route(scores, bench.ACTIVE, bias), strict=True):
        np.testing.assert_allclose(theirs.numpy(), ours, rtol=1e-6)
    assert torch.get_num_threads() == before
