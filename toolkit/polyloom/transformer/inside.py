"""What a `Capture` asks of whoever looked inside, and the answer of our own decoders.

`Opened` holds values by their TransformerLens names (see `opened`), whether it read the text itself or they came out of
a cache; what is large and follows from others, as the contributions of heads, is made when it is asked for.

Shapes: Q positions looked at, T tokens, H heads, d width.  Arrays are NumPy, of float32 at least.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

import torch
from numpy.typing import NDArray
from torch import Tensor

from polyloom.arrays import numpy
from polyloom.errors import InputError
from polyloom.model import Floats
from polyloom.transformer.account import Attribution, attribute
from polyloom.transformer.experts import Mixture
from polyloom.transformer.norm import wide
from polyloom.transformer.opened import opened
from polyloom.transformer.routing import Routing, routing

if TYPE_CHECKING:
    from polyloom.transformer.model import TransformerModel

Array = NDArray[Any]


class Inside(ABC):
    """What happened while one text was read."""

    @abstractmethod
    def pattern(self, layer: int) -> Array:
        """Where each head looked, (H, Q, T); rows sum to 1."""

    @abstractmethod
    def stream(self, layer: int) -> Array:
        """The residual stream before a layer, (Q, d); one beyond the last layer, after it."""

    @abstractmethod
    def heads(self, layer: int) -> Array:
        """What each head added to the stream, (H, Q, d), without the bias that they share."""

    @abstractmethod
    def feed_forward(self, layer: int) -> Array:
        """What the feed-forward added to the stream, (Q, d)."""

    @abstractmethod
    def routing(self, layer: int) -> Routing | None:
        """Where a mixture of experts sent the tokens; None where there is none."""

    @abstractmethod
    def read(self, stream: Array) -> Floats:
        """Log-probabilities (Q, V) of a stream (Q, d), as if it were the last."""

    @abstractmethod
    def attribution(self, position: int) -> Attribution:
        """What each part adds to the logits after the token at a position."""

    @abstractmethod
    def cache(self) -> dict[str, Array]:
        """All values by their TransformerLens names, with a batch axis of 1."""


@final
class Opened(Inside):
    """One of our decoders: `seen` holds at least `needed` for some layers, at some positions."""

    def __init__(self, model: "TransformerModel", tokens: Tensor, positions: Sequence[int], seen: Mapping[str, Tensor]):
        self.model, self.tokens, self.positions, self.seen = model, tokens, positions, seen
        self.decoder = model.decoder

    def pattern(self, layer: int) -> Array:
        """Where each head looked, (H, Q, T)."""
        return as_array(self.seen[f"blocks.{layer}.attn.hook_pattern"])

    def stream(self, layer: int) -> Array:
        """The stream before a layer, (Q, d)."""
        name = f"blocks.{layer}.hook_resid_pre"
        return as_array(self.seen[name if name in self.seen else f"blocks.{layer - 1}.hook_resid_post"])

    def heads(self, layer: int) -> Array:
        """z of each head through its columns of the output, (H, Q, d)."""
        part, z = self.decoder.layers[layer].attention, self.seen[f"blocks.{layer}.attn.hook_z"]
        weight = part.o.weight.view(-1, part.heads, part.size)  # (d, H, h)
        exact = torch.promote_types(wide(z.dtype), weight.dtype)
        return as_array(torch.einsum("qhi,dhi->hqd", z.to(exact), weight.to(exact)))

    def feed_forward(self, layer: int) -> Array:
        """What the feed-forward added, (Q, d)."""
        return as_array(self.seen[f"blocks.{layer}.hook_mlp_out"])

    def routing(self, layer: int) -> Routing | None:
        """Of the p of all experts and the indices of the chosen."""
        part, name = self.decoder.layers[layer].feed_forward, f"blocks.{layer}.mlp.hook_expert"
        if not isinstance(part, Mixture):
            return None
        return routing(layer, part.router, self.seen[f"{name}_weights"], self.seen[f"{name}_indices"])

    @torch.no_grad()
    def read(self, stream: Array) -> Floats:
        """By the final norm, the output and its cap."""
        weight = self.decoder.output.weight
        return self.model.normalised(self.decoder.head(torch.tensor(stream).to(weight.device, weight.dtype)))

    def attribution(self, position: int) -> Attribution:
        """A pass over the text up to there."""
        size = self.model.vocabulary.size
        return attribute(self.decoder, self.tokens[: position + 1], len(self.tokens), size)

    def cache(self) -> dict[str, Array]:
        """A second pass, which keeps everything of the layers that were captured."""
        trace = opened(self.decoder, self.tokens, keep=self._captured, positions=self.positions)
        return {name: as_array(value)[None] for name, value in trace.seen.items()}

    def _captured(self, name: str) -> bool:
        """Whether it stands outside the blocks, or in one of which something is known."""
        head, _, rest = name.partition("blocks.")
        return bool(head) or not rest or f"blocks.{rest.split('.')[0]}.attn.hook_z" in self.seen


def needed(model: "TransformerModel", layers: Sequence[int]) -> list[str]:
    """The names that `Opened` answers from."""
    mixtures = model.decoder.mixtures
    found = [f"blocks.{layers[-1]}.hook_resid_post"] if layers else []
    for layer in layers:
        parts = ["hook_resid_pre", "attn.hook_pattern", "attn.hook_z", "hook_mlp_out"]
        parts += ["mlp.hook_expert_weights", "mlp.hook_expert_indices"] if layer in mixtures else []
        found += [f"blocks.{layer}.{part}" for part in parts]
    return found


def without_batch(cache: Mapping[str, Any], names: Sequence[str], rows: int) -> dict[str, Tensor]:
    """The named values of a TransformerLens cache of one text; InputError listing what is missing or does not fit."""
    missing = [name for name in names if name not in cache]
    if missing:
        raise InputError(f"The cache lacks {', '.join(missing)}; it holds {len(cache)} names.")
    found = {name: torch.tensor(numpy(cache[name])) for name in names}
    for name, value in found.items():
        inner = value.ndim - _axes(name)
        if inner not in (0, 1) or (inner and len(value) != 1):
            raise InputError(
                f"{name} is {tuple(value.shape)}: a capture is of one text, with a batch axis of 1 or none."
            )
        found[name] = value[0] if inner else value
        if found[name].shape[_axes(name) == 3 and name.endswith("pattern")] != rows:
            raise InputError(f"{name} is {tuple(value.shape)}, but there are {rows} positions.")
    return found


def _axes(name: str) -> int:
    return 3 if name.endswith(("hook_pattern", "hook_z")) else 2


def as_array(value: Tensor) -> Array:
    """A NumPy copy, of float32 at least."""
    return numpy(value.to(wide(value.dtype)) if value.is_floating_point() else value)
