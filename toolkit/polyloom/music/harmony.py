"""The chords of a score, one for each half bar, or each bar where halves are shorter than two beats.

    worth(chord) = weight within − weight outside − 0.15 for each tone that is missing + 0.1 if the root is lowest

The weight of a note is the share of the time that it sounds there.  Where less than three fifths fit, or only one tone
sounds, there is no chord.
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from polyloom.music.schemes import QUALITIES, ROOTS
from polyloom.music.score import DRUMS, Score
from polyloom.music.theory.chord import chord
from polyloom.music.theory.note import Note

NONE = len(ROOTS) * len(QUALITIES)  # no chord
WHOLE = 4  # beats of a bar that has two halves
WITHIN, MISSING, LOWEST = 0.6, 0.15, 0.1
REACH = 16  # windows that a note is heard in


def harmony(score: Score) -> list[tuple[int, int]]:
    """The ticks at which the chord changes, and which it is: 10 · root + quality, or `NONE`."""
    found: list[tuple[int, int]] = []
    for tick, (weights, low) in sorted(_heard(score).items()):
        which = recognised(weights, low)
        if not found or found[-1][1] != which:
            found.append((tick, which))
    return found


def recognised(weights: NDArray[np.float64], low: int) -> int:
    """The chord of weights (12,) by chroma, above a lowest pitch."""
    if np.count_nonzero(weights) < 2:
        return NONE
    tones, roots = templates()
    shares = weights / weights.sum()
    within = tones @ shares
    missing = tones @ (shares == 0)
    worth = 2 * within - MISSING * missing + LOWEST * (roots == low % 12)
    best = int(worth.argmax())
    return best if within[best] >= WITHIN else NONE


@cache
def templates() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Which chromas each chord has, (120, 12), and its root (120,)."""
    tones = np.zeros((NONE, 12))
    for at, (root, quality) in enumerate((root, quality) for root in ROOTS for quality in QUALITIES):
        tones[at, list(chord(root + quality).chromas)] = 1
    return tones, np.array([Note(root).chroma for root in ROOTS for _ in QUALITIES])


def _heard(score: Score) -> dict[int, tuple[NDArray[np.float64], int]]:
    """By the tick at which a window begins: the weights (12,) of what sounds in it, and its lowest pitch."""
    weights: dict[int, NDArray[np.float64]] = {}
    lowest: dict[int, int] = {}
    for onset, duration, pitch, _, channel, *_ in score.notes.tolist():
        if channel == DRUMS:
            continue
        for start, end in _windows(score, onset, onset + duration):
            row = weights.setdefault(start, np.zeros(12))
            row[pitch % 12] += min(end, onset + duration) - max(start, onset)
            lowest[start] = min(pitch, lowest.get(start, pitch))
    return {start: (row, lowest[start]) for start, row in weights.items()}


def _windows(score: Score, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The windows from one tick to another, at most so many, each with its end."""
    for _ in range(REACH):
        at = bisect_right(score.metres, start, key=lambda metre: metre[0]) - 1
        origin, n, d = score.metres[at]
        step = max(1, 4 * n * score.ticks_per_beat // d)
        if n % 2 == 0 and step >= WHOLE * score.ticks_per_beat:
            step //= 2
        begun = origin + (start - origin) // step * step
        ends = begun + step
        if at + 1 < len(score.metres):
            ends = min(ends, score.metres[at + 1][0])
        yield begun, ends
        if ends >= end:
            return
        start = ends
