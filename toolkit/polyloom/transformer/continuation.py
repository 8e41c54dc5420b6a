"""A place in a text under a transformer: its tokens, and the keys and values of those that were read.

Reading is late: `advance` only notes a token, and the next question reads all that were noted in one pass.  Forks share
what was read.
"""

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from polyloom.buffer import TokenBuffer
from polyloom.documents import Ids
from polyloom.errors import PolyloomError
from polyloom.explanation import Explanation
from polyloom.model import Continuation, Floats, Prompt, Token, block_rows
from polyloom.transformer.network import Network
from polyloom.transformer.windows import Window, groups, opening, window
from polyloom.whole import whole

if TYPE_CHECKING:
    from polyloom.transformer.account import Attribution, Undivided
    from polyloom.transformer.model import TransformerModel

SHOWN = 12  # tokens of context that an explanation repeats


class TransformerContinuation(Continuation):
    """One text; see the module."""

    model: "TransformerModel"

    def __init__(
        self,
        model: "TransformerModel",
        tokens: Ids,
        buffer: TokenBuffer | None = None,
        read: tuple[Window, int, Any] | None = None,
    ) -> None:
        super().__init__(model, tokens, buffer)
        self._read = read  # through which window, how many tokens of the text, and the network's state then
        self._row: Floats | None = None
        self._attribution: Attribution | Undivided | None = None

    def distribution(self) -> Floats:
        """Log-probabilities of the next token, float64 of shape (V,), read-only."""
        row = self._rows(self._length)[0] if self._row is None else self._row
        self._row = row
        return row

    def advance(self, token: Token) -> None:
        """Append one token; it is read when the next question comes."""
        super().advance(token)
        self._row = self._attribution = None

    def extend(self, tokens: Prompt) -> Floats:
        """Append tokens; float64 (n, V): the distribution after each of them, read in as few passes as can be."""
        ids = self.model.ids(tokens)
        first = self._length + 1
        for token in ids.tolist():
            super().advance(token)
        found = [self._rows(group.first, group.last) for group in groups(self.model.network, first, self._length)]
        self._row, self._attribution = (found[-1][-1] if found else self._row), None
        return np.concatenate(found) if found else np.empty((0, self.model.vocabulary.size))

    def fork(self) -> Self:
        """The same place again; shares tokens, keys and values."""
        return self._at(self._length)

    def back(self, n: int = 1) -> Self:
        """The same text without its last n tokens; keys and values of the others are kept."""
        return self._at(self._length - whole("n", n, 0, self._length))

    def shares(self, token: Token, ago: int = 0) -> dict[str, float]:
        """One voice: what its parts say is a matter of `explain`."""
        del token, ago
        return {"transformer": 1.0}

    def pending(self) -> tuple[int, int, Any] | None:
        """The one token that has yet to be read, the length with it, and the state before; None if it is not one."""
        network = self.model.network
        here = window(network, self._length)
        if self._row is not None or self._read is None or self._read[:2] != (here, self._length - 1):
            return None
        length = self._length - here.start + opening(network)
        return int(self.tokens[-1]), length, self._read[2]

    def settle(self, logits: Tensor, state: Any) -> None:
        """Take over what was read elsewhere of the pending token: logits (rows,), and the state then."""
        self._read = window(self.model.network, self._length), self._length, state
        self._row = _frozen(self.model.normalised(logits[None])[0])

    def _at(self, length: int) -> Self:
        """A place in the same text, at most this far."""
        found = type(self)(self.model, self.tokens[:length], self._buffer)
        if self._read is not None:
            here, read, state = self._read
            kept = state if read <= length else self.model.network.cut(state, length - here.start + self._opening)
            found._read = None if kept is None else (here, min(read, length), kept)
        if length == self._length:
            found._row, found._attribution = self._row, self._attribution
        return found

    @property
    def _opening(self) -> int:
        return opening(self.model.network)

    def _rows(self, first: int, last: int | None = None) -> Floats:
        """The distributions at the places `first` … `last` of one window, (n, V), read-only."""
        last = first if last is None else last
        network = self.model.network
        here = window(network, first)
        if last == here.start and not self._opening:  # nothing stands before it
            return _frozen(self.model.unread)
        read, state = self._kept(here, first)
        tokens: list[int] = self.tokens[read:last].tolist()
        if state is None:
            tokens = [*network.front, *tokens]
        length = last - here.start + self._opening
        logits, state = network.read(tokens, length, state, last - first + 1)
        self._read = here, last, state
        return _frozen(self.model.normalised(logits))

    def _kept(self, here: Window, first: int) -> tuple[int, Any]:
        """How many tokens of the text need not be read again for the row at `first`, and the state then."""
        if self._read is None or self._read[0] != here:
            return here.start, None
        _, read, state = self._read
        if read < first:
            return read, state
        least = first - 1  # at least one token must be read for a row
        if least < here.start or (least == here.start and not self._opening):
            return here.start, None
        kept = self.model.network.cut(state, least - here.start + self._opening)
        return (here.start, None) if kept is None else (least, kept)

    def _judge(self, ways: Ids) -> Floats:
        """Token by token, all ways side by side, where the network takes such steps."""
        if type(self.model.network).step is Network.step or not ways.size:
            return super()._judge(ways)
        found, size = np.empty(ways.shape), block_rows(self.model.vocabulary.size)
        found[:, 0] = self.distribution()[ways[:, 0]]  # read once, before the text forks
        for some in np.split(np.arange(len(ways)), range(size, len(ways), size)):
            places = [self.fork() for _ in some]
            for at in range(1, ways.shape[1]):
                for place, token in zip(places, ways[some, at - 1].tolist(), strict=True):
                    place.advance(token)
                found[some, at] = self.model.step(places)[np.arange(len(some)), ways[some, at]]
        return found

    def _explain(self, token: int) -> Explanation:
        row = self.distribution()
        attribution = self._attribution or self.model.attribution(self.tokens)
        self._attribution = attribution
        vocabulary = self.model.vocabulary
        piece = vocabulary.pieces[token]
        context = vocabulary.decode(self.tokens[max(0, self._length - SHOWN) :])
        return Explanation(piece, context, "logit", attribution.terms(token, piece, context), float(row[token]))


def _frozen(rows: Floats) -> Floats:
    rows.flags.writeable = False
    return rows


def natural(logits: Tensor) -> Floats:
    """Log-probabilities, float64 (n, V), of logits (n, V) of any dtype on any device.

    Raises PolyloomError if they are no numbers.
    """
    rows: Floats = torch.log_softmax(logits.to(torch.float64), -1).cpu().numpy()
    if np.isnan(rows[:, :1]).any():  # a single NaN makes its whole row one
        raise PolyloomError(
            "The network answers with what is no number: its weights are damaged. Load or train it anew."
        )
    return rows
