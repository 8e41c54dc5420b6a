"""The benchmark of `recall` measures what it says, and its peer answers the same question."""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels.recall import bench, fixed, recall, stack


class Tensor(np.ndarray[Any, Any]):
    """As much of a tensor as the peer needs."""

    def clone(self) -> "Tensor":
        return self.copy()

    def index_add_(self, axis: int, index: Any, source: Any) -> None:
        assert axis == 0
        assert self.dtype == source.dtype == np.float32
        np.add.at(self, index, source)

    def view(self, shape: Any) -> Any:
        return self.reshape(shape) if isinstance(shape, int) else super().view(shape)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOKENS": 3_000, "VOCABULARY": 300, "QUESTIONS": 12, "FEW": 5}.items():
        monkeypatch.setattr(bench, name, value)


def test_every_row_has_a_figure_and_its_peer_or_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = [Row(**row) for row in bench.rows(None)]
    assert [row.bar for row in found] == ["value <= 25", "value <= 40", "ratio >= 10"]
    assert all(row.group == "kernels" and row.value and row.unit == "µs" for row in found)
    assert [row.peer_value is None for row in found] == [False, False, True]
    assert str(found[2].reason).startswith("torch is not installed here")
    assert found[2].met is None


def test_where_torch_is_it_finds_the_same_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    found, threads = list[Any](), [5]

    def topk(scores: Any, k: int) -> None:
        found.append(np.sort(np.asarray(scores))[::-1][:k])

    torch: Any = SimpleNamespace(
        from_numpy=lambda array: array.view(Tensor),
        arange=np.arange,
        topk=topk,
        get_num_threads=lambda: threads[-1],
        set_num_threads=threads.append,
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    texts = [bench.zipf(seed) for seed in range(bench.LAYERS)]
    store = stack([bench.layer(text, seed) for seed, text in enumerate(texts)])
    contexts = [texts[0][at : at + bench.WINDOW] for at in range(0, 90, 30)]
    seconds, reason = bench._torch(store, contexts)
    assert (len(seconds or []), reason, threads) == (3, None, [5, 1, 5])
    for scores, context in zip(found[1:], contexts, strict=True):  # the first one warmed it up
        ours = recall(store, context, bench.BEST, fixed(bench.WEIGHTS)).scores
        np.testing.assert_allclose(scores, ours / 65_536, atol=0.01)
