"""The curves of a training in bounded memory: what a page draws never grows with the number of steps.

`Curve` keeps a mean for every stretch of `stride` steps; when there are more than `POINTS` stretches, neighbours are
joined and the stride doubles.  A point stands at the last step of its stretch.  `Marks` keeps an evaluation each, the
newest `POINTS` of them.  Both travel as little-endian float32, one row after the other.
"""

from typing import final

import numpy as np
from numpy.typing import NDArray

from polyloom.train.history import Floats, Progress

POINTS = 600  # about as many as a plot has pixels
COLUMNS = ("step", "loss", "rate", "tokens_per_second")  # of a curve
MARKED = ("step", "loss", "busiest")  # of marks; busiest is NaN without experts


@final
class Curve:
    """Loss, rate and speed by step."""

    def __init__(self) -> None:
        self.stride = 1
        self._rows = np.zeros((POINTS + 1, len(COLUMNS)))  # of the loss the sum
        self._counts = np.zeros(POINTS + 1)  # of steps
        self._used = 0

    def add(self, progress: Progress) -> None:
        """One more step."""
        row = np.array([progress.step, progress.loss, progress.rate, progress.tokens_per_second], np.float64)
        if self._used and self._counts[self._used - 1] < self.stride:
            row[1] += self._rows[self._used - 1, 1]
            self._used -= 1
        else:
            self._counts[self._used] = 0
        self._rows[self._used] = row
        self._counts[self._used] += 1
        self._used += 1
        if self._used == len(self._rows):
            self._join()

    def rows(self) -> Floats:
        """(n, 4): the columns of `COLUMNS`, float64."""
        found = self._rows[: self._used].copy()
        found[:, 1] /= self._counts[: self._used]
        return found

    def _join(self) -> None:
        """Make one stretch of every two neighbours; the last may stay alone."""
        starts = np.arange(0, self._used, 2)
        ends = np.minimum(starts + 1, self._used - 1)
        losses = np.add.reduceat(self._rows[: self._used, 1], starts)
        counts = np.add.reduceat(self._counts[: self._used], starts)
        self._used = len(starts)
        self._rows[: self._used] = self._rows[ends]
        self._rows[: self._used, 1], self._counts[: self._used] = losses, counts
        self.stride *= 2


@final
class Marks:
    """The evaluations."""

    def __init__(self) -> None:
        self._rows: list[tuple[float, float, float]] = []

    def add(self, progress: Progress) -> None:
        """The evaluation of this step."""
        loss = np.nan if progress.validation is None else progress.validation
        self._rows = [*self._rows, (progress.step, loss, busiest(progress.load))][-POINTS:]

    def rows(self) -> Floats:
        """(m, 3): the columns of `MARKED`, float64."""
        return np.array(self._rows, np.float64).reshape(-1, len(MARKED))


def busiest(load: Floats | None) -> float:
    """How many even shares the busiest expert of a layer reads, a mean over layers; NaN without experts."""
    return float("nan") if load is None else float((load.max(-1) * load.shape[-1]).mean())


def packed(rows: NDArray[np.float64]) -> bytes:
    """Rows as bytes for the page."""
    return rows.astype("<f4").tobytes()
