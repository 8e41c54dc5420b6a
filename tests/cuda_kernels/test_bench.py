"""The benchmark of the kernels measures what it says; how fast they were is the benchmark's affair."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from polyloom.cli.rows import Row
from polyloom_kernels import bench
from polyloom_kernels.count import bench as counting

NAMES = [
    *("pairs, 0.002M tokens, window 8, a core", "pairs, 0.002M tokens, window 8, two threads"),
    *("count 0.003M bigrams, a core", "count 0.003M bigrams without ranks, a core"),
    *("count 0.003M 5-grams, a core", "count 0.003M 5-grams without ranks, a core"),
]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOKENS": 2_000, "PLACES": 3_000, "VOCABULARY": 500, "REPEATS": 1}.items():
        monkeypatch.setattr(counting, name, value)
    monkeypatch.setattr(counting, "_best", a_second)


def a_second(work: Callable[[], object], *_: object) -> float:
    work()
    return 1.0


def rows() -> Iterator[Row]:
    return (Row(**row) for row in counting.rows(None))


def test_every_row_has_a_figure_and_its_peer_or_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    found = list(rows())
    assert [row.name for row in found][:-1] == NAMES
    assert found[-1].name.startswith("merge runs of 0.00")
    assert [row.bar for row in found[:5]] == ["value <= 10", "ratio >= 3", "value <= 40", None, "value <= 40"]
    for row in found:
        assert row.group == "kernels"
        assert row.value
        assert row.peer_value if row.peer != "torch sort+unique" else row.reason
    assert found[1].met is None
    assert str(found[1].reason).startswith("torch is not installed here")


def test_a_second_is_so_many_nanoseconds_for_each_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    first = next(rows())
    assert first.value == first.peer_value == pytest.approx(1e9 / (2_000 * 8))


def test_where_torch_is_it_gets_up_to_two_threads_and_its_own_back(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, seen = [5], list[int]()

    def sort(keys: np.ndarray) -> Any:
        seen.append(threads[-1])
        return SimpleNamespace(values=np.sort(keys))

    torch: Any = SimpleNamespace(
        sort=sort,
        from_numpy=np.asarray,  # a vector of NumPy adds and multiplies as one of torch does
        unique_consecutive=lambda keys, return_counts: np.unique(keys, return_counts=return_counts),
        get_num_threads=lambda: threads[-1],
        set_num_threads=threads.append,
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    row = list(rows())[1]
    assert (row.peer_value, row.reason) == (row.value, None)
    assert set(seen) == {1, 2}
    assert threads == [5, 1, 2, 5]


def test_the_group_gives_the_rows_of_every_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    def given(name: str, shared: Path) -> list[dict[str, str]]:
        return [{"name": name, "shared": shared.name}]

    for name in ("one", "other"):
        module: Any = SimpleNamespace(rows=lambda shared, name=name: given(name, shared))
        monkeypatch.setitem(sys.modules, f"{name}_bench", module)
    monkeypatch.setattr(bench, "MEASURED", ("one_bench", "other_bench"))
    assert [row["name"] for row in bench.rows(Path("here"))] == ["one", "other"]


def test_the_best_of_a_few_runs_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    times, runs = iter([0.0, 5.0, 10.0, 12.0, 20.0, 23.0]), list[int]()
    assert counting._best(lambda: runs.append(1), times.__next__, 3) == 2
    assert len(runs) == 3
