"""What a model made of each token of a document, read once: how likely it was, and what the model had expected.

    ln p        of the token that came
    confidence  the probability of the likeliest token
    rank        how many tokens were likelier, of equals those of smaller id

Sums of these over units of text are all that an evaluation needs: see `report`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from polyloom.documents import Ids
from polyloom.evaluate.calibration import BINS, binned
from polyloom.protocols import Predicts

Floats = NDArray[np.float64]

NEAR = 5  # ranks that count as nearly right
WIDTH = 6 + 3 * BINS  # columns of `sums`


@dataclass(frozen=True, eq=False)
class Judged:
    """Of each of the T tokens: `log_likelihood` and `confidence` float64 (T,), `rank` int64 (T,); bytes of the text."""

    log_likelihood: Floats
    confidence: Floats
    rank: Ids
    size: float

    def sums(self) -> Floats:
        """Tokens, bytes, Σ ln p where it is finite, how many were impossible, right, nearly right, and the bins."""
        possible = np.isfinite(self.log_likelihood)
        likely = self.log_likelihood[possible].sum()
        counts = [
            len(self.rank),
            self.size,
            likely,
            (~possible).sum(),
            (self.rank == 0).sum(),
            (self.rank < NEAR).sum(),
        ]
        return np.append(counts, binned(self.confidence, (self.rank == 0).astype(np.float64)))

    def part(self, start: int, stop: int, size: float) -> "Judged":
        """The tokens from `start` to before `stop`, which make up `size` bytes."""
        here = slice(start, stop)
        return Judged(self.log_likelihood[here], self.confidence[here], self.rank[here], size)


def judged(model: Predicts, tokens: Ids, size: int) -> Judged:
    """What `model` makes of a document of `size` bytes, block by block."""
    parts: list[tuple[Floats, Floats, Ids]] = []
    start = 0
    for block in model.log_probs(tokens):
        parts.append(_judged(np.asarray(block), tokens[start : start + len(block)]))
        start += len(block)
    if not parts:
        return Judged(np.empty(0), np.empty(0), np.empty(0, np.int64), size)
    likely, sure, rank = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Judged(likely, sure, rank, size)


def _judged(rows: Floats, targets: Ids) -> tuple[Floats, Floats, Ids]:
    """ln p, confidence and rank of one token a row, from log-probabilities (n, V)."""
    chosen = rows[np.arange(len(rows)), targets]
    rank = np.count_nonzero(rows > chosen[:, None], axis=1)
    close = np.flatnonzero(rank < NEAR)  # only there does it matter who comes first among equals
    for at in close.tolist():
        rank[at] += np.count_nonzero(rows[at, : targets[at]] == chosen[at])
    return chosen, np.exp(rows.max(1)), rank
