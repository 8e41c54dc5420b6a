"""The theory of harmony, computed: notes, intervals, chords, keys, progressions, voice leading, explanations."""

from polyloom.music.theory.chord import Chord, chord
from polyloom.music.theory.explaining import Said, explain
from polyloom.music.theory.interval import interval
from polyloom.music.theory.key import Key, Keys, find_key
from polyloom.music.theory.leading import Fault, faults
from polyloom.music.theory.naming import name, names
from polyloom.music.theory.note import Note
from polyloom.music.theory.progression import Progression, Turn, progression
from polyloom.music.theory.roman import Roman, roman, scale_chord

__all__ = [
    "Chord",
    "Fault",
    "Key",
    "Keys",
    "Note",
    "Progression",
    "Roman",
    "Said",
    "Turn",
    "chord",
    "explain",
    "faults",
    "find_key",
    "interval",
    "name",
    "names",
    "progression",
    "roman",
    "scale_chord",
]
