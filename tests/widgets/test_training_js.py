"""The axes of the view of a training, run in node: ticks that are round, few and inside; ends that leave room."""

import json
import math
import shutil
import subprocess
from itertools import pairwise
from typing import Any

import pytest

from polyloom_widgets.base.bundle import bundle
from polyloom_widgets.training.training import TrainingView

SCALE = TrainingView.module.with_name("scale.js")


def run(expression: str) -> Any:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    script = bundle(SCALE) + f"\nconsole.log(JSON.stringify({expression}));\n"
    done = subprocess.run([node, "--input-type=module"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("values", [[2.41, 2.56], [1, 9], [0.01, 8], [5, 5.0001], [1e-6, 9e5], [3]])
def test_a_logarithmic_axis(values: list[float]) -> None:
    low, high, ends, middle, ticks = run(
        f"((s) => [s.low, s.high, [s.at(s.low), s.at(s.high)], s.at(Math.sqrt(s.low * s.high)), s.ticks])"
        f"(logScale({values}, 7))"
    )
    assert low < min(values) <= max(values) < high
    assert ends == pytest.approx([0, 1])
    assert middle == pytest.approx(0.5)
    assert 1 <= len(ticks) <= 8
    assert all(low <= tick <= high for tick in ticks)
    assert ticks == sorted(set(ticks))


def test_what_no_axis_can_show_is_left_out() -> None:
    assert run("[logScale([], 7), logScale([0, -1, NaN], 7), linearScale([NaN])]") == [None, None, None]
    low, high = run("((s) => [s.low, s.high])(logScale([NaN, 2, 0, 4, Infinity], 7))")
    assert low == pytest.approx(2 / 1.04)
    assert high == pytest.approx(4 * 1.04)


@pytest.mark.parametrize(("low", "high", "most"), [(0, 600, 6), (0, 7, 6), (0, 1, 3), (0, 123_456, 8), (2.41, 2.56, 7)])
def test_even_ticks(low: float, high: float, most: int) -> None:
    ticks = run(f"evenTicks({low}, {high}, {most})")
    steps = {round(b - a, 9) for a, b in pairwise(ticks)}
    assert 2 <= len(ticks) <= most + 1
    assert len(steps) == 1
    (step,) = steps
    assert step / 10 ** math.floor(math.log10(step) + 1e-9) == pytest.approx(1, abs=9)
    assert low <= ticks[0] <= ticks[-1] <= high


@pytest.mark.parametrize(
    ("step", "steps", "end"),
    [(1, 600, 1), (3, 600, 5), (45, 600, 50), (60, 600, 600), (600, 600, 600), (7, None, 7), (16, 1_000_000, 20)],
)
def test_the_axis_of_steps_leaves_something_to_see(step: int, steps: int | None, end: int) -> None:
    assert run(f"lastStep({json.dumps({'step': step, 'steps': steps})})") == end


def test_a_line_breaks_where_a_figure_is_missing() -> None:
    assert run("path([[0, 1], [1, NaN], [2, 3], [4, 5.25]])") == "M0.0 1.0M2.0 3.0L4.0 5.3"
