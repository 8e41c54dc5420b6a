"""A place in a text under layers, whose factors are the same at every place."""

from typing import TYPE_CHECKING

import numpy as np

from polyloom.compose.linear import Voices
from polyloom.compose.pool import sounding
from polyloom.compose.pooled_place import PooledContinuation
from polyloom.documents import Ids
from polyloom.model import Continuation, Floats

if TYPE_CHECKING:
    from polyloom.compose.layered import Layered


class LayeredContinuation(PooledContinuation):
    """One state for each layer, all at the same place."""

    model: "Layered"  # pyright: ignore[reportIncompatibleVariableOverride] - of all that pool, this one

    def factors(self, n: int = 1) -> Floats:
        """What multiplies each layer at the last n places, float64 (n, K): the last row is for the next token."""
        return np.broadcast_to(self.model.factors, (n, len(self.members)))

    def _judge(self, ways: Ids) -> Floats:
        if self.summed() is None:
            return super()._judge(ways)
        return self.model.pooling.mixed([(share, place.judge(ways)) for share, place in self._voices()])

    def _voices(self) -> Voices[Continuation]:
        return sounding(self.model.factors, self.members)  # for every token: no array is made for it
