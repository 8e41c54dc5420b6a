"""Music: scores, MIDI files, music as tokens, and the theory of harmony."""

from polyloom.music import theory
from polyloom.music.abc import read_abc
from polyloom.music.augment import augmented
from polyloom.music.blocks import BlockVocabulary
from polyloom.music.midi import read_midi, write_midi
from polyloom.music.score import Score
from polyloom.music.vocabulary import MidiVocabulary
from polyloom.music.written import score_of, write_music

__all__ = [
    "BlockVocabulary",
    "MidiVocabulary",
    "Score",
    "augmented",
    "read_abc",
    "read_midi",
    "score_of",
    "theory",
    "write_midi",
    "write_music",
]
