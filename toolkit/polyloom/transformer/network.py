"""A network: what turns token ids into logits.  A `TransformerModel` asks no more of it than this.

    score(tokens, length, first)   whole windows at once, for judging a text
    read(tokens, length, state)    tokens that follow on others, which the state remembers
    step(...)                      one token each for many texts

`DecoderNetwork` is one of our own decoders; a live model of another library is another leaf.  A **state** is what has
been read of one text, keys and values; it is a value for whoever holds it: `read` gives a new one, and the old one can
still be gone on from.  `length` is the number of tokens that picks the rotary regime (see `position`).

Logits are (n, rows): rows may exceed the vocabulary, and the model cuts them.  Nothing here knows of windows,
vocabularies or distributions.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

from polyloom.transformer.attention import Itself
from polyloom.transformer.cache import Cache, Cached, Many
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.swift import Swift, swift

if TYPE_CHECKING:
    from polyloom.transformer.account import Attribution

HEAD_BYTES = 32 * 2**20  # of logits that are made at once


class Network(ABC):
    """Scores tokens; see the module."""

    rows: int
    context: int | None  # tokens read at once; None is unlimited
    begin: int | None  # the id before a text, or None
    opens: bool  # whether it stands before every text, or only where there is no other token
    soft: tuple[int, ...] = ()  # ids of a soft prompt, which stands before all else
    inside: str = "its parts are its own. Load it as a folder if it is a Llama."  # why nobody can look inside

    @property
    def front(self) -> tuple[int, ...]:
        """The ids that stand before every text."""
        return self.soft if not self.opens or self.begin is None else (*self.soft, self.begin)

    @property
    @abstractmethod
    def device(self) -> torch.device:
        """Where token ids must lie."""

    @abstractmethod
    def score(self, tokens: Tensor, length: int, first: int) -> Iterator[Tensor]:
        """Logits (n, rows) of windows (B, T), in pieces: those after the tokens `first` … of each window, in order."""

    @abstractmethod
    def read(self, tokens: Sequence[int], length: int, state: Any, last: int) -> tuple[Tensor, Any]:
        """Logits (last, rows) after the last of `tokens`, and the state then; `state` None is an empty text."""

    @abstractmethod
    def cut(self, state: Any, length: int) -> Any:
        """The state of the first `length` tokens; None if it cannot be had without reading them anew."""

    def step(self, tokens: Sequence[int], lengths: Sequence[int], states: Sequence[Any]) -> tuple[Tensor, list[Any]]:
        """One token for each of B texts: logits (B, rows), and the states then."""
        found = [self.read([token], n, state, 1) for token, n, state in zip(tokens, lengths, states, strict=True)]
        return torch.cat([logits for logits, _ in found]), [state for _, state in found]

    def regime(self, length: int) -> int:
        """States are good for all lengths with the same number."""
        del length
        return 0

    def attribute(self, tokens: Tensor, length: int, size: int) -> "Attribution | None":
        """What each part adds to the logits after tokens (T,), over `size` pieces; None if only the whole is known."""
        del tokens, length, size
        return None


@final
class DecoderNetwork(Network):
    """One of our own decoders, with a cache of keys and values."""

    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder
        config = decoder.config
        self.rows, self.context, self.begin, self.opens = config.rows, config.context, config.begin, config.opens
        self.soft = decoder.soft

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.decoder.embedding.weight.device

    def regime(self, length: int) -> int:
        """That of the positions."""
        return self.decoder.positions.regime(length)

    @torch.no_grad()
    def score(self, tokens: Tensor, length: int, first: int) -> Iterator[Tensor]:
        """Logits (n, rows) of windows (B, T), in pieces."""
        places = torch.arange(tokens.shape[1], device=tokens.device)[None]
        x = self.decoder.read(tokens, places, length, Itself())[:, first:].flatten(0, 1)  # (B · (T − first), d)
        size = max(1, HEAD_BYTES // (4 * self.rows))
        for start in range(0, len(x), size):
            yield self.decoder.head(x[start : start + size])

    @torch.no_grad()
    def read(self, tokens: Sequence[int], length: int, state: Cache | None, last: int) -> tuple[Tensor, Cache]:
        """Logits (last, rows) after the last of `tokens`, and the cache then."""
        before = 0 if state is None else state.length
        cache = (Cache.empty(self.decoder) if state is None else state).grown(len(tokens))
        if len(tokens) == 1 and self._swift is not None and self._swift.ready():
            return self._swift.step(tokens[0], length, cache), cache
        ids = torch.tensor(tokens, device=self.device)[None]
        places = torch.arange(before, cache.length, device=self.device)[None]
        x = self.decoder.read(ids, places, length, Cached(cache, len(tokens)))
        return self.decoder.head(x[0, len(tokens) - last :]), cache

    @torch.no_grad()
    def step(self, tokens: Sequence[int], lengths: Sequence[int], states: Sequence[Any]) -> tuple[Tensor, list[Any]]:
        """The linear parts of all texts in one product; each text looks into its own cache."""
        if len(tokens) == 1 or len({self.regime(length) for length in lengths}) > 1:
            return super().step(tokens, lengths, states)
        caches = [(Cache.empty(self.decoder) if state is None else state).grown(1) for state in states]
        ids = torch.tensor(tokens, device=self.device)[:, None]
        places = torch.tensor([cache.length - 1 for cache in caches], device=self.device)[:, None]
        x = self.decoder.read(ids, places, lengths[0], Many(caches))
        return self.decoder.head(x[:, 0]), caches

    def attribute(self, tokens: Tensor, length: int, size: int) -> "Attribution":
        """What each brick adds."""
        from polyloom.transformer.account import attribute

        return attribute(self.decoder, tokens, length, size)

    @cached_property
    def _swift(self) -> Swift | None:
        """The compiled way of reading one token, where the decoder is of the kind that it knows."""
        return swift(self.decoder)

    def cut(self, state: Cache, length: int) -> Cache:
        """The first `length` tokens of a cache, shared."""
        return state.cut(length)
