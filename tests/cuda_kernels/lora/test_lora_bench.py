"""The benchmark of `lora` measures what it says, and its peers compute the same."""

import sys
from typing import Any

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels.lora import bench


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"WIDTHS": (32, 48), "REPEATS": 2, "CALLS": 1}.items():
        monkeypatch.setattr(bench, name, value)


def test_without_torch_every_row_has_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = [Row(**row) for row in bench.rows(None)]
    assert [row.bar for row in found] == ["value <= 0.15", "ratio >= 4"] * 2
    for row in found:
        assert (row.peer_value, row.met) == (None, None)
        assert str(row.reason).startswith("torch is not installed here")
    assert all(row.value and row.limit for row in found[1::2])


def test_with_torch_every_row_has_figures() -> None:
    torch: Any = pytest.importorskip("torch")
    before = torch.get_num_threads()
    for row in (Row(**row) for row in bench.rows(None)):
        assert row.value
        assert row.peer_value
        assert row.limit
        assert row.reason is None
    assert torch.get_num_threads() == before


def test_where_torch_is_it_computes_the_same() -> None:
    pytest.importorskip("torch")
    given = bench.drawn(40)
    works, reason = bench.torch_works(given)
    expected: Any = bench.ours_of(given)()
    assert reason is None
    for work in works[1:]:
        found: Any = work()
        np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4, atol=1e-5)
