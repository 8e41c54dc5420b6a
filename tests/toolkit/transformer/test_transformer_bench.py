"""The row of `polyloom bench transformer` about mixtures measures what it says."""

import pytest
import torch

from polyloom.transformer import bench
from polyloom.transformer.config import Experts
from polyloom_kernels import limit


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_mixture_has_a_limit(monkeypatch: pytest.MonkeyPatch, dtype: str) -> None:
    for name, value in {"WIDTH": 16, "MIXTURE": Experts(4, 2, size=24), "TURNS": 2}.items():
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(limit, "SIZE", 1_000)
    before = torch.is_grad_enabled()
    row = bench.mixture_row(dtype)
    assert row.name == f"a mixture of 4 experts of 16 × 24, top 2, 16 tokens, {dtype}, one thread"
    assert row.value
    assert row.limit
    assert row.bar == "limit_ratio >= 0.67"
    assert torch.is_grad_enabled() == before
