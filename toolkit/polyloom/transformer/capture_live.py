"""Looking inside a live model of `transformers` of any architecture, as far as it lets us.

Hooks show what goes into layers, comes out of parts, and stands under usual names (see `hooks`).  Nothing of that is
taken on trust: a layer's parts must add up to what it does to the stream, its heads to its attention, and the last
stream, read out, must give the model's logits.  Where that fails (norms after the parts, a bend after the output) or a
part is not there (a layer without attention), asking for it raises InputError with the reason, and the rest remains.
Routing and attributions need our own bricks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn, cast, final

import torch
from torch import Tensor, nn

from polyloom.errors import InputError
from polyloom.model import Floats
from polyloom.transformer.account import Attribution
from polyloom.transformer.hooks import Seen, layers_of, output_of, watch
from polyloom.transformer.inside import Array, Inside, as_array
from polyloom.transformer.routing import Routing

if TYPE_CHECKING:
    from polyloom.transformer.model import TransformerModel

EXPERTS = ("num_experts", "num_local_experts", "n_routed_experts")
CLOSE = 1e-3  # of the largest number: what adds up in float32 does so to 1e-5, what does not is off by a half


@final
class Watched(Inside):
    """One reading of a live model."""

    def __init__(self, model: "TransformerModel", live: nn.Module, seen: Seen) -> None:
        self.model, self.live, self.seen = model, live, seen

    def pattern(self, layer: int) -> Array:
        """As the model gives it out."""
        if layer not in self.seen.patterns:
            self._refuse(f"gives out no attention pattern of layer {layer}")
        return as_array(self.seen.patterns[layer])

    def stream(self, layer: int) -> Array:
        """What went into a layer, or came out of the one before."""
        return as_array(self.seen.before[layer] if layer in self.seen.before else self.seen.after[layer - 1])

    def heads(self, layer: int) -> Array:
        """What went into the output projection, head by head, through its weight."""
        self._adds_up(layer)
        part = cast("Any", output_of(layers_of(self.live)[layer]))
        weight: Tensor = part.weight.T if type(part).__name__ == "Conv1D" else part.weight  # GPT-2's is transposed
        brought, count = self.seen.brought[layer], len(self.pattern(layer))
        if weight.shape[1] != brought.shape[1] or brought.shape[1] % count:
            self._refuse(f"does not bring the heads of layer {layer} side by side")
        columns = weight.reshape(len(weight), count, -1)  # (d, H, h)
        found = torch.einsum("qhi,dhi->hqd", brought.unflatten(-1, (count, -1)), columns)
        bias: Tensor | None = getattr(part, "bias", None)
        if not _same(found.sum(0) + (0 if bias is None else bias), self.seen.gathered[layer]):
            self._refuse(f"does not add up the heads of layer {layer}")
        return as_array(found)

    def feed_forward(self, layer: int) -> Array:
        """What came out of the feed-forward."""
        self._adds_up(layer)
        return as_array(self.seen.thought[layer])

    def routing(self, layer: int) -> Routing | None:
        """Not for mixtures of experts."""
        del layer
        if any(getattr(cast("Any", self.live).config, name, None) for name in EXPERTS):
            self._refuse("keeps to itself where its experts are sent")
        return None

    @torch.no_grad()
    def read(self, stream: Array) -> Floats:
        """By its own final norm, output and soft-cap, if these are all."""
        weight = next(self.live.parameters())
        if self.seen.last is None or self.seen.final is None:
            self._refuse("is read out in a way that hooks do not show")
        if not _same(self._out(self.seen.last), self.seen.logits):
            self._refuse("does more to its last stream than a norm and an output")
        return self.model.normalised(self._out(torch.tensor(stream).to(weight.device, weight.dtype)))

    def attribution(self, position: int) -> Attribution:
        """Not for a live model."""
        del position
        self._refuse("has a final norm of its own, and parts that only hooks know")

    def cache(self) -> dict[str, Array]:
        """What the hooks saw, by its TransformerLens names."""
        kinds = (
            ("hook_resid_pre", self.seen.before),
            ("attn.hook_pattern", self.seen.patterns),
            ("hook_attn_out", self.seen.gathered),
            ("hook_mlp_out", self.seen.thought),
            ("hook_resid_post", self.seen.after),
        )
        found = {layer: self._fits(layer) for layer in self.seen.before}
        return {
            f"blocks.{layer}.{name}": as_array(kept[layer])[None]
            for layer in found
            for name, kept in kinds
            if layer in kept and (found[layer] or "out" not in name)
        }

    def _out(self, stream: Tensor) -> Tensor:
        """The logits (n, rows) of a stream (n, d)."""
        live, x = cast("Any", self.live), stream[None]
        for norm in self.seen.final or ():
            x = norm(x)
        logits: Tensor = live.get_output_embeddings()(x)[0]
        cap: float | None = getattr(live.config, "final_logit_softcapping", None)
        return logits if not cap else cap * torch.tanh(logits / cap)

    def _fits(self, layer: int) -> bool:
        """Whether what was found of a layer's parts is what it adds to the stream."""
        seen = self.seen
        if layer not in seen.gathered or layer not in seen.thought:
            return False
        return _same(seen.before[layer] + seen.gathered[layer] + seen.thought[layer], seen.after[layer])

    def _adds_up(self, layer: int) -> None:
        if not self._fits(layer):
            self._refuse(f"does not simply add an attention and a feed-forward in layer {layer}")

    def _refuse(self, reason: str) -> NoReturn:
        raise InputError(
            f"{type(self.live).__name__} {reason}, so that cannot be captured. "
            f"Of Llama, Mistral, Qwen3, Qwen3-MoE and GPT-2, which become our own decoders, everything can."
        )


def _same(ours: Tensor, theirs: Tensor) -> bool:
    if ours.shape != theirs.shape:
        return False
    size = theirs.float().abs().max()
    slack = CLOSE if theirs.dtype in (torch.float32, torch.float64) else 30 * CLOSE  # 16 bits round at every step
    return bool((ours.float() - theirs.float()).abs().max() <= slack * size)


def watched(
    model: "TransformerModel", live: nn.Module, tokens: Tensor, layers: Sequence[int], positions: Sequence[int]
) -> Watched:
    """Read tokens (T,) with a live model, and keep what its hooks show of these layers at these positions."""
    return Watched(model, live, watch(live, tokens, layers, positions))
