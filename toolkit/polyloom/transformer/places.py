"""Positions for compiled code: what turns queries and keys, and what is added to embeddings, as NumPy tables.

The numbers are those of the bricks of `position`, asked for a run of places at a time and kept, because asking for one
place takes a good part of the time of a token.
"""

from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.position import Rotation, positions

RUN = 256  # places that are computed together

Floats = NDArray[np.float32]


@final
class Places:
    """The places of one model; `weight` are the vectors of learned ones."""

    def __init__(self, config: TransformerConfig, weight: NDArray[Any] | None = None) -> None:
        self.config, self.brick = config, positions(config)
        if weight is not None:
            self.brick.load_state_dict({"weight": torch.tensor(weight)})
        self._turned: dict[tuple[int, int], Floats] = {}
        self._added: dict[int, Floats] = {}

    def regime(self, length: int) -> int:
        """Texts of lengths with equal numbers are read with equal frequencies."""
        return self.brick.regime(length)

    def turns(self, start: int, count: int, length: int) -> Floats | None:
        """Cosines and sines (count, 2, half) of the places from `start` on, in a text of so many tokens; or None."""
        if self.config.position.kind != "rotary":
            return None
        return _joined([self._turning(run, length) for run in _runs(start, count)], start, count)

    def added(self, start: int, count: int) -> Floats | None:
        """What is added to the embeddings, (count, width), or None."""
        if self.config.position.kind not in ("learned", "sinusoidal"):
            return None
        return _joined([self._adding(run) for run in _runs(start, count)], start, count)

    def _turning(self, run: int, length: int) -> Floats:
        key = run, self.regime(length)
        if key not in self._turned:
            turning = self.brick.turning(_places(run), length)
            assert isinstance(turning, Rotation)
            half = turning.cosine.shape[-1] // 2
            parts = [part[0, 0, :, :half] for part in (turning.cosine, turning.sine)]
            self._turned[key] = torch.stack(parts, 1).numpy()
        return self._turned[key]

    def _adding(self, run: int) -> Floats:
        if run not in self._added:
            places = _places(run, self.config.context if self.config.position.kind == "learned" else None)
            with torch.no_grad():
                found = self.brick.embed(torch.zeros(1, places.shape[1], self.config.width), places)
            self._added[run] = found[0].numpy()
        return self._added[run]


def _places(run: int, end: int | None = None) -> torch.Tensor:
    stop = (run + 1) * RUN
    return torch.arange(run * RUN, stop if end is None else min(stop, end))[None]


def _runs(start: int, count: int) -> range:
    return range(start // RUN, (start + count - 1) // RUN + 1)


def _joined(parts: list[Floats], start: int, count: int) -> Floats:
    at = start % RUN
    return (parts[0] if len(parts) == 1 else np.concatenate(parts))[at : at + count]
