"""The benchmark of `attend` measures what it says, and its peer computes the same."""

import sys
from typing import Any

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels import limit
from polyloom_kernels.attend import attend, bench


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOKENS": 50, "REPEATS": 2}.items():
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(limit, "SIZE", 1_000)


def test_every_row_has_a_figure_and_its_peer_or_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = [Row(**row) for row in bench.rows(None)]
    assert [row.bar for row in found] == ["ratio >= 1"] * 2
    for row in found:
        assert row.value
        assert row.limit
        assert row.peer_value is None
        assert str(row.reason).startswith("torch is not installed here")


def test_where_torch_is_it_computes_the_same() -> None:
    torch: Any = pytest.importorskip("torch")
    query, pages = bench.given()
    run, reason = bench.in_torch(query, pages)
    assert run is not None
    assert reason is None
    before = torch.get_num_threads()
    np.testing.assert_allclose(run()[:, :, 0].numpy(), attend(query, pages, [50] * bench.TEXTS), rtol=0, atol=1e-5)
    assert torch.get_num_threads() == before
