"""Music as tokens: a score becomes ids, and any ids become a score.

    vocabulary = MidiVocabulary("remi")            see `schemes` for what there is
    ids = vocabulary.tokens(score)                 as many notes as it has, nothing is left out
    vocabulary.score(ids) == vocabulary.quantised(score)[0]

A scheme has a grid, so many steps a beat, and bins of velocity; `quantised` is the score on them, and says how far
notes were moved.  Tokens lose nothing beyond that.  Velocities move by at most half a bin, tempi by 3 %; metres whose
bars have no place on the grid are told as 4/4, and tracks beyond the 64th as the 64th.  Events tell of two notes of one
part and pitch that sound at once that the first to begin is the first to end.

The text of tokens is their names with spaces, so that whoever has only text can write a prompt:
`vocabulary.encode("Bar Position_0 Pitch_60")`.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any, Self, cast, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from polyloom.errors import VocabularyError
from polyloom.music.reading import Reader, changes
from polyloom.music.schemes import TEMPI, TRACKS, Scheme, loudness, metres, table
from polyloom.music.score import Notes, Rounding, Score
from polyloom.music.writing import Writer, binned, tempo_index
from polyloom.tokens.checks import stored
from polyloom.tokens.vocabulary import SENTENCE_END, Arrays, Ids, Vocabulary
from polyloom.whole import whole

FINEST = 48  # steps a beat


@final
class MidiVocabulary(Vocabulary):
    """A scheme on a grid of `grid` steps a beat, with `velocities` bins of velocity; 127 keep every one.

    Raises InputError for an unknown scheme, a grid outside 1 … 48 or bins outside 1 … 127.
    """

    kind = "midi"
    unknown_name = None

    def __init__(self, scheme: Scheme = "remi", grid: int = 24, velocities: int = 32) -> None:
        self.grid, self.velocities = whole("grid", grid, 1, FINEST), whole("velocities", velocities, 1, 127)
        self.scheme: Scheme = scheme
        self.table = table(scheme, self.grid, self.velocities)
        named = [f"{family}_{value}" if value else family for family, all in self.table.items() for value in all]
        self.pieces = (SENTENCE_END, *named)

    @cached_property
    def first(self) -> dict[str, int]:
        """The id of the first piece of each family; the others follow."""
        sizes = [1, *map(len, self.table.values())]
        return dict(zip(self.table, np.cumsum(sizes).tolist(), strict=False))

    @cached_property
    def told(self) -> tuple[tuple[str, int], ...]:
        """Of each id the family and which of its values it is."""
        return ((SENTENCE_END, 0), *((family, n) for family, all in self.table.items() for n in range(len(all))))

    def tokens(self, score: Score) -> Ids:
        """The ids of a score, int64 (T,), without `</s>`."""
        writer = Writer(self.scheme, self.grid, self.velocities, self.first)
        return np.array(writer.written(self.quantised(score)[0]), np.int64)

    def score(self, ids: ArrayLike) -> Score:
        """The score of ids (T,), whatever they are: what is not whole, such as a pitch without duration, is left out.

        Raises InputError if they are not one row of integers, VocabularyError if one is out of range.
        """
        return self._read(ids).score()

    def places(self, ids: ArrayLike) -> NDArray[np.int64]:
        """Of each note of `score(ids)` two places among the ids, (n, 2): of its pitch, and of what completed it.

        The second is −1 where the ids ended before the note did.  Raises what `score` raises.
        """
        return self._read(ids).whence()

    def _read(self, ids: ArrayLike) -> Reader:
        reader = Reader(self.grid, self.velocities)
        for family, value in map(self.told.__getitem__, self._checked(ids).tolist()):
            reader.read(family, value)
        return reader

    def quantised(self, score: Score) -> tuple[Score, Rounding]:
        """The score that its tokens tell, and how far notes were moved."""
        grid, rounding = score.quantised(self.grid)
        return self._binned(grid), rounding

    def _binned(self, score: Score) -> Score:
        """Of a score on the grid: what else the scheme cannot tell, as it tells it."""
        notes = score.notes.copy()
        told = np.array([loudness(binned(velocity, self.velocities), self.velocities) for velocity in range(128)])
        notes["velocity"] = told[notes["velocity"]]
        notes["track"] = np.minimum(notes["track"], TRACKS - 1)
        if self.scheme == "events":
            notes["duration"] = in_turn(notes) - notes["onset"]
        known = metres(self.grid)
        bars = changes({tick: (n, d) if (n, d) in known else known[0] for tick, n, d in score.metres})
        tempi = changes({tick: round(6e7 / TEMPI[tempo_index(tempo)]) for tick, tempo in score.tempi})
        return replace(score, notes=notes, tempi=tempi, metres=tuple((tick, *metre) for tick, metre in bars))

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = []
        for place, name in enumerate(text.split()):
            if name == SENTENCE_END or name not in self._ids:
                raise VocabularyError(
                    f"Word {place}, {name!r}, is no token of music.{self._nearest(name)} "
                    f"A prompt is names with spaces, such as 'Bar Position_0', or ids: vocabulary.tokens(score)."
                )
            ids.append(self._ids[name])
        return ids

    def _decode(self, ids: list[int]) -> str:
        return " ".join(self.pieces[id] for id in ids if id != self.sentence_end)

    def _surface(self, id: int) -> str:
        return self.pieces[id]

    def _settings(self) -> bytes:
        return json.dumps([self.scheme, self.grid, self.velocities]).encode()

    def _model_bytes(self) -> bytes:
        return self._settings()

    def _arrays(self) -> Arrays:
        """`settings`: uint8, the scheme, the grid and the bins of velocity in JSON."""
        return {"settings": np.frombuffer(self._settings(), np.uint8)}

    @classmethod
    def _from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        content = stored(arrays, "settings", np.uint8).tobytes()
        try:
            scheme, grid, velocities = json.loads(content)
            return cls(cast("Scheme", str(scheme)), grid, velocities)
        except (ValueError, TypeError) as error:  # InputError is a ValueError
            raise VocabularyError(f"The vocabulary of music cannot be read: {error}") from error


def in_turn(notes: Notes) -> NDArray[np.int64]:
    """The ends of notes (n,) where those of one part and pitch end in the order in which they begin.

    An end says which pitch, not which of two notes that sound at once; what is heard stays the same.
    """
    ends: NDArray[np.int64] = notes["onset"] + notes["duration"]
    voices = [notes[name] for name in ("pitch", "channel", "program", "track")]
    begun, ended = np.lexsort([notes["velocity"], notes["onset"], *voices]), np.lexsort([ends, *voices])
    found = np.empty_like(ends)
    found[begun] = ends[ended]
    return found
