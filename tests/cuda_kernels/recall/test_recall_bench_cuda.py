"""The benchmark of `recall` on a GPU asks what it says; the shim stands in, and nothing is timed."""

from typing import Any

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels._measure import Ceilings
from polyloom_kernels.recall import bench, bench_cuda, fixed, recall
from polyloom_kernels.shim import Shim, build


@pytest.mark.skipif(build.missing() is not None, reason=str(build.missing()))
def test_its_rows_have_a_figure_a_peer_and_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOKENS": 3_000, "VOCABULARY": 300}.items():
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(bench_cuda, "CONTEXTS", 20)
    monkeypatch.setattr(bench_cuda, "FEW", 2)
    monkeypatch.setattr(bench_cuda, "_torch", lambda *_: lambda: None)

    def second(jobs: Any) -> float:
        for job in jobs:
            job()
        return 1.0

    monkeypatch.setattr(bench_cuda, "seconds", second)
    machine: Any = Shim()
    row, judged = (Row(**row) for row in bench_cuda.rows(machine, Ceilings(copy=1e12, launch=1e-6)))
    assert (row.value, row.peer_value, row.bar) == (20 / 1e6, 2 / 1e6, "value >= 10")
    assert (judged.value, judged.limit) == (row.value, row.limit)
    assert "top 10" in row.name
    assert "likelihood" in judged.name
    least, most = 32 * 4 * 8, 32 * 4 * (8 + 64 * 4)  # an entry for each row, and up to four lines
    assert 1e6 / most < (row.limit or 0) < 1e6 / least


def test_its_peer_finds_the_same_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    for name, value in {"TOKENS": 3_000, "VOCABULARY": 300}.items():
        monkeypatch.setattr(bench, name, value)
    text = bench.zipf(0)
    store = bench_cuda.stack([bench.layer(text, seed) for seed in range(bench.LAYERS)])

    class Tensors:
        def array(self, values: Any, kind: str) -> Any:
            return torch.from_numpy(np.array(values))

    ends, machine = np.array([40, 100, 7 + 32]), Tensors()
    found = bench_cuda._torch(machine, store, text, ends)()  # pyright: ignore[reportArgumentType]
    for row, end in enumerate(ends.tolist()):
        context = text[end - bench.WINDOW : end]
        ours = recall(store, context, bench.BEST, fixed(bench.WEIGHTS), backend="reference")
        np.testing.assert_allclose(found.values[row], ours.scores / bench.UNIT, atol=0.01)
