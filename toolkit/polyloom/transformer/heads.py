"""What the heads of a model do with a text, in figures.

    scores = head_scores(model.capture(text))
    scores.previous      how much a head looks at the token just before, a mean over the text
    scores.induction     how much at what followed the last times that the present token stood there
    scores.first         how much at the first token, where heads look that have nothing to say
    scores.entropy       how widely it looks, in nats: 0 is at one token, ln n evenly at n

All are float64 (layers, heads), means over the positions that were captured and for which the score has a meaning: the
first token has none before it, and induction (Elhage et al. 2021, Olsson et al. 2022) needs a token that has stood
there before; where there is none the score is NaN.  Scores say where a head looks, not what it does with what it sees:
for that, take it out (`surgery`).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from polyloom.transformer.capture import Capture

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class HeadScores:
    """See the module; `layers` numbers the rows."""

    layers: tuple[int, ...]
    previous: Floats
    induction: Floats
    first: Floats
    entropy: Floats

    def best(self, name: str) -> tuple[int, int]:
        """(layer, head) with the largest score of that name; NaN never wins."""
        scores: Floats = getattr(self, name)
        row, head = np.unravel_index(np.argmax(np.where(np.isnan(scores), -np.inf, scores)), scores.shape)
        return self.layers[int(row)], int(head)

    def __str__(self) -> str:
        lines = [f"{'layer':>5} {'head':>4} {'previous':>9} {'induction':>9} {'first':>9} {'entropy':>9}"]
        for row, layer in enumerate(self.layers):
            for head in range(self.previous.shape[1]):
                scores = (one[row, head] for one in (self.previous, self.induction, self.first, self.entropy))
                lines.append(f"{layer:>5} {head:>4} " + " ".join(f"{_shown(score):>9}" for score in scores))
        return "\n".join(lines)


def head_scores(capture: Capture) -> HeadScores:
    """The scores of every captured head."""
    attention = np.asarray(capture.attention, np.float64)  # (layer, head, query, key)
    at = np.array(capture.positions)
    before = at > 0
    queries = np.flatnonzero(before)
    previous = _mean(attention[:, :, queries, at[queries] - 1])
    copied = np.stack([_followed(capture.tokens, int(place)) for place in at])  # (query, key)
    known = copied.any(1)
    induction = _mean(np.where(copied, attention, 0.0).sum(-1)[:, :, known])
    safe = np.where(attention > 0, attention, 1.0)
    entropy = _mean(-(attention * np.log(safe)).sum(-1))
    return HeadScores(capture.layers, previous, induction, _mean(attention[:, :, queries, 0]), entropy)


def _followed(tokens: NDArray[np.int64], place: int) -> NDArray[np.bool_]:
    """Which keys stand right after an earlier occurrence of the token at `place`, bool (T,)."""
    found = np.zeros(len(tokens), bool)
    found[np.flatnonzero(tokens[:place] == tokens[place]) + 1] = True
    return found


def _mean(scores: Floats) -> Floats:
    """Over the last axis; NaN where it is empty."""
    return scores.mean(-1) if scores.shape[-1] else np.full(scores.shape[:-1], np.nan)


def _shown(score: float) -> str:
    return "–" if np.isnan(score) else f"{score:.3f}"
