"""From a text that a model of music wrote to the score it tells."""

from polyloom.errors import InputError
from polyloom.generate.trace import Generation
from polyloom.music.blocks import BlockVocabulary
from polyloom.music.score import Score
from polyloom.music.vocabulary import MidiVocabulary


def score_of(music: Score | Generation) -> Score:
    """The score of a generation, its prompt included; a score is its own.  Raises InputError for anything else."""
    if isinstance(music, Score):
        return music
    if not isinstance(music, Generation):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"Expected a score or what a model of music wrote, got {type(music).__name__}.")
    place = music.scrub(len(music.steps))
    vocabulary = place.model.vocabulary
    if not isinstance(vocabulary, MidiVocabulary | BlockVocabulary):
        raise InputError(f"Expected music; the model that wrote this speaks {vocabulary!r}.")
    return vocabulary.score(place.tokens)
