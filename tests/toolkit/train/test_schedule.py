"""Schedules against their closed forms."""

import math

import pytest

from polyloom import InputError
from polyloom.train.schedule import SCHEDULES, factor, share_of_steps


def test_hand_worked() -> None:
    """Ten steps, two of them warm-up, four of them decay: each stands for its middle."""
    shares = [share_of_steps(step, 10) for step in range(10)]
    found = [factor("stable", share, 0.2, 0.4) for share in shares]
    assert found == pytest.approx([0.25, 0.75, 1, 1, 1, 1, 0.875, 0.625, 0.375, 0.125])


def test_cosine_is_that_of_the_paper() -> None:
    for step in range(50):
        share = share_of_steps(step, 50)
        assert factor("cosine", share, 0.0, 1.0) == pytest.approx((1 + math.cos(math.pi * share)) / 2)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_it_begins_and_ends_at_nothing_and_reaches_one(schedule: str) -> None:
    values = [factor(schedule, n / 1000, 0.1, 0.5) for n in range(1001)]
    assert values[0] == 0
    assert values[-1] == pytest.approx(0)
    assert max(values) == 1
    assert values[:101] == sorted(values[:101])
    assert values[500:] == sorted(values[500:], reverse=True)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("warm_up", "decay"), [(0, 0), (1, 1), (0, 1), (1, 0), (0.7, 0.9)])
def test_the_corners_are_numbers_from_0_to_1(schedule: str, warm_up: float, decay: float) -> None:
    for n in range(11):
        assert 0 <= factor(schedule, n / 10, warm_up, decay) <= 1


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match="stable, cosine"):
        factor("sawtooth", 0.5, 0.1, 0.1)
