r"""How loud a score is, in decibels below full scale: the power of its notes, without rendering them.

    power of a note, t seconds after it begins = (velocity / 127)⁴ · ½ Σ_h a_h² · e^(−2t / FADE)       see `synth`

Notes are taken as if their phases had nothing to do with one another, so powers add up.  The power is that of stretches
of 50 ms, and those more than 10 dB below the mean of all that sound are left out, so that rests do not count (the
relative gate of ITU-R BS.1770-5; its weighting by frequency is not applied).
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray

from polyloom.music.score import DRUMS, Score
from polyloom.music.synth import DRUM, FADE, PARTIALS

STRETCH = 0.05  # seconds
GATE = 0.1  # of the mean power
LONGEST = 1800  # seconds that are looked at
SILENCE = -120.0  # dB


def loudness(score: Score) -> float:
    """In dB, at most the first half hour; −120 for silence."""
    power = powers(score)
    sounding = power[power > 0]
    if not len(sounding):
        return SILENCE
    kept = sounding[sounding >= GATE * sounding.mean()]
    return max(SILENCE, float(10 * np.log10(kept.mean())))


def powers(score: Score) -> NDArray[np.float64]:
    """The power of each stretch, float64 (n,); 1 is that of a square wave of full scale."""
    seconds = min(score.seconds(score.end), LONGEST)
    found = np.zeros(ceil(seconds / STRETCH) + 1)
    tone = 0.5 * sum(share**2 for share in PARTIALS)
    begins, ends = score.spans()
    columns = [begins, np.minimum(ends, LONGEST), score.notes["velocity"], score.notes["channel"]]
    for begin, end, velocity, channel in zip(*(column.tolist() for column in columns), strict=True):
        first, last = int(begin / STRETCH), int(end / STRETCH)
        edges = np.clip(STRETCH * np.arange(first, last + 2), begin, max(begin, end)) - begin
        fade = DRUM if channel == DRUMS else FADE
        rest = np.exp(-2 * edges / fade)
        loud = (velocity / 127) ** 4 * (1 if channel == DRUMS else tone)
        stretch = found[first : last + 1]
        stretch += (loud * fade / 2 / STRETCH * (rest[:-1] - rest[1:]))[: len(stretch)]
    return found
