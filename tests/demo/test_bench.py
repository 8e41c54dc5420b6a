"""The benchmark of the demo lets visitors in and counts what they saw; how fast it was is the benchmark's affair."""

from random import Random

import pytest

from demo.says import errors
from polyloom_demo import bench
from polyloom_demo.bench import Load, Server
from polyloom_demo.bridge import Served
from polyloom_demo.kinds import made
from polyloom_demo.library import Library


@pytest.mark.long
def test_every_row_has_a_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "VISITORS": 4,
        "SECONDS": 4.0,
        "PACE": (0.05, 0.2),
        "KINDS": ("mix", "generate", "route"),
    }.items():
        monkeypatch.setattr(bench, name, value)
    monkeypatch.setattr(Server, "ready", lambda self: None)  # nobody looks at what takes its time
    *waits, failed, memory = bench.rows()
    assert [row.value and row.value > 0 for row in waits] == [True] * (2 + len(bench.PATHS))
    assert (failed.value, failed.met) == (0, True)
    assert memory.value is not None or memory.reason
    assert {row.group for row in (*waits, failed, memory)} == {"demo"}


@pytest.mark.parametrize("kind", sorted({*bench.KINDS} - {"attend"}))  # which waits for the transformer
@pytest.mark.parametrize("number", range(bench.EXAMPLES))
def test_what_a_visitor_does_is_understood(woven: Library, kind: str, number: int) -> None:
    served = Served(made(kind, number, woven))
    opened = served.state() | {"module": served.widget.module.stem}
    said = served.hear([bench._action(kind, opened, Random(number))])
    assert errors(said) == []
    assert said or kind == "route"


def test_memory_is_compared_between_the_second_quarter_and_the_last() -> None:
    growth, reason = Load(memory=[50, 100, 101, 110]).growth()
    assert growth == pytest.approx(10)
    assert reason is None
    assert Load(memory=[None] * 8).growth()[0] is None


def test_waits_are_told_by_path_and_together() -> None:
    load = Load(waits={"/": [0.004], "/say": [0.001, 0.002, 0.003]})
    assert load.percentile(50, "/say") == pytest.approx(2)
    assert load.percentile(50) == pytest.approx(2.5)
