"""From a text that a model of music wrote to the score it tells, and to a file that can be heard."""

import os
from pathlib import Path

from polyloom.errors import InputError
from polyloom.generate.trace import Generation
from polyloom.music.blocks import MusicVocabulary
from polyloom.music.midi import write_midi
from polyloom.music.score import Score
from polyloom.music.synth import write_wav


def score_of(music: Score | Generation) -> Score:
    """The score of a generation, its prompt included; a score is its own.  Raises InputError for anything else."""
    if isinstance(music, Score):
        return music
    if not isinstance(music, Generation):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"Expected a score or what a model of music wrote, got {type(music).__name__}.")
    place = music.scrub(len(music.steps))
    vocabulary = place.model.vocabulary
    if not isinstance(vocabulary, MusicVocabulary):
        raise InputError(f"Expected music; the model that wrote this speaks {vocabulary!r}.")
    return vocabulary.score(place.tokens)


def write_music(music: Score | Generation, path: str | os.PathLike[str]) -> Path:
    """Write a WAV file if the path ends in .wav, else MIDI, whole or not at all, and return its path.

    Of a generation the file carries the recipe: `polyloom.open_recipe(path)`.  Raises what `score_of`, `write_midi` and
    `write_wav` raise.
    """
    score, recipe = score_of(music), music.recipe if isinstance(music, Generation) else None
    if Path(path).suffix.lower() == ".wav":
        return write_wav(score, path, recipe=recipe)
    return write_midi(score, path, recipe)
