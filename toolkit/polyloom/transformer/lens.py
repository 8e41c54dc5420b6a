"""The logit lens (nostalgebraist 2020): what a model would say if it stopped thinking here.

The stream before each layer is read through the final norm, the output and its cap, as if it were the last.  Early
layers were never trained to be read so: what they say is a hint, what the last row says is the model's distribution.

Shapes: R rows (places in the depth of the network), Q positions, k pieces.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import final

import numpy as np
from numpy.typing import NDArray

from polyloom.model import Floats, best
from polyloom.tokens.vocabulary import Vocabulary

SHOWN = 16  # positions of a table: the last ones


@final
@dataclass(frozen=True, eq=False)
class LogitLens:
    """The likeliest pieces at every depth and position, best first: `tokens` (R, Q, k) with `probabilities`."""

    depths: tuple[str, ...]  # R names
    columns: tuple[str, ...]  # the pieces that stand at the Q positions
    tokens: NDArray[np.int64]
    probabilities: Floats
    vocabulary: Vocabulary

    def pieces(self, depth: int = -1, position: int = -1) -> list[tuple[str, float]]:
        """The likeliest pieces at one place with their probabilities, best first."""
        found = zip(self.tokens[depth, position].tolist(), self.probabilities[depth, position].tolist(), strict=True)
        return [(self.vocabulary.pieces[token], chance) for token, chance in found]

    def __str__(self) -> str:
        width = max(map(len, self.depths))
        rows = [
            [f"{self._name(row, at)} {self.probabilities[row, at, 0]:.2f}" for at in self._last] for row in self._all
        ]
        return "\n".join(f"{depth:>{width}}  {'  '.join(row)}" for depth, row in zip(self.depths, rows, strict=True))

    def __repr__(self) -> str:
        depths, positions, k = self.tokens.shape
        return f"<LogitLens of {depths} depths, {positions} positions: {k} pieces each>"

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(self.columns[at])}</th>" for at in self._last)
        cells = ["".join(self._cell(row, at) for at in self._last) for row in self._all]
        named = zip(self.depths, cells, strict=True)
        rows = "".join(f"<tr><th style='text-align:left'>{escape(depth)}</th>{row}</tr>" for depth, row in named)
        return f"<table><caption>likeliest next piece at each depth</caption><tr><td></td>{head}</tr>{rows}</table>"

    @property
    def _all(self) -> range:
        return range(len(self.depths))

    @property
    def _last(self) -> range:
        count = len(self.columns)
        return range(max(0, count - SHOWN), count)

    def _name(self, row: int, at: int) -> str:
        return self.vocabulary.display(int(self.tokens[row, at, 0]))

    def _cell(self, row: int, at: int) -> str:
        chance = float(self.probabilities[row, at, 0])
        shade = f"background:rgba(70,130,180,{0.6 * chance:.2f})"
        return (
            f"<td style='text-align:center;{shade}'>{escape(self._name(row, at))}<br><small>{chance:.2f}</small></td>"
        )


def lens(rows: Iterable[Floats], depths: Sequence[str], columns: Sequence[str], words: Vocabulary, k: int) -> LogitLens:
    """A lens of log-probabilities (Q, V) at each depth."""
    found = [[best(row, k) for row in depth] for depth in rows]
    tokens = np.array([[one.tokens for one in depth] for depth in found])
    chances = np.exp(np.array([[one.log_probs for one in depth] for depth in found]))
    return LogitLens(tuple(depths), tuple(columns), tokens, chances, words)
