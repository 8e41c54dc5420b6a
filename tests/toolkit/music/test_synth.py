"""Scores as sound: the right notes at the right samples, the same each time, and no clicks."""

import wave
from pathlib import Path

import numpy as np
import pytest

from polyloom import InputError
from polyloom.music.abc import read_abc
from polyloom.music.score import Score
from polyloom.music.synth import PARTIALS, PEAK, RATE, RELEASE, envelope, rendered, write_wav
from polyloom_datasets import load

CHORD = Score.of([(0, 960, 60), (0, 960, 64), (480, 960, 67), (960, 480, 38, 100, 9)])


def test_a_note_is_its_formula() -> None:
    sound = rendered(Score.of([(480, 480, 69)]))
    start, shape = RATE // 2, envelope(RATE // 2, RATE)
    time = np.arange(len(shape)) / RATE
    tone = sum(share * np.sin(2 * np.pi * 440 * n * time) for n, share in enumerate(PARTIALS, 1)) * shape
    expected = np.zeros_like(sound)
    expected[start : start + len(tone)] = tone * PEAK / np.abs(tone).max()
    assert np.abs(sound - expected).max() < 1e-9
    assert not sound[:start].any()


def test_the_same_samples_each_time_and_a_full_scale() -> None:
    first, second = rendered(CHORD), rendered(CHORD)
    assert np.array_equal(first, second)
    assert np.abs(first).max() == pytest.approx(PEAK)
    assert len(first) == pytest.approx((1.5 + RELEASE) * RATE, abs=2)


def test_the_spectrum_has_the_notes_and_nothing_folds_back() -> None:
    power = np.abs(np.fft.rfft(rendered(Score.of([(0, 1920, 69)])))) ** 2
    hertz = np.fft.rfftfreq(2 * len(power) - 2, 1 / RATE)
    assert abs(hertz[power.argmax()] - 440) < 1
    high = np.abs(np.fft.rfft(rendered(Score.of([(0, 1920, 127)])))) ** 2
    hertz = np.fft.rfftfreq(2 * len(high) - 2, 1 / RATE)
    assert high[np.abs(hertz - 12543.85) < 200].sum() > 0.999 * high.sum()


@pytest.mark.parametrize("held", [1, 3, 100, RATE])
def test_an_envelope_begins_and_ends_at_nothing_and_never_jumps(held: int) -> None:
    shape = envelope(held, RATE)
    assert shape[-1] == 0
    assert shape[0] == 0 or held == 0
    if held >= 1000:
        assert np.abs(np.diff(shape)).max() < 0.006


def test_no_clicks_in_a_tune_nor_where_it_loops() -> None:
    sound = rendered(read_abc(load("tunes").documents[5]))
    looped = np.concatenate([sound, sound])
    bend = np.abs(np.diff(looped, 2))  # a click is a jump of the slope
    assert bend.max() < 0.06
    assert sound[0] == sound[-1] == 0


def test_wav_holds_the_samples(tmp_path: Path) -> None:
    path = write_wav(CHORD, tmp_path / "x.wav", 22_050)
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.array_equal(samples, np.rint(rendered(CHORD, 22_050) * 32_767).astype(int))
    assert path.read_bytes() == write_wav(CHORD, tmp_path / "y.wav", 22_050).read_bytes()


def test_silence_and_what_is_too_long() -> None:
    assert not rendered(Score.of([])).any()
    with pytest.raises(InputError, match="at most"):
        rendered(Score.of([(0, 10**7, 60)]))
    with pytest.raises(InputError, match="rate"):
        rendered(CHORD, 100)
