"""`count` and `merge` as they are called for a GPU: the shim stands in for it, and the bench is not timed."""

import shutil
from typing import Any

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels import _device
from polyloom_kernels._measure import Ceilings
from polyloom_kernels.count import (
    bench,
    bench_cuda,
    count,
    cuda,
    merge,
    operation,
    pairs,
    pairs_operation,
    pairs_reference,
    reference,
)
from polyloom_kernels.shim import Shim

KEYS = np.random.default_rng(0).integers(-30, 30, 200)
compiled = pytest.mark.skipif(shutil.which("g++") is None, reason="g++, which compiles for the shim, is not installed")


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (operation, pairs_operation):
        monkeypatch.setattr(module, "on_gpu", lambda backend, *_: backend == "cuda")
        monkeypatch.setattr(module, "Device", Shim)


def same(found: Any, expected: Any) -> None:
    assert found._fields == expected._fields
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.dtype == np.int64
        np.testing.assert_array_equal(ours, theirs)


@compiled
@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("ranks", [True, False])
def test_arrays_are_counted_there(ranks: bool) -> None:
    same(count(KEYS, ranks=ranks, backend="cuda"), reference.count(KEYS, ranks))


@compiled
@pytest.mark.usefixtures("stand_in")
def test_runs_are_added_and_taken_away_there() -> None:
    whole, part = reference.count(KEYS), reference.count(KEYS[:80])
    less = merge(*whole[:2], part.keys, -part.counts, backend="cuda")
    same(less, reference.merge(*whole[:2], part.keys, -part.counts))
    assert less.counts.sum() == 120


@compiled
@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("size", [70, 70_000])
def test_pairs_are_counted_there(size: int) -> None:
    given = ((KEYS + 30).astype(np.uint16), np.array([0, 3, 3, 90]), size, 2)
    for ours, theirs in zip(pairs(*given, backend="cuda"), pairs_reference.pairs(*given), strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.usefixtures("stand_in")
def test_too_many_pairs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "MOST", 399)
    with pytest.raises(ValueError, match=r"at most 399 places · window, got 200 · 2"):
        pairs(KEYS + 30, np.zeros(1, np.int64), 60, 2, backend="cuda")


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize(
    ("keys", "error", "message"),
    [
        (KEYS.astype(np.int32), TypeError, "must be of int64, got int32"),
        ([1, 2], TypeError, "got a list"),
        (KEYS[None], ValueError, r"shape \(N,\), got \(1, 200\)"),
    ],
)
def test_what_is_no_vector_of_int64_is_refused(keys: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        count(keys, backend="cuda")


@pytest.mark.usefixtures("stand_in")
def test_what_is_no_run_or_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    one = np.ones(1, np.int64)
    with pytest.raises(ValueError, match="keys_a must be ascending and distinct"):
        merge(KEYS, KEYS, one, one, backend="cuda")
    with pytest.raises(ValueError, match="keys_b and counts_b must be as long"):
        merge(one, one, one, KEYS, backend="cuda")
    monkeypatch.setattr(cuda, "MOST", 199)
    with pytest.raises(ValueError, match="at most 199 numbers at once, got 200"):
        count(KEYS, backend="cuda")


@pytest.mark.skipif(_device.usable(), reason="there is a GPU here")
def test_without_a_gpu_it_says_why() -> None:
    with pytest.raises(RuntimeError, match='"cuda" cannot be used: torch'):
        count(KEYS, backend="cuda")


@pytest.mark.gpu
def test_small_tensors_on_a_gpu_are_counted_there() -> None:
    reason = _device.why()
    if reason is not None:
        pytest.skip(f"no GPU can be used here: {reason}")
    torch: Any = pytest.importorskip("torch")
    found, expected = count(torch.from_numpy(KEYS).cuda()), reference.count(KEYS)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.device.type == "cuda"
        np.testing.assert_array_equal(ours.cpu().numpy(), theirs)
    less = merge(found.keys, found.counts, found.keys[:9].clone(), -found.counts[:9])
    assert less.counts[:9].tolist() == [0] * 9
    same(merge(*expected[:2], *expected[:2], backend="cuda"), reference.merge(*expected[:2], *expected[:2]))


def test_a_count_that_cannot_be_is_told() -> None:
    machine = Shim()
    with pytest.raises(RuntimeError, match=r"a count of 0 … 9 keys, got 10"):
        cuda._told(machine, np.array([10], np.int32), 9)


@compiled
def test_the_rows_have_figures_peers_and_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "VOCABULARY", 40)
    monkeypatch.setattr(bench_cuda, "TOKENS", 301)

    def second(work: Any) -> float:
        work()
        return 1.0

    monkeypatch.setattr(bench_cuda, "_seconds", second)
    monkeypatch.setattr(bench_cuda, "_sorted", lambda *_: (np.zeros(9), None, np.zeros(9)))
    monkeypatch.setattr(bench_cuda, "_added", lambda *_: None)
    machine: Any = Shim()
    found = [Row(**row) for row in bench_cuda.rows(machine, Ceilings(copy=1e9, launch=1e-6))]
    assert [(row.value, row.peer_value, row.bar) for row in found[:2]] == [(1e9 / 300, 1e9 / 300, "ratio >= 5")] * 2
    assert [row.limit for row in found] == pytest.approx([16 + 12 * 3 + 8, 16 + 12 * 3, 48])


def test_the_peers_find_the_same() -> None:
    torch: Any = pytest.importorskip("torch")
    expected = reference.count(KEYS)
    for ours, theirs in zip(expected, bench_cuda._sorted(torch.from_numpy(KEYS), True), strict=True):
        np.testing.assert_array_equal(theirs.numpy(), ours)
    assert len(bench_cuda._sorted(torch.from_numpy(KEYS), False)) == 2
    runs = [part for half in (KEYS[:90], KEYS[90:]) for part in reference.count(half)[:2]]
    for ours, theirs in zip(reference.merge(*runs), bench_cuda._added(*map(torch.from_numpy, runs)), strict=True):
        np.testing.assert_array_equal(theirs.numpy(), ours)
