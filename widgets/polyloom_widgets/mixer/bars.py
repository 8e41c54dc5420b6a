"""The next-token bars: what each layer gives the tokens that any mix could put first.

The listed tokens are the best of each layer.  A token that is not listed has at most Σ v_k rest_k in a mix, where
rest_k is the most that layer k gives any token that is not listed: by that bound the page knows whether its top ten is
the true one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from polyloom.compose.layered import Layered
from polyloom.compose.layered_place import LayeredContinuation
from polyloom.documents import Ids
from polyloom.model import Floats, best
from polyloom.music.blocks import MusicVocabulary
from polyloom.music.constraints import SOUNDS

LISTED = 64  # best tokens of each layer
SHOWN = 12  # tokens before the caret that the page repeats
ROWS = 10


@dataclass(frozen=True)
class Bars:
    """One place in a text under every layer: `chance` float64 (K, V), and the tokens listed, int64 (C,)."""

    key: int
    place: LayeredContinuation
    chance: Floats
    listed: Ids
    actual: int | None  # the token that really came, if known

    @classmethod
    def of(cls, key: int, mix: Layered, tokens: Ids, actual: int | None) -> "Bars":
        """Ask every layer what comes after `tokens`."""
        place = mix.begin(tokens)
        logs = [member.distribution() for member in place.members]
        listed = np.unique(np.concatenate([best(row, LISTED).tokens for row in logs]))
        return cls(key, place, np.exp(np.stack(logs)), listed, actual)

    def message(self) -> tuple[dict[str, Any], bytes]:
        """The trait `bars` and the bytes of `bars_p`, float32 (K, C)."""
        vocabulary = self.place.model.vocabulary
        others = self.chance.copy()
        others[:, self.listed] = 0
        at = np.flatnonzero(self.listed == self.actual) if self.actual is not None else np.empty(0, np.int64)
        described: dict[str, Any] = {
            "key": self.key,
            "before": vocabulary.decode(self.place.tokens),
            "after": "",
            "tokens": self.listed.tolist(),
            "pieces": [vocabulary.pieces[token] for token in self.listed.tolist()],
            "rest": others.max(1).tolist(),
            "actual": int(at[0]) if len(at) else -1,
            "actual_piece": None if self.actual is None else vocabulary.pieces[self.actual],
        }
        return described, self.chance[:, self.listed].astype("<f4").tobytes()

    def keys(self) -> bytes:
        """What each layer gives each pitch as the next token, float32 (K, 128); nothing where tokens are no music."""
        vocabulary = self.place.model.vocabulary
        if not isinstance(vocabulary, MusicVocabulary):
            return b""
        first = next(vocabulary.first[family] for family in SOUNDS if family in vocabulary.first)
        return self.chance[:, first : first + 128].astype("<f4").tobytes()

    def top(self, proportions: Floats) -> dict[str, Any]:
        """The ten likeliest tokens of a mix with the part of each layer, and the rank of the actual one; float64."""
        mixed = proportions @ self.chance
        tokens = best(np.log(mixed), ROWS).tokens.tolist()
        rows = [{"token": t, "p": float(mixed[t]), "parts": (proportions * self.chance[:, t]).tolist()} for t in tokens]
        return {"bars": rows, "actual_rank": None if self.actual is None else _rank(mixed, self.actual)}


def _rank(mixed: Floats, token: int) -> int:
    """1 for the likeliest; ties by smaller id, as everywhere."""
    return int(np.count_nonzero(mixed > mixed[token]) + np.count_nonzero(mixed[:token] == mixed[token])) + 1
