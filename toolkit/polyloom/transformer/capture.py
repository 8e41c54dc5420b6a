"""A capture: what happened inside a model while it read one text.

    c = model.capture("the cat sat", layers=(0, 1))
    c.attention       (layer, head, query, key)         where each head looked; rows sum to 1
    c.residual        (layer + 1, position, width)      the stream before each layer, then after the last of them
    c.heads           (layer, head, position, width)    what each head added to it
    c.mlps            (layer, position, width)          what each feed-forward added to it
    c.routing         a `Routing` for each mixture of experts
    c.logit_lens(), c.attribution(token, position), c.cache()

Everything is NumPy, of float32 at least.  `layers` and `positions` choose what is kept and number the axes; keys are
always all tokens.  A begin token, where the model opens texts with one, is position 0.  What is captured is what the
network reads, so a text may be no longer than its context.

`cache` and `from_cache` speak the names of TransformerLens (`blocks.0.attn.hook_pattern`) and its shapes, with a batch
axis of 1.  Weights that it folded or centred are another model: load it there without processing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, cast, final

import numpy as np
from torch import Tensor

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.explanation import Explanation
from polyloom.model import Prompt
from polyloom.transformer.capture_live import watched
from polyloom.transformer.hooks import depth
from polyloom.transformer.inside import Array, Inside, Opened, needed, without_batch
from polyloom.transformer.lens import LogitLens, lens
from polyloom.transformer.opened import opened
from polyloom.transformer.routing import Routing
from polyloom.transformer.windows import opening
from polyloom.whole import whole

if TYPE_CHECKING:
    from polyloom.transformer.live import LiveNetwork
    from polyloom.transformer.model import TransformerModel

BEGIN = "<begin>"  # what a token that is no piece is called
SHOWN = 12  # tokens that an explanation or a line of text repeats


@final
@dataclass(frozen=True, eq=False, repr=False)
class Capture:
    """See the module; `tokens` (T,) are those that were read, and `pieces` what they look like."""

    model: "TransformerModel"
    tokens: Ids
    layers: tuple[int, ...]
    positions: tuple[int, ...]
    inside: Inside = field(repr=False)

    @classmethod
    def from_cache(
        cls,
        cache: Mapping[str, Any],
        model: "TransformerModel",
        text: Prompt,
        layers: Sequence[int] | None = None,
        positions: Sequence[int] | None = None,
    ) -> "Capture":
        """What a TransformerLens cache of this text holds, for the same weights; arrays of any library.

        `positions` are those at which the cache was taken, by default all.  `attribution` and `cache` read the text
        again, with the model.  Raises InputError listing what the cache lacks.
        """
        tokens, at = read_by(model, text), within("layer", layers, model.config.layers)
        places = within("position", positions, len(tokens))
        seen = without_batch(cache, needed(model, at), len(places))
        return cls(model, tokens.cpu().numpy(), at, places, Opened(model, tokens, places, seen))

    @cached_property
    def pieces(self) -> tuple[str, ...]:
        """All T tokens as people should see them."""
        return tuple(named(self.model, token) for token in self.tokens.tolist())

    @cached_property
    def attention(self) -> Array:
        """(layer, head, query, key)."""
        return np.stack([self.inside.pattern(layer) for layer in self.layers])

    @cached_property
    def residual(self) -> Array:
        """(layer + 1, position, width)."""
        return np.stack([self.inside.stream(layer) for layer in (*self.layers, self.layers[-1] + 1)])

    @cached_property
    def heads(self) -> Array:
        """(layer, head, position, width), without the bias that the heads of a layer share; as large as it says."""
        return np.stack([self.inside.heads(layer) for layer in self.layers])

    @cached_property
    def mlps(self) -> Array:
        """(layer, position, width)."""
        return np.stack([self.inside.feed_forward(layer) for layer in self.layers])

    @cached_property
    def routing(self) -> tuple[Routing, ...]:
        """One for each captured layer that is a mixture of experts; none in a dense model."""
        found = (self.inside.routing(layer) for layer in self.layers)
        return tuple(one for one in found if one is not None)

    def logit_lens(self, k: int = 5) -> LogitLens:
        """The k likeliest next pieces if the stream were read out before each layer, and after the last."""
        depths = [*(f"before layer {layer}" for layer in self.layers), f"after layer {self.layers[-1]}"]
        columns = [self.pieces[at] for at in self.positions]
        return lens((self.inside.read(row) for row in self.residual), depths, columns, self.model.vocabulary, k)

    def attribution(self, token: int | str, position: int = -1) -> Explanation:
        """Why `token` was as likely as it was after the token at `position`: what each part added to its logit."""
        (at,) = within("position", [position], len(self.tokens))
        chosen = self.model.token_id(token)
        context = "".join(self.pieces[max(0, at + 1 - SHOWN) : at + 1])
        return self.inside.attribution(at).explain(chosen, self.model.vocabulary.pieces[chosen], context)

    def cache(self) -> dict[str, Array]:
        """Every value on the way by its TransformerLens name, at the chosen layers and positions.

        Reads the text once more: a capture keeps only what its properties need.
        """
        return self.inside.cache()

    def __repr__(self) -> str:
        return f"<Capture of {_counted(len(self.tokens), 'token')}, {self._where()}: {' '.join(self.pieces[:SHOWN])}>"

    def _repr_html_(self) -> str:
        pieces = "".join(
            f"<td style='border:1px solid;opacity:{1 if at in self.positions else 0.4}'>{escape(piece)}</td>"
            for at, piece in enumerate(self.pieces)
        )
        names = "attention, residual, heads, mlps, routing, logit_lens(), attribution(token), cache()"
        return f"<div><b>Capture</b>, {self._where()}<table><tr>{pieces}</tr></table><small>{names}</small></div>"

    def _where(self) -> str:
        layers = ", ".join(map(str, self.layers))
        return f"layer{'s' * (len(self.layers) > 1)} {layers} at {_counted(len(self.positions), 'position')}"


def capture(
    model: "TransformerModel", text: Prompt, layers: Sequence[int] | None = None, positions: Sequence[int] | None = None
) -> Capture:
    """Read `text`, a str or token ids, and keep what happened inside, in `layers` at `positions` (all by default).

    A live model of another library is captured through hooks, and what they do not show raises InputError.
    """
    live = cast("LiveNetwork", model.network).model if hasattr(model.network, "model") else None
    tokens, count = read_by(model, text), model.config.layers if live is None else depth(live)
    at, places = within("layer", layers, count), within("position", positions, len(tokens))
    inside = _opened(model, tokens, at, places) if live is None else watched(model, live, tokens, at, places)
    return Capture(model, tokens.cpu().numpy(), at, places, inside)


def _opened(model: "TransformerModel", tokens: Tensor, layers: Sequence[int], positions: Sequence[int]) -> Opened:
    names = set(needed(model, layers))
    return Opened(
        model, tokens, positions, opened(model.decoder, tokens, keep=names.__contains__, positions=positions).seen
    )


def named(model: "TransformerModel", token: int) -> str:
    """A token as people should see it, the begin token that is no piece included."""
    return model.vocabulary.display(token) if token < model.vocabulary.size else BEGIN


def within(what: str, given: Sequence[int] | None, count: int) -> tuple[int, ...]:
    """Numbers of things of which there are so many, all by default, from the end if negative; InputError otherwise."""
    chosen = range(count) if given is None else [whole(what, one, -(2**31)) for one in given]
    if not len(chosen):
        raise InputError(f"Expected at least one {what}; there are {count}.")
    for one in chosen:
        if not -count <= one < count:
            raise InputError(f"There is no {what} {one}: they are 0 … {count - 1}.")
    return tuple(one % count for one in chosen)


def read_by(model: "TransformerModel", text: Prompt) -> Tensor:
    """The tokens (T,) that the network reads, a begin token included; InputError for a text too long or empty."""
    ids, network = model.ids(text), model.network
    if network.context is not None and len(ids) + opening(network) > network.context:
        raise InputError(
            f"{len(ids)} tokens are more than the {network.context - opening(network)} that the model reads at once. "
            f"Take a part of the text."
        )
    tokens, _ = model.seen(ids)
    if not len(tokens):
        raise InputError("There is nothing to read: the text is empty, and the model opens texts with no token.")
    return tokens


def _counted(count: int, name: str) -> str:
    return f"{count} {name}{'s' * (count != 1)}"
