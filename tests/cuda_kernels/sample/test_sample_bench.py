"""The benchmark of `sample` measures what it says, and its peer draws from the same law."""

import sys
from typing import Any

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels import limit
from polyloom_kernels.sample import bench, kept


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOKENS": 50, "REPEATS": 2}.items():
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(limit, "SIZE", 1_000)


def test_every_row_has_a_figure_and_its_peer_or_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = [Row(**row) for row in bench.rows(None)]
    assert [row.bar for row in found] == ["value <= 140", None]
    for row in found:
        assert row.value
        assert row.limit
        assert row.peer_value is None
        assert str(row.reason).startswith("torch is not installed here")


@pytest.mark.parametrize("asked", [{"top_p": 0.7}, {"min_p": 0.2}])
def test_where_torch_is_it_draws_from_the_same_law(asked: dict[str, float]) -> None:
    torch: Any = pytest.importorskip("torch")
    logits = bench.given()
    run, reason = bench.in_torch(logits, 0.8, **asked)
    assert run is not None
    assert reason is None
    before = torch.get_num_threads()
    left = kept(logits[0].astype(np.float64), temperature=0.8, **asked).tolist()
    assert {int(run()) for _ in range(600)} == set(left)
    assert torch.get_num_threads() == before
