"""Names for notes that sound together: which chords have exactly these keys, the likeliest reading first.

The lowest note is the root more often than not, and simple chords are meant more often than rich ones: readings are in
that order.  C6 and Am7 are the same keys, so both are named, and the bass decides which comes first.  Where nothing has
all the keys, chords are tried whose fifth is left out, as players do.
"""

from collections.abc import Iterable

from polyloom.errors import InputError
from polyloom.music.theory.chord import Chord, chord
from polyloom.music.theory.note import Note, simplest

COMMON = (  # from the simplest on: what stands behind the root
    "", "m", "7", "maj7", "m7", "dim", "aug", "sus4", "m7b5", "dim7", "6", "m6", "sus2", "9", "maj9", "m9", "7sus4",
    "add9", "madd9", "mmaj7", "7b9", "7#9", "7#5", "7b5", "69", "m69",
    "maj7#11", "7#11", "9sus4", "maj7#5", "11", "m11", "13",
    "maj13", "m13", "7b9b13", "7alt", "maj7b5", "9#11", "9b5", "9#5", "mmaj9", "5",
)  # fmt: skip


def names(notes: Iterable[str | int]) -> tuple[Chord, ...]:
    """Every reading of notes, the likeliest first; the first note is the lowest.  Empty if nothing common has them.

    Notes are names, which keep their spelling, or MIDI pitches.  Raises InputError for what is neither, and for none.
    """
    given = [_note(one) for one in notes]
    if not given:
        raise InputError("There are no notes to name.")
    keys = frozenset(note.chroma for note in given)
    spelled = {note.chroma: note for note in reversed(given)}
    found = _readings(keys, spelled, given[0], ())
    return found or _readings(keys, spelled, given[0], ("5",))


def name(notes: Iterable[str | int]) -> Chord | None:
    """The likeliest reading, or None."""
    found = names(notes)
    return found[0] if found else None


def _readings(
    keys: frozenset[int], spelled: dict[int, Note], lowest: Note, without: tuple[str, ...]
) -> tuple[Chord, ...]:
    readings: list[tuple[tuple[bool, int], Chord]] = []
    for chroma, root in spelled.items():
        for rank, ending in enumerate(COMMON):
            whole = chord(f"{root}{ending}")
            part = Chord(root, tuple(one for one in whole.degrees if one not in without), symbol=whole.symbol)
            if part.chromas == keys:
                bass = None if chroma == lowest.chroma else lowest
                symbol = whole.symbol + (f"/{bass}" if bass else "")
                readings.append(((bass is not None, rank), Chord(root, whole.degrees, bass, symbol)))
    return tuple(one for _, one in sorted(readings, key=lambda reading: reading[0]))


def _note(given: str | int) -> Note:
    if isinstance(given, bool) or not isinstance(given, (str, int)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"Expected the name of a note or a MIDI pitch, got {given!r}.")
    return Note(given) if isinstance(given, str) else simplest(given % 12)
