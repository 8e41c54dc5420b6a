"""Loudness without rendering is that of what is rendered; rests do not count."""

import numpy as np
import pytest

from polyloom.music import Score, read_abc
from polyloom.music.loudness import SILENCE, STRETCH, loudness, powers
from polyloom.music.synth import RATE, rendered, summed
from polyloom_datasets import load


@pytest.mark.long
@pytest.mark.parametrize("nth", [0, 6, 11, 18])
def test_the_power_is_that_of_the_samples(nth: int) -> None:
    score = read_abc(load("tunes").documents[nth])
    sound = summed(score, RATE)
    assert np.sqrt(powers(score).sum() * STRETCH) == pytest.approx(np.sqrt((sound**2).sum() / RATE), rel=0.1)
    assert np.abs(rendered(score)).max() == pytest.approx(10 ** (-1 / 20))


def test_it_follows_the_velocity_and_not_the_rests() -> None:
    soft, loud = (Score.of([(480 * n, 480, 60 + n, velocity) for n in range(8)]) for velocity in (40, 80))
    assert loudness(loud) - loudness(soft) == pytest.approx(40 * np.log10(2))
    sparse = Score.of([(4800 * n, 480, 60 + n, 80) for n in range(8)])
    assert loudness(sparse) == pytest.approx(loudness(loud), abs=0.5)
    assert loudness(Score.of([])) == SILENCE
