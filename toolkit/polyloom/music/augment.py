"""One score as many: in other keys, and faster or slower.

A tune is the same tune in every key, and tokens do not know that: a model that saw it in twelve keys does.
"""

from collections.abc import Iterable, Iterator

from polyloom.errors import InputError
from polyloom.music.score import DRUMS, Score

KEYS = range(-5, 7)  # semitones: every key once, none farther than half an octave


def augmented(score: Score, semitones: Iterable[int] = KEYS, factors: Iterable[float] = (1.0,)) -> Iterator[Score]:
    """The score in each key and at each factor of its time; keys that lead a note beyond 0 … 127 are left out.

    Raises InputError if no key is left, and for factors that `Score.stretched` refuses.
    """
    pitches = score.notes["pitch"][score.notes["channel"] != DRUMS]
    low, high = (int(pitches.min()), int(pitches.max())) if len(pitches) else (60, 60)
    keys = [key for key in semitones if low + key >= 0 and high + key <= 127]
    if not keys:
        raise InputError(f"The notes reach from {low} to {high}, and no key asked for keeps them within 0 … 127.")
    times = tuple(factors)
    for key in keys:
        for factor in times:
            yield score.transposed(key).stretched(factor)
