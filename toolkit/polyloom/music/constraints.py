"""What generated music must keep to, as the ids that may come: key, range, length of the bar and of rests.

    Sampling(only=allowed(vocabulary, key="G", low=55, high=81, metre=(3, 4), longest=8))

The ids of all else are never drawn, and the others share their probability.  A bar has its length because no position
lies beyond it, no metre but its own is told, and no note begins and outlasts a bar.  Whoever draws at a high
temperature wants `longest`: a rest of an hour is one token too.

    Sampling(bound=grammar(vocabulary))

A pitch is followed by its velocity if that changes, and by its duration, which follow nothing else.  A model of one
style keeps to that by itself; a mix does not always, because a style that has never seen what stands here falls back to
tokens that are common anywhere.

    keeping(Sampling(seed=3), vocabulary, "a blues", key="G", longest=8)        both, under a caption if there is one
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from polyloom.errors import InputError
from polyloom.generate.sampling import Sampling
from polyloom.music.blocks import MusicVocabulary
from polyloom.music.schemes import LONGEST_BAR, METRES, bar_steps, metres
from polyloom.music.theory.key import Key
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.whole import whole

SOUNDS = ("Pitch", "On")
AT_ONCE = 8  # beats: a `longest` for what is drawn at any temperature


def allowed(
    vocabulary: MidiVocabulary,
    *,
    key: str | Key | None = None,
    low: int = 0,
    high: int = 127,
    metre: tuple[int, int] | None = None,
    longest: int | None = None,
) -> tuple[int, ...]:
    """The ids that keep to these, `</s>` among them; `longest` is how many beats may pass with one token.

    In minor the raised sixth and seventh are of the key.  Raises InputError for pitches outside 0 … 127, for a range
    without a note of the key, for a metre that the grid has not, for one with events, which tell of no bars, and for a
    `longest` below 1.
    """
    least = whole("low", low, 0, 127)
    pitches = set(range(least, whole("high", high, least, 127) + 1))
    if key is not None:
        pitches &= {pitch for pitch in range(128) if pitch % 12 in _chromas(Key.of(key))}
    if not pitches:
        raise InputError(f"No note of {key} lies between {low} and {high}.")
    beyond = {id for family in SOUNDS for id in _ids(vocabulary, family, lambda pitch: pitch not in pitches)}
    if metre is not None:
        beyond |= _longer(vocabulary, metre)
    if longest is not None:
        beyond |= _endless(vocabulary, whole("longest", longest, 1, 1 << 20))
    return tuple(id for id in range(vocabulary.size) if id not in beyond)


def grammar(vocabulary: MusicVocabulary) -> tuple[tuple[int, ...], ...]:
    """For `Sampling(bound=…)`: what a duration is still to follow, and what may stand there; () for events."""
    families = ("Pitch", "Velocity", "Long", "Duration")
    pitch, velocity, long, duration = (tuple(_ids(vocabulary, family, lambda _: True)) for family in families)
    between = velocity + long
    return (pitch + between, between + duration) if duration else ()


def keeping(settings: Sampling, vocabulary: MusicVocabulary, caption: str = "", **asked: Any) -> Sampling:
    """The same settings for a tune that keeps to the grammar and to what is asked of `allowed`.

    Where tunes have captions (`BlockVocabulary`), the words of this one may come again.  Raises what `allowed` raises.
    """
    if isinstance(vocabulary, MidiVocabulary):
        only = allowed(vocabulary, **asked)
    else:
        only = vocabulary.only(caption, allowed(vocabulary.music, **asked))
    return replace(settings, only=only, bound=grammar(vocabulary))


def _chromas(key: Key) -> set[int]:
    raised = (9, 11) if key.mode == "minor" else ()
    return {note.chroma for note in key.scale} | {(key.tonic.chroma + step) % 12 for step in raised}


def _longer(vocabulary: MidiVocabulary, metre: tuple[int, int]) -> set[int]:
    known = metres(vocabulary.grid)
    if vocabulary.scheme == "events":
        raise InputError("Events tell of no bars: a metre can be kept to with remi or chords.")
    if metre not in known:
        raise InputError(f"The vocabulary has no metre {metre}; there are {', '.join(f'{n}/{d}' for n, d in known)}.")
    steps, own = bar_steps(metre, vocabulary.grid), known.index(metre)
    parts = (
        _ids(vocabulary, "Position", lambda place: place >= steps),
        _ids(vocabulary, "Metre", lambda at: at != own or metre == METRES[0]),
        _ids(vocabulary, "Duration", lambda shorter: shorter >= steps),
        _ids(vocabulary, "Long", lambda _: True),
    )
    return {id for part in parts for id in part}


def _endless(vocabulary: MidiVocabulary, beats: int) -> set[int]:
    most = dict.fromkeys(("Shift", "Duration", "Long"), beats * vocabulary.grid) | {"Bars": beats // LONGEST_BAR}
    return {
        id
        for id, (family, n) in enumerate(vocabulary.told)
        if family in most and int(vocabulary.table[family][n]) > most[family]
    }


def _ids(vocabulary: MusicVocabulary, family: str, wrong: Callable[[int], bool]) -> list[int]:
    first = vocabulary.first.get(family, 0)
    return [first + n for n in range(len(vocabulary.table.get(family, ()))) if wrong(n)]
