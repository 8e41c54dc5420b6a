"""Times on a GPU are medians of replays for each job; the GPU is imitated, and nothing is timed."""

import sys
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from polyloom_kernels import _measure

done: list[str] = []


class Event:
    """A moment; the n-th pair of them is n milliseconds apart."""

    pairs = 0

    def __init__(self, enable_timing: bool) -> None:
        assert enable_timing

    def record(self) -> None:
        pass

    def elapsed_time(self, end: Any) -> float:
        Event.pairs += 1
        return float(Event.pairs)


@pytest.fixture(autouse=True)
def torch(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = SimpleNamespace(replay=lambda: done.append("replay"))
    cuda = SimpleNamespace(
        CUDAGraph=lambda: graph, graph=lambda graph: nullcontext(), Event=Event, synchronize=lambda: None
    )
    tensor = SimpleNamespace(copy_=lambda other: done.append("copy"), add_=lambda other: done.append("add"))
    made: Any = lambda *_, **__: tensor  # noqa: E731
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda, empty=made, zeros=made, uint8=None))
    monkeypatch.setattr(Event, "pairs", 0)
    done.clear()


def test_jobs_are_warmed_captured_and_replayed() -> None:
    spent = _measure.seconds([lambda: done.append("a"), lambda: done.append("b")])
    assert done == ["a", "b", "a", "b", *["replay"] * _measure.REPLAYS]
    assert spent == pytest.approx(11.5e-3 / 2)  # the median of 2 … 21 milliseconds: the first replay does not count


def test_the_ceilings_are_a_copy_and_a_launch() -> None:
    found = _measure.ceilings()
    assert (done.count("copy"), done.count("add")) == (2, 32)
    assert found.copy == pytest.approx(2 * _measure.COPIED / 11.5e-3)
    assert found.launch == pytest.approx((21 + 11.5) * 1e-3 / 16)
