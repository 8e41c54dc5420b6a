"""Voice leading: what the rules of four parts have to say of chords one after another.

    parallels    two voices move together from a fifth to a fifth, or from an octave to an octave
    crossing     a voice goes below the one that is written below it
    spacing      more than an octave between two neighbours, but for the lowest two
    leap         a voice moves by more than an octave
    leading note in a dominant, an upper voice with the leading note goes elsewhere than up to the tonic

The rules describe what Bach's chorales mostly do (Aldwell and Schachter 2010); breaking one is a choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import final

from polyloom.errors import InputError
from polyloom.music.theory.key import Key

OCTAVE = 12


@final
@dataclass(frozen=True)
class Fault:
    """A rule that is broken between chord `at` and the next, or within chord `at`, by voices (0 is the highest)."""

    rule: str
    at: int
    voices: tuple[int, ...]

    def __str__(self) -> str:
        who = " and ".join(f"voice {voice + 1}" for voice in self.voices)
        return f"{self.rule} at chord {self.at + 1}: {who}"


def faults(chords: Sequence[Sequence[int]], key: str | Key | None = None) -> tuple[Fault, ...]:
    """What is broken in chords of MIDI pitches, each from the highest voice to the lowest.

    With a key, leading notes are followed too.  Raises InputError where the chords have different numbers of voices.
    """
    sizes = {len(one) for one in chords}
    if len(sizes) != 1 or 0 in sizes:
        raise InputError(f"Expected chords of as many voices each, got {sorted(sizes)}.")
    found = [fault for at, one in enumerate(chords) for fault in _within(at, one)]
    for at, (a, b) in enumerate(pairwise(chords)):
        found += [*_parallels(at, a, b), *_leaps(at, a, b)]
        if key is not None:
            found += _leading(at, a, b, Key.of(key))
    return tuple(sorted(found, key=lambda fault: fault.at))


def _within(at: int, pitches: Sequence[int]) -> list[Fault]:
    pairs = list(enumerate(pairwise(pitches)))
    crossed = [Fault("crossing", at, (n, n + 1)) for n, (high, low) in pairs if low > high]
    return crossed + [Fault("spacing", at, (n, n + 1)) for n, (high, low) in pairs[:-1] if high - low > OCTAVE]


def _parallels(at: int, a: Sequence[int], b: Sequence[int]) -> list[Fault]:
    found: list[Fault] = []
    for high, low in combinations(range(len(a)), 2):
        before, after = (a[high] - a[low]) % OCTAVE, (b[high] - b[low]) % OCTAVE
        moves = a[high] != b[high] and (a[high] - b[high]) * (a[low] - b[low]) > 0
        if moves and before == after and before in (0, 7):
            found.append(Fault(f"parallel {'fifths' if before else 'octaves'}", at, (high, low)))
    return found


def _leaps(at: int, a: Sequence[int], b: Sequence[int]) -> list[Fault]:
    return [Fault("leap", at, (n,)) for n, (x, y) in enumerate(zip(a, b, strict=True)) if abs(x - y) > OCTAVE]


def _leading(at: int, a: Sequence[int], b: Sequence[int], key: Key) -> list[Fault]:
    tonic = key.tonic.chroma
    dominant = {(tonic + step) % OCTAVE for step in (7, 11)} <= {pitch % OCTAVE for pitch in a}
    home = b[-1] % OCTAVE == tonic
    astray = [
        n for n in range(len(a) - 1) if a[n] % OCTAVE == (tonic - 1) % OCTAVE and b[n] != a[n] + 1 and b[n] != a[n]
    ]
    return [Fault("leading note", at, (n,)) for n in astray] if dominant and home else []
