"""A place in a text under layers: one state for each of them, and what they last said.

A draft that is being verified asks who speaks for each of its tokens after all of them were read, so the rows that
`extend` got from the layers are kept until the text goes on.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from polyloom.buffer import TokenBuffer
from polyloom.compose.composite import CompositeContinuation
from polyloom.compose.linear import Voices, distributions
from polyloom.compose.pool import sounding
from polyloom.documents import Ids
from polyloom.explanation import Explanation, parts
from polyloom.model import Candidates, Continuation, Floats, Prompt, Token

if TYPE_CHECKING:
    from polyloom.compose.layered import Layered

RECALLED = 32  # places at most whose rows of every layer are kept: a draft that is being verified is shorter


class LayeredContinuation(CompositeContinuation):
    """One state for each layer, all at the same place."""

    model: "Layered"

    def __init__(
        self, model: "Layered", tokens: Ids, members: Sequence[Continuation], buffer: TokenBuffer | None = None
    ) -> None:
        super().__init__(model, tokens, members, buffer)
        self._lately: Voices[Floats] = []  # what each layer said of the last places, (n, V), where `extend` asked it

    def distribution(self) -> Floats:
        """Log-probabilities of the next token, float64 of shape (V,)."""
        return self.model.pooling.distribution(self._voices())

    def top(self, k: int = 10) -> Candidates:
        """The k likeliest next tokens, fewer if the vocabulary is smaller."""
        return self.model.pooling.top(self._voices(), k)

    def shares(self, token: Token, ago: int = 0) -> dict[str, float]:
        """Who speaks for a token, by layer: from what each gives it, without opening their accounts."""
        known = self._lately and 0 <= ago < len(self._lately[0][1])
        if ago and not known:
            return self.back(ago).shares(token)
        rows = [row[-1 - ago] for _, row in self._lately] if known else [r for _, r in distributions(self._voices())]
        spoken, chosen = iter(rows), self.model.token_id(token)
        factors = zip(self.model.layers, self.model.factors.tolist(), strict=True)
        voice = self.model.pooling.voice
        return parts({name: voice(factor, next(spoken)[chosen]) if factor else 0.0 for name, factor in factors})

    def advance(self, token: Token) -> None:
        """Append one token to the text, for every layer."""
        super().advance(token)
        self._lately = []

    def extend(self, tokens: Prompt) -> Floats:
        """Append tokens; float64 (n, V): the distribution after each of them.  Layers that can read them in one go."""
        ids = self.model.ids(tokens)
        if not len(ids) or all(type(member).extend is Continuation.extend for member in self.members):
            return super().extend(ids)  # one by one, so that association models are asked together
        self._said(ids)
        rows = [member.extend(ids) for member in self.members]
        voices = sounding(self.model.factors, rows)
        self._lately = voices if len(ids) <= RECALLED else []
        return self.model.pooling.mixed(voices)

    def summed(self) -> Voices[Continuation] | None:
        """The layers at their factors, in a pool that adds."""
        return self.model.pooling.summed(self._voices())

    def _judge(self, ways: Ids) -> Floats:
        if self.summed() is None:
            return super()._judge(ways)
        return self.model.pooling.mixed([(share, place.judge(ways)) for share, place in self._voices()])

    def _explain(self, token: int) -> Explanation:
        model, accounts = self.model, [member.explain(token) for member in self.members]
        layers = list(zip(model.layers, model.factors.tolist(), accounts, strict=True))
        scale, terms, total = model.pooling.account(layers, distributions(self._voices()), token)
        return Explanation(model.vocabulary.pieces[token], accounts[0].context, scale, terms, total)

    def _voices(self) -> Voices[Continuation]:
        return sounding(self.model.factors, self.members)
