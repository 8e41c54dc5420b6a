"""A place in a text under members that a pool makes one: at each place every member has a factor there.

    p(· | text) = pool of v_k(place) and p_k(· | text)

Nothing here knows where the factors come from (faders, lanes, stages), nor which pool it is.  A member is asked only
where it speaks; elsewhere it reads along, which costs a network nothing until it is asked.

A draft that is being verified asks who speaks for each of its tokens after all of them were read, so what the members
said of the last places that `extend` read is kept until the text goes on.

K is the number of members, V that of pieces.
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from polyloom.buffer import TokenBuffer
from polyloom.compose.composite import Composite, CompositeContinuation, Place
from polyloom.compose.linear import Voices, distributions
from polyloom.compose.pool import Pool, sounding
from polyloom.documents import Ids
from polyloom.explanation import Explanation, parts
from polyloom.model import Candidates, Continuation, Floats, LanguageModel, Prompt, Token

RECALLED = 32  # places at most whose rows of every member are kept: a draft that is being verified is shorter


class Pooled(Composite[Place]):
    """A composite that makes one of its members by a pool."""

    pooling: Pool


class PooledContinuation(CompositeContinuation):
    """One state for each member, all at the same place."""

    model: Pooled[Any]

    def __init__(
        self, model: LanguageModel, tokens: Ids, members: Sequence[Continuation], buffer: TokenBuffer | None = None
    ) -> None:
        super().__init__(model, tokens, members, buffer)
        # of the last places, where `extend` asked: factors (n, K), and what each member that is heard said, (n, V)
        self._lately: tuple[Floats, dict[int, Floats]] | None = None

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

    def _explain(self, token: int) -> Explanation:
        model, accounts = self.model, [member.explain(token) for member in self.members]
        layers = list(zip(model.models, self.factors()[0].tolist(), accounts, strict=True))
        scale, terms, total = model.pooling.account(layers, distributions(self._voices()), token)
        return Explanation(model.vocabulary.pieces[token], accounts[0].context, scale, terms, total)

    def _voices(self) -> Voices[Continuation]:
        return sounding(self.factors()[0], self.members)


def _read(place: Continuation, ids: Ids) -> None:
    """Go on without asking."""
    for token in ids.tolist():
        place.advance(token)
