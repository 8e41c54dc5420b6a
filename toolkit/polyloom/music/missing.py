"""A bar that is missing: what stands before it, and what after, for a model to fill in.

left, right = around(vocabulary, score, 3)
middle = model.generate_middle(left, right, length=24, exact=False).tokens
vocabulary.score([*left, *middle, *right])
"""

from dataclasses import replace

from polyloom.errors import InputError
from polyloom.music.reading import Reader
from polyloom.music.score import Score
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.tokens.vocabulary import Ids
from polyloom.whole import whole


def around(vocabulary: MidiVocabulary, score: Score, bar: int) -> tuple[Ids, Ids]:
    """The ids up to the beginning of a bar, counted from 0, and those from the next bar on; its notes are left out.

    Raises InputError for events, which tell of no bars, and where the score does not go on after the bar.
    """
    if vocabulary.scheme == "events":
        raise InputError("Events tell of no bars: use the scheme remi or chords.")
    grid = vocabulary.quantised(score)[0]
    starts = sorted(_bars(vocabulary, vocabulary.tokens(grid)))
    at = whole("bar", bar, 0, max(0, len(starts) - 2))
    begin, end = starts[at], starts[at + 1]
    onsets = grid.notes["onset"]
    told = vocabulary.tokens(replace(grid, notes=grid.notes[(onsets < begin) | (onsets >= end)]))
    places = _bars(vocabulary, told)
    if not {begin, end} <= set(places):
        raise InputError(
            f"Bar {bar} lies in a rest so long that its bars are not told one by one, or nothing follows it."
        )
    return told[: places[begin] + 1], told[places[end] :]


def _bars(vocabulary: MidiVocabulary, ids: Ids) -> dict[int, int]:
    """The steps at which bars begin that are told one by one, and where among the ids."""
    reader, found = Reader(vocabulary.grid, vocabulary.velocities), dict[int, int]()
    for at, (family, value) in enumerate(map(vocabulary.told.__getitem__, ids.tolist())):
        reader.read(family, value)
        if family == "Bar":
            found[reader.now] = at
    return found
