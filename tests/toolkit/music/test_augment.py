"""One score as many."""

import pytest

from polyloom import InputError
from polyloom.music.augment import augmented
from polyloom.music.score import Score

TUNE = Score.of([(0, 480, 60), (480, 480, 67), (0, 960, 36, 90, 9)])


def test_every_key_once_and_drums_stay() -> None:
    found = list(augmented(TUNE))
    assert sorted(score.notes["pitch"].max() % 12 for score in found) == list(range(12))
    assert all((score.notes["pitch"][score.notes["channel"] == 9] == 36).all() for score in found)
    assert TUNE in found


def test_times_and_keys_together() -> None:
    found = list(augmented(TUNE, (0, 60, 61), (0.5, 1, 2)))
    assert [round(score.seconds(960), 6) for score in found] == [0.5, 1, 2] * 2
    assert {int(score.notes["pitch"].max()) for score in found} == {67, 127}


def test_what_cannot_be() -> None:
    with pytest.raises(InputError, match="from 60 to 67"):
        list(augmented(TUNE, (100,)))
    with pytest.raises(InputError, match="factor"):
        list(augmented(TUNE, (0,), (0,)))
