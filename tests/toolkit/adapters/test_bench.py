"""The benchmark times two libraries that say the same."""

from pathlib import Path

import numpy as np
import pytest
import torch

from polyloom.adapters import bench

pytest.importorskip("peft")
pytestmark = [
    pytest.mark.long,
    # The block that silences PEFT may lose its filter to numba, which sets filters for all threads while it compiles.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]

SHAPE = bench.SHAPE | {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2}
SHAPE |= {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16, "max_position_embeddings": 64}


def test_the_peer_is_the_same_batch(tmp_path: Path) -> None:
    pair = bench.paired(SHAPE, 3, tmp_path)
    ours = bench.step_of_ours(pair, [2, None, 0, 1])()
    theirs = torch.log_softmax(bench.step_of_theirs(pair, [2, None, 0, 1])()[:, 0].double(), -1).numpy()
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert np.ptp(ours, axis=0).max() > 1e-3
    plain = torch.log_softmax(bench.step_of_theirs(pair, [None])()[0].double(), -1).numpy()
    np.testing.assert_allclose(plain[0], ours[1], atol=1e-5)


def test_rows_of_a_small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SHAPE", SHAPE)
    monkeypatch.setattr(bench, "BATCHES", {2: 1.0})
    monkeypatch.setattr(bench, "RUNS", 1)
    monkeypatch.setattr(bench, "LOADS", 1)
    found = list(bench.rows(None))
    assert [row.bar for row in found] == ["value <= 10", "ratio >= 5", None, None, "ratio >= 1"]
    assert all(row.group == "adapters" for row in found)
