"""Keys, and which one a piece is in.

    score(tonic, mode) = correlation of the weight of each of the 12 keys with the mode's profile, turned to the tonic

The profiles are how well each note was heard to fit after a key was set up (Krumhansl and Kessler 1982), or how often
each was counted in 490 pieces (Albrecht and Shanahan 2013, who went by distance instead of correlation), which finds
more of Bach's keys; the weight of a note is how long it sounds.  A piece fits the keys a fifth away nearly as well, so
the scores of all 24 are kept.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError
from polyloom.music.theory.interval import degree
from polyloom.music.theory.note import Note, simplest

Mode = Literal["major", "minor"]
PROFILES: dict[str, dict[str, tuple[float, ...]]] = {
    "krumhansl": {
        "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
        "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
    },
    "albrecht": {
        "major": (0.238, 0.006, 0.111, 0.006, 0.137, 0.094, 0.016, 0.214, 0.009, 0.080, 0.008, 0.081),
        "minor": (0.220, 0.006, 0.104, 0.123, 0.019, 0.103, 0.012, 0.214, 0.062, 0.022, 0.061, 0.052),
    },
}
SCALES = {
    "major": ("1", "2", "3", "4", "5", "6", "7"),
    "minor": ("1", "2", "b3", "4", "5", "b6", "b7"),
}
SHARPEST = 7  # accidentals of a signature


@final
@dataclass(frozen=True)
class Key:
    """A tonic and a mode: `Key.of("A minor")`, `Key.of("Eb")`."""

    tonic: Note
    mode: Mode

    @classmethod
    def of(cls, name: "str | Key") -> "Key":
        """A key by name: "C", "F# minor", "am"; InputError for what is none."""
        if isinstance(name, Key):
            return name
        words = name.split() if isinstance(name, str) else []  # pyright: ignore[reportUnnecessaryIsInstance]
        if len(words) == 1 and words[0].endswith("m") and len(words[0]) > 1:
            words = [words[0][:-1], "minor"]
        if not words or len(words) > 2 or words[1:] not in ([], ["major"], ["minor"]):
            raise InputError(f"Expected a key such as C, A minor or Bb major, got {name!r}.")
        return cls(Note(words[0]), "minor" if words[1:] == ["minor"] else "major")

    @cached_property
    def scale(self) -> tuple[Note, ...]:
        """Its seven notes from the tonic up; of a minor key those of the natural scale."""
        return tuple(self.tonic.up(degree(step)) for step in SCALES[self.mode])

    @property
    def signature(self) -> int:
        """Sharps, or flats if negative."""
        return self.tonic.fifths - 3 * (self.mode == "minor")

    @property
    def relative(self) -> "Key":
        """The key of the same notes."""
        return Key(self.tonic.up(3), "minor") if self.mode == "major" else Key(self.tonic.up(-3), "major")

    @property
    def parallel(self) -> "Key":
        """The key of the same tonic."""
        return Key(self.tonic, "minor" if self.mode == "major" else "major")

    def __str__(self) -> str:
        return f"{self.tonic} {self.mode}"


@final
@dataclass(frozen=True)
class Keys:
    """How well a piece fits each of 24 keys, best first."""

    ranked: tuple[tuple[Key, float], ...]

    @property
    def best(self) -> Key:
        """The key that fits best."""
        return self.ranked[0][0]

    @property
    def margin(self) -> float:
        """By how much it fits better than the next."""
        return self.ranked[0][1] - self.ranked[1][1]


def find_key(weights: Sequence[float] | NDArray[np.floating], profiles: str = "krumhansl") -> Keys:
    """The key of a piece in which each of the 12 notes, C first, has sounded for so long.

    `profiles` are "krumhansl" or "albrecht".  Raises InputError for others, for what is not 12 finite numbers of 0 or
    more, and where none or all are alike.
    """
    if profiles not in PROFILES:
        raise InputError(f"Unknown profiles {profiles!r}; there are {', '.join(PROFILES)}.")
    given = np.asarray(weights, np.float64)
    if given.shape != (12,) or not np.isfinite(given).all() or given.min() < 0:
        raise InputError(f"Expected 12 weights of 0 or more, one for each note from C, got {weights!r}.")
    if np.ptp(given) == 0:
        raise InputError("All twelve notes have the same weight, so there is no key; percussion has none.")
    scores = {
        (tonic, mode): float(np.corrcoef(given, np.roll(profile, tonic))[0, 1])
        for mode, profile in PROFILES[profiles].items()
        for tonic in range(12)
    }
    order = sorted(scores, key=lambda one: -scores[one])
    return Keys(tuple((_named(tonic, mode), scores[tonic, mode]) for tonic, mode in order))


def _named(tonic: int, mode: str) -> Key:
    """The key with the fewest accidentals of the two or three that sound the same."""
    near = 3 if mode == "minor" else 0
    return Key(simplest(tonic, near), "minor" if mode == "minor" else "major")
