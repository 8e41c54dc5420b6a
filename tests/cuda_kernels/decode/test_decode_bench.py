"""The benchmark of `decode` measures what it says."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels import limit
from polyloom_kernels.decode import bench, prepare
from polyloom_kernels.decode.weights import placed


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shape = replace(bench.SHAPE, vocabulary=200)
    for name, value in {"SHAPE": shape, "WIDTH": 48, "HIDDEN": 40, "LAYERS": 2, "TOKENS": 5, "REPEATS": 2}.items():
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(limit, "SIZE", 1_000)


def test_every_row_has_a_figure_and_its_limit() -> None:
    found = [Row(**row) for row in bench.rows(None)]
    assert [row.unit for row in found] == ["tokens/s", "GB/s"] * 2
    assert [row.bar for row in found] == [None, "limit_ratio >= 0.85"] * 2
    for tokens, read in zip(found[::2], found[1::2], strict=True):
        assert read.name.startswith(tokens.name)
        assert tokens.value
        assert tokens.limit_ratio == pytest.approx(read.limit_ratio)
    assert "bfloat16" in found[2].name


def test_a_token_reads_the_keys_and_values_before_it() -> None:
    machine = prepare(bench.SHAPE, bench.model("float32"), "cpu")
    each = [sum(part[:, :, : at + 1].nbytes for part in machine.cache(5)) for at in range(5)]
    assert bench.cached() == np.mean(each)


@pytest.mark.parametrize("kind", bench.KINDS)
def test_the_model_says_something(kind: str) -> None:
    weights = bench.model(kind)
    machine = prepare(bench.SHAPE, weights, "cpu")
    matrices = [one.matrix for one in placed(bench.SHAPE, weights)][:-1]
    assert machine.nbytes == sum(matrix.weight.nbytes for matrix in matrices)
    ends = sorted((each.weight.ctypes.data, each.weight.ctypes.data + each.weight.nbytes) for each in matrices)
    assert all(one[1] == other[0] for one, other in pairwise(ends))
    assert np.ptp(machine.step(7, 0, machine.cache(1))) > 0.1


def test_the_limit_is_bytes_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = limit.buffer()
    assert memory.nbytes == 4_000
    limit.bandwidth(memory)  # compiled before the clock is replaced
    times = iter([1.0, 1.5])
    monkeypatch.setattr(limit.time, "thread_time", times.__next__)
    assert limit.bandwidth(memory) == pytest.approx(8e-6)
