"""History and its arrays, and what is shown of it."""

import io
from typing import Any

import numpy as np
import pytest

from polyloom.train.history import Evaluation, History, Progress, Step
from polyloom.train.terminal import Lines, clock, line, terminal, watching


def progress(**values: Any) -> Progress:
    return Progress(
        **{
            "step": 30, "steps": 1200, "share": 0.025, "loss": 2.5, "validation": None, "evaluated": False,
            "best": None, "rate": 0.5, "gradient": 1.0, "tokens": 1000, "tokens_per_second": 12345.6,
            "seconds": 10.0, "left": 390.0, **values,
        }
    )  # fmt: skip


@pytest.fixture
def history() -> History:
    load = np.array([[0.5, 0.5, 0.0, 0.0], [0.25, 0.25, 0.25, 0.25]])
    steps = [Step(n, 10 * n, 1 / n, 0.1, 1.0, 0.5 * n) for n in range(1, 5)]
    return History(steps, [Evaluation(n, 10 * n, loss, 0.5 * n, load) for n, loss in ((1, 3.0), (2, 2.0), (4, 2.0))])


def test_the_best_is_the_first_of_the_smallest(history: History) -> None:
    assert history.best is history.evaluations[1]
    assert history.since_best == 1
    assert History().best is None
    assert History().since_best == 0


def test_arrays_hold_it_all(history: History) -> None:
    for one in (history, History(), History(history.steps)):
        back = History.from_arrays(one.arrays())
        assert back == one
        assert all(np.array_equal(array, one.arrays()[name]) for name, array in back.arrays().items())


def test_columns_and_curves(history: History) -> None:
    np.testing.assert_array_equal(history.column("loss"), [1, 1 / 2, 1 / 3, 1 / 4])
    at, losses = history.validation("seconds")
    np.testing.assert_array_equal(at, [0.5, 1, 2])
    np.testing.assert_array_equal(losses, [3, 2, 2])


def test_how_evenly_experts_share_the_work(history: History) -> None:
    assert history.evaluations[0].utilisation == 0.75  # two of eight experts get nothing
    assert history.evaluations[0].max_violation == pytest.approx(0.5)  # (1 + 0) / 2
    assert Evaluation(1, 1, 1.0, 1.0).utilisation is None
    assert Evaluation(1, 1, 1.0, 1.0).max_violation is None


def test_one_line() -> None:
    assert line(progress()) == "step 30/1,200  loss 2.500  rate × 0.50  12,346 tokens/s  6:30 left"
    ended = progress(steps=None, validation=2.25, stopped="minutes", seconds=3723.0)
    assert (
        line(ended) == "step 30  loss 2.500  held-out 2.250  rate × 0.50  12,346 tokens/s  1:02:03, stopped by minutes"
    )
    assert clock(7.4) == "0:07"


def test_lines_come_every_tenth_and_at_the_end() -> None:
    stream = io.StringIO()
    shown = Lines(stream)
    for step in range(1, 101):
        shown(progress(step=step, share=step / 100))
    shown(progress(step=100, share=1.0, stopped="steps"))
    steps = [int(row.split()[1].partition("/")[0]) for row in stream.getvalue().splitlines()]
    assert steps == [1, *range(10, 100, 10), 100]


def test_a_terminal_shows_samples_above_its_line() -> None:
    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return True

    screen = Screen()
    with watching(None, screen) as (shown,):
        shown(progress(sample="[red] and\nmore"))
        shown(progress(share=1.0, stopped="steps"))
    assert "[red] and more" in screen.getvalue()
    assert "stopped by steps" in screen.getvalue()
    with terminal(screen) as shown:
        shown(progress())


def test_who_wants_nothing_gets_nothing() -> None:
    with watching(False) as shown:
        assert shown == ()
    with watching(None, io.StringIO()) as (lines,):
        assert isinstance(lines, Lines)
