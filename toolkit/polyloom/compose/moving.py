"""What composites share whose members come and go along a text: another factor for each member at each place.

    p(· | text) = pool of v_k(place) and p_k(· | text)

How loudly the members speak follows from the tokens alone (`along` for a whole text, `factors` at a place), so a text
that is judged and the same text as it is written have the same numbers.  Nothing here knows why they come and go, nor
which pool it is.  A member is asked only where it speaks; elsewhere it reads along, which costs a network nothing until
it is asked.

T is the number of tokens, K that of members, V that of pieces.
"""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from polyloom.buffer import TokenBuffer
from polyloom.compose.composite import Composite, CompositeContinuation, Place
from polyloom.compose.linear import Voices
from polyloom.compose.pool import Pool, sounding
from polyloom.documents import Ids
from polyloom.explanation import parts
from polyloom.model import Candidates, Continuation, Floats, LanguageModel, Prompt, Token

RECALLED = 32  # places at most whose rows of every member are kept: a draft that is being verified is shorter


class Moving(Composite[Place]):
    """A composite whose members come and go."""

    pooling: Pool

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


class MovingContinuation(CompositeContinuation):
    """One state for each member, all at the same place."""

    model: "Moving[Any]"

    def __init__(
        self, model: LanguageModel, tokens: Ids, members: Sequence[Continuation], buffer: TokenBuffer | None = None
    ) -> None:
        super().__init__(model, tokens, members, buffer)
        self._lately: tuple[Floats, dict[int, Floats]] | None = (
            None  # of the last places, where `extend` asked: factors
        )
        # (n, K), and what each member that is heard there said, (n, V)

    @abstractmethod
    def factors(self, n: int = 1) -> Floats:
        """What multiplies each member at the last n places, float64 (n, K): the last row is for the next token."""

    def distribution(self) -> Floats:
        """Log-probabilities of the next token, float64 of shape (V,)."""
        return self.model.pooling.distribution(self._voices())

    def top(self, k: int = 10) -> Candidates:
        """The k likeliest next tokens, fewer if the vocabulary is smaller."""
        return self.model.pooling.top(self._voices(), k)

    def summed(self) -> Voices[Continuation] | None:
        """The members that speak here at their factors, in a pool that adds."""
        return self.model.pooling.summed(self._voices())

    def shares(self, token: Token, ago: int = 0) -> dict[str, float]:
        """Who speaks for a token, by member: from what each gives it, without opening their accounts."""
        lately = self._lately
        if ago and not (lately and 0 < ago < len(lately[0])):
            return self.back(ago).shares(token)
        chosen = self.model.token_id(token)
        if lately:
            factors, said = lately[0][-1 - ago], {k: rows[-1 - ago] for k, rows in lately[1].items()}
        else:
            factors = self.factors()[0]
            said = {k: self.members[k].distribution() for k in np.flatnonzero(factors).tolist()}
        voice, voices = self.model.pooling.voice, enumerate(zip(self.model.models, factors.tolist(), strict=True))
        return parts({name: voice(factor, said[k][chosen]) if factor else 0.0 for k, (name, factor) in voices})

    def advance(self, token: Token) -> None:
        """Append one token to the text, for every member."""
        super().advance(token)
        self._lately = None

    def extend(self, tokens: Prompt) -> Floats:
        """Append tokens; float64 (n, V): the distribution after each of them.  Members that can read them in one go."""
        ids = self.model.ids(tokens)
        if not len(ids) or all(type(member).extend is Continuation.extend for member in self.members):
            return super().extend(ids)  # one by one, so that association models are asked together
        self._said(ids)
        factors = self.factors(len(ids))
        said = {k: member.extend(ids) for k, member in enumerate(self.members) if factors[:, k].any()}
        for k, member in enumerate(self.members):
            if k not in said:
                _read(member, ids)
        self._lately = (factors, said) if len(ids) <= RECALLED else None
        return self.model.pooling.mixed([(factors[:, k, None], rows) for k, rows in said.items()])

    def _voices(self) -> Voices[Continuation]:
        return sounding(self.factors()[0], self.members)


def _read(place: Continuation, ids: Ids) -> None:
    """Go on without asking."""
    for token in ids.tolist():
        place.advance(token)
