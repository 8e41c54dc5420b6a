r"""A score as sound: a small synthesiser that gives the same samples on every machine of one kind.

    note(t) = loudness · envelope(t) · Σ_h a_h sin(2π h f t + φ)        f = 440 · 2^((pitch − 69) / 12)

Partials above half the rate are left out, so nothing folds back.  The envelope rises and falls over milliseconds by
half a cosine, from exactly 0 to exactly 0, so that nothing clicks: neither where a note begins, nor where it ends, nor
where a loop begins again.  In between it fades, as a plucked string does.  Percussion is noise from a fixed seed.
Loudness is that of the loudest sample, brought to −1 dB of full scale.
"""

import os
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from polyloom.compose.recipe_file import wav_chunk
from polyloom.errors import InputError
from polyloom.files import replacing
from polyloom.music.score import DRUMS, Score
from polyloom.whole import whole

RATE = 44_100  # samples a second
ATTACK, RELEASE = 0.008, 0.06  # seconds
FADE = 1.6  # seconds in which a note falls to 1/e
PARTIALS = (1.0, 0.42, 0.23, 0.12, 0.07, 0.04)
DRUM = 0.09  # seconds in which percussion falls to 1/e
PEAK = 10 ** (-1 / 20)
LONGEST: Final = 1800  # seconds

Samples = NDArray[np.float64]


def rendered(score: Score, rate: int = RATE) -> Samples:
    """Mono samples from −1 to 1, float64 (n,), with the last release; InputError beyond half an hour."""
    sound = summed(score, rate)
    loudest = np.abs(sound).max()
    return sound * (PEAK / loudest) if loudest else sound


def summed(score: Score, rate: int = RATE) -> Samples:
    """The same at the loudness of the notes: a full one has the amplitude 1 and several may pass it."""
    whole("rate", rate, 8_000, 192_000)
    seconds = score.seconds(score.end)
    if seconds > LONGEST:
        raise InputError(f"The score lasts {seconds:,.0f} s; at most {LONGEST:,} s are rendered.")
    sound = np.zeros(int(np.ceil((seconds + RELEASE) * rate)) + 1)
    drums = np.random.default_rng(0).standard_normal(rate)
    columns = [*score.spans(), *(score.notes[name] for name in ("pitch", "velocity", "channel"))]
    for begin, end, pitch, velocity, channel in zip(*(column.tolist() for column in columns), strict=True):
        start = round(begin * rate)
        held = max(1, round(end * rate) - start)
        shape = envelope(held, rate, DRUM if channel == DRUMS else FADE)
        wave = drums[: len(shape)] if channel == DRUMS else _tone(pitch, len(shape), rate)
        size = min(len(shape), len(wave), len(sound) - start)
        sound[start : start + size] += (velocity / 127) ** 2 * (shape[:size] * wave[:size])
    return sound


def envelope(held: int, rate: int, fade: float = FADE) -> Samples:
    """The loudness of a note held for so many samples, and its release: float64, the first and last exactly 0."""
    rise, fall = min(round(ATTACK * rate), held), round(RELEASE * rate)
    time = np.arange(held + fall) / rate
    found = np.exp(-time / fade)
    found[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    found[-fall:] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(1, fall + 1) / fall)
    found[-1] = 0
    return found


def write_wav(
    score: Score, path: str | os.PathLike[str], rate: int = RATE, recipe: Mapping[str, Any] | None = None
) -> Path:
    """Write the sound as WAV, mono, 16 bit, whole or not at all, and return its path.

    `recipe` is that of the generation that the score tells.  Raises InputError if it is none, or too long to carry.
    """
    samples = np.rint(rendered(score, rate) * 32_767).astype("<i2")
    with replacing(Path(path)) as out:
        with wave.open(out, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(samples.tobytes())
        if recipe is not None:
            size = out.seek(0, os.SEEK_END) + out.write(wav_chunk(recipe))
            out.seek(4)
            out.write((size - 8).to_bytes(4, "little"))  # of all that follows
    return Path(path)


def _tone(pitch: int, size: int, rate: int) -> Samples:
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    phase = 2 * np.pi * frequency / rate * np.arange(size)
    found = np.zeros(size)
    for partial, share in enumerate(PARTIALS, 1):
        if partial * frequency < rate / 2:
            found += share * np.sin(partial * phase)
    return found
