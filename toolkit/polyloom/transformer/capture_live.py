"""Looking inside a live model of `transformers` of any architecture, through hooks, as far as it lets us.

The text is read once by the model's own code, with attention computed eagerly for as long as that takes, and hooks note

    the stream        what goes into each of its layers, and comes out of the last
    patterns          what it gives out as attentions
    heads             what goes into the output projection of each attention, through its weight
    feed-forwards     what comes out of the part of each layer that is called like one

The library's architectures share habits, no interface, so nothing is taken on trust: the parts must add up to the
stream, the heads to their layer's attention, and the last stream, read out, must give the model's logits.  Where one of
these fails (norms after the parts, a bend after the output) or is not there (a layer without attention), asking for it
raises InputError with the reason, and the rest remains.  Routing and attributions need our own bricks.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, NoReturn, cast, final

import torch
from torch import Tensor, nn

from polyloom.errors import InputError
from polyloom.model import Floats
from polyloom.transformer.account import Attribution
from polyloom.transformer.inside import Array, Inside, as_array
from polyloom.transformer.routing import Routing

if TYPE_CHECKING:
    from polyloom.transformer.model import TransformerModel

OUTPUTS = ("o_proj", "out_proj", "c_proj", "dense", "wo")  # what an attention's output projection is called
FEED_FORWARDS = ("mlp", "feed_forward", "ffn", "block_sparse_moe", "fc2")
EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
CLOSE = 1e-3  # of the largest number, in float32; what adds up at all adds up better


@final
class Watched(Inside):
    """One reading of a live model; `seen` holds tensors (Q, …) by layer and kind."""

    def __init__(
        self, model: "TransformerModel", live: nn.Module, notes: "Notes", pattern: Mapping[int, Tensor]
    ) -> None:
        self.model, self.live, self.notes, self.patterns = model, live, notes, pattern
        self.name = type(live).__name__

    def pattern(self, layer: int) -> Array:
        """As the model gives it out."""
        if layer not in self.patterns:
            self._refuse(f"gives out no attention pattern of layer {layer}")
        return as_array(self.patterns[layer])

    def stream(self, layer: int) -> Array:
        """What went into a layer, or came out of the one before."""
        before = self.notes.seen.get((layer, "in"))
        return as_array(self.notes.seen[layer - 1, "out"] if before is None else before)

    def heads(self, layer: int) -> Array:
        """What went into the output projection, head by head, through its weight."""
        self._adds_up(layer)
        part = self.notes.outputs[layer]
        weight = cast("Tensor", part.weight)
        weight = weight.T if type(part).__name__ == "Conv1D" else weight  # that of GPT-2 is stored the other way round
        count, z = len(self.patterns[layer]) if layer in self.patterns else 0, self.notes.seen[layer, "z"]
        if not count or weight.shape[1] != z.shape[-1] or z.shape[-1] % count:
            self._refuse(f"has heads in layer {layer} that its output projection does not show")
        brought, columns = z.unflatten(-1, (count, -1)), weight.view(len(weight), count, -1)
        found = torch.einsum("qhi,dhi->hqd", brought, columns)
        bias = cast("Tensor | None", part.bias)
        if not _same(found.sum(0) + (0 if bias is None else bias), self.notes.seen[layer, "attention"]):
            self._refuse(f"does not simply add the heads of layer {layer}")
        return as_array(found)
