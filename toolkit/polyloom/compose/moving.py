"""What composites share whose members come and go along a text: another factor for each member at each place.

    p(· | text) = pool of v_k(place) and p_k(· | text)

How loudly the members speak follows from the tokens alone (`along` for a whole text, `factors` at a place), so a text
that is judged and the same text as it is written have the same numbers.  Nothing here knows why they come and go, nor
which pool it is.  What happens at one place stands in `pooled_place`.

T is the number of tokens, K that of members, V that of pieces.
"""

from abc import abstractmethod
from collections.abc import Iterator

import numpy as np

from polyloom.compose.composite import Place
from polyloom.compose.pooled_place import Pooled
from polyloom.documents import Ids
from polyloom.model import Floats, LanguageModel, Prompt


class Moving(Pooled[Place]):
    """A composite whose members come and go."""

    @abstractmethod
    def along(self, ids: Ids) -> Floats:
        """What multiplies each member before each token of a text without a prompt, float64 (T, K)."""

    def log_probs(self, tokens: Prompt) -> Iterator[Floats]:
        """Teacher-forced log-probabilities in blocks (n, V) of at most 64 MB; row t is given tokens before t."""
        ids, start = self.ids(tokens), 0
        factors, blocks = self.along(ids), [model.log_probs(ids) for model in self.models.values()]
        while start < len(ids):
            waiting = np.flatnonzero(factors[start:].any(0)).tolist()  # who will not speak again is not read on
            rows = {k: next(blocks[k]) for k in waiting}
            stop = start + max(map(len, rows.values()))
            heard = [(factors[start:stop, k, None], row) for k, row in rows.items() if factors[start:stop, k].any()]
            yield self.pooling.mixed(heard)
            start = stop

    def log_likelihood(self, tokens: Prompt) -> Floats:
        """ln p(token_t | tokens before t), float64 of shape (T,); a linear pool need not read the whole vocabulary."""
        ids = self.ids(tokens)
        voices = zip(self.along(ids).T, self.models.values(), strict=True)
        heard: list[tuple[Floats, LanguageModel]] = [(factors, model) for factors, model in voices if factors.any()]
        return self.pooling.log_likelihood(heard, ids) if heard else np.empty(0)
