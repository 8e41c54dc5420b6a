"""The benchmark of the router, at a size where it can be checked."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from polyloom.compose.routing.router import bench
from toolkit.compose.router.experts import EXAMPLES


def test_the_area_is_that_of_scikit_learn() -> None:
    dice = np.random.default_rng(2)
    inside, outside = dice.integers(0, 9, 40) / 9, dice.integers(0, 7, 30) / 9
    judged = bench.Judged(inside, np.ones(40), outside)
    assert judged.auroc == pytest.approx(roc_auc_score([1] * 40 + [0] * 30, [*inside, *outside]))


def test_without_data_every_row_says_so() -> None:
    found = list(bench.rows(None))
    assert len(found) == len(bench.NAMES)
    assert all(row.value is None and row.reason for row in found)


def test_every_row_has_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "SIZES", ((4, 3, 1000),))
    monkeypatch.setattr(bench, "TIMED", 5)
    labelled = [(text, name) for name, texts in EXAMPLES.items() for text in texts]
    outside = [("zebra", "oos"), ("seven", "oos")]
    parts = {"train": labelled, "val": labelled, "test": labelled, "oos_val": outside, "oos_test": outside}
    file = tmp_path / "data" / bench.PLACE
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(parts), encoding="utf-8")
    found = list(bench.rows(tmp_path))
    assert all(row.group == "routing" and row.value is not None for row in found)
    assert len({row.name for row in found}) == len(found)
    assert sum(row.bar is not None for row in found) == 4
