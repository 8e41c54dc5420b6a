"""The forward pass, opened: brick by brick, everything on the way seen under its name, anything replaceable.

This is the definition that the fast paths are held to, and the only place that computes patterns.  It reads one text
of T tokens, without dropout, and calls everything by the names that TransformerLens gave them:

    hook_embed, hook_pos_embed                        (T, d)       what is in the stream at first
    blocks.0.hook_resid_pre, _mid, _post              (T, d)       the stream before, within and after a block
    blocks.0.ln1.hook_scale, hook_normalized          (T, 1), …    what a norm divides by, and what it makes of x
    blocks.0.attn.hook_q, hook_k, hook_v              (T, heads, h)
    blocks.0.attn.hook_rot_q, hook_rot_k              (T, heads, h)    turned, where positions turn
    blocks.0.attn.hook_attn_scores, hook_pattern      (H, T, T)    query by key, before and after the softmax
    blocks.0.attn.hook_z, hook_result                 (T, H, h), (T, H, d)    what heads bring, and add to the stream
    blocks.0.hook_attn_out, hook_mlp_out              (T, d)       what the parts add to the stream
    blocks.0.mlp.hook_pre, hook_pre_linear, hook_post (T, m)       `pre_linear` for SwiGLU alone
    blocks.0.mlp.hook_expert_weights, _indices        (T, E), (T, k)   a mixture's p of all experts, and the chosen
    ln_final.hook_scale, hook_normalized              (T, 1), (T, d)

A LayerNorm's `hook_normalized` has its gain and bias, an RMSNorm's has not, as there.  The H · d numbers of
`hook_result` are made only if they are to be kept or edited.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from polyloom.errors import InputError
from polyloom.transformer.attention import Attention, visible
from polyloom.transformer.decoder import Block, Decoder
from polyloom.transformer.experts import Mixture
from polyloom.transformer.feed_forward import Plain, SwiGLU
from polyloom.transformer.norm import LayerNorm, Normalisation, wide
from polyloom.transformer.position import Still, Turning

Keep = Callable[[str], bool]
Edit = Callable[[str, Tensor], Tensor]


@dataclass(frozen=True)
class Trace:
    """What was kept, by name, and the logits (T, rows)."""

    seen: dict[str, Tensor]
    logits: Tensor


@torch.no_grad()
def opened(
    decoder: Decoder,
    tokens: Tensor,
    *,
    length: int | None = None,
    keep: Keep | None = None,
    positions: Sequence[int] | None = None,
    edit: Edit | None = None,
) -> Trace:
    """Read tokens (T,) and keep what `keep(name)` says, by default everything, at `positions`, by default all.

    `edit(name, value)` gives what is put in the place of each value: the value itself, or another of its shape.
    `length` is the number of tokens of the whole text, where this is not all of it (see `position`).
    Raises InputError if an edit changes a shape.
    """
    note = Notes(keep, edit, None if positions is None else list(positions))
    places = torch.arange(len(tokens), device=tokens.device)[None]
    turning = decoder.positions.turning(places, len(tokens) if length is None else length)
    x = _embedded(decoder, tokens, places, note)
    for layer, block in enumerate(decoder.layers):
        x = _block(block, x, turning, note.within(f"blocks.{layer}."))
    x = _normalised(decoder.norm, x, note.within("ln_final."))
    return Trace(note.seen, decoder.cap(decoder.output(x)))


class Notes:
    """Takes what passes by: `note(name, value)` gives back what to go on with."""

    def __init__(self, keep: Keep | None, edit: Edit | None, rows: list[int] | None) -> None:
        self.keep, self.edit, self.rows, self.prefix = keep, edit, rows, ""
        self.seen: dict[str, Tensor] = {}

    def within(self, prefix: str) -> "Notes":
        """The same notes, of names that begin so."""
        inner = Notes(self.keep, self.edit, self.rows)
        inner.seen, inner.prefix = self.seen, self.prefix + prefix
        return inner

    def wants(self, name: str) -> bool:
        """Whether anybody asks for this name."""
        return self.edit is not None or self.keep is None or self.keep(self.prefix + name)

    def __call__(self, name: str, value: Tensor) -> Tensor:
        """What to go on with."""
        name = self.prefix + name
        if self.edit is not None:
            given = self.edit(name, value.clone())  # so that an edit in place changes nothing else
            if given.shape != value.shape:
                raise InputError(f"An edit of {name} must give {tuple(value.shape)} again, got {tuple(given.shape)}.")
            value = given.to(value.dtype)
        if self.keep is None or self.keep(name):
            self.seen[name] = value if self.rows is None else of_rows(name, value, self.rows)
        return value


def of_rows(name: str, value: Tensor, rows: list[int]) -> Tensor:
    """The rows of some positions; of scores and patterns (H, T, T) those of the queries."""
    return value[:, rows] if name.endswith(("hook_attn_scores", "hook_pattern")) else value[rows]


def _embedded(decoder: Decoder, tokens: Tensor, places: Tensor, note: Notes) -> Tensor:
    x = note("hook_embed", decoder.embedding(tokens))  # (T, d)
    if decoder.config.position.kind in ("learned", "sinusoidal"):
        x = x + note("hook_pos_embed", decoder.positions.embed(torch.zeros_like(x)[None], places)[0])
    return x


def _block(block: Block, x: Tensor, turning: Turning, note: Notes) -> Tensor:
    x = note("hook_resid_pre", x)  # (T, d)
    gathered = _attention(block.attention, _normalised(block.attention_norm, x, note.within("ln1.")), turning, note)
    x = note("hook_resid_mid", x + note("hook_attn_out", gathered))
    thought = _think(block.feed_forward, _normalised(block.feed_forward_norm, x, note.within("ln2.")), note)
    return note("hook_resid_post", x + note("hook_mlp_out", thought))


def _normalised(norm: Normalisation, x: Tensor, note: Notes) -> Tensor:
    """x by its norm, in the dtype of x."""
    divisor = note("hook_scale", 1 / norm.scale(x))  # (T, 1)
    if isinstance(norm, LayerNorm):
        return note("hook_normalized", (norm.apply_scale(x, 1 / divisor) + norm.bias).to(x.dtype))
    return norm.weight * note("hook_normalized", (x / divisor).to(x.dtype))


def _attention(part: Attention, x: Tensor, turning: Turning, note: Notes) -> Tensor:
    note = note.within("attn.")
    split = (-1, part.size)
    q = part.q_norm(note("hook_q", part.q(x).unflatten(-1, split)))  # (T, H, h)
    k = part.k_norm(note("hook_k", part.k(x).unflatten(-1, split)))  # (T, K, h)
    v = note("hook_v", part.v(x).unflatten(-1, split))  # (T, K, h)
    if not isinstance(turning, Still):
        q = note("hook_rot_q", turning.turn(q.transpose(0, 1)[None])[0].transpose(0, 1))
        k = note("hook_rot_k", turning.turn(k.transpose(0, 1)[None])[0].transpose(0, 1))
    return _joined(part, note("hook_z", _brought(part, q, k, v, note)), note)


def _brought(part: Attention, q: Tensor, k: Tensor, v: Tensor, note: Notes) -> Tensor:
    """What each head brings, (T, H, h): of the values it looks at, in float32 at least."""
    exact, shared = wide(q.dtype), part.heads // part.kv_heads
    keys = k.repeat_interleave(shared, 1).to(exact)  # (T, H, h)
    values = v.repeat_interleave(shared, 1).to(exact)
    scores = torch.einsum("qhi,khi->hqk", q.to(exact), keys) * part.size**-0.5
    seen = visible(len(q), len(q), part.window, q.device)  # (T, T)
    scores = note("hook_attn_scores", scores.masked_fill(~seen, float("-inf")))
    pattern = note("hook_pattern", scores.softmax(-1))  # (H, T, T)
    return torch.einsum("hqk,khi->qhi", pattern, values).to(q.dtype)


def _joined(part: Attention, z: Tensor, note: Notes) -> Tensor:
    """What all heads add to the stream, (T, d), and the bias; head by head only if one may have been edited."""
    joined = part.o(z.flatten(1))
    if not note.wants("hook_result"):
        return joined
    result = note("hook_result", torch.einsum("qhi,dhi->qhd", z, part.o.weight.view(-1, part.heads, part.size)))
    bias = cast("Tensor | None", part.o.bias)
    return joined if note.edit is None else result.sum(1) + (0 if bias is None else bias)


def _think(part: SwiGLU | Plain | Mixture, x: Tensor, note: Notes) -> Tensor:
    """What the feed-forward adds to the stream, (T, d)."""
    note = note.within("mlp.")
    if isinstance(part, Mixture):
        return _mixed(part, x, note)
    if isinstance(part, Plain):
        return part.down(note("hook_post", part.bend(note("hook_pre", part.up(x)))))
    pre, linear = note("hook_pre", part.gate(x)), note("hook_pre_linear", part.up(x))  # (T, m)
    return part.down(note("hook_post", torch.nn.functional.silu(pre) * linear))


def _mixed(part: Mixture, x: Tensor, note: Notes) -> Tensor:
    """What the chosen experts add, and the shared ones; whoever edits the choice forces a route."""
    gate = part.router
    exact = wide(x.dtype)
    scores = torch.nn.functional.linear(x.to(exact), gate.weight.to(exact))  # (T, E)
    chances = note("hook_expert_weights", scores.sigmoid() if gate.sigmoid else scores.softmax(-1))
    chosen = note("hook_expert_indices", (chances + gate.bias).topk(gate.active, -1).indices)  # (T, k)
    found = part.mix(x, chosen, weighed(chances, chosen, gate.normalise))
    return found if part.shared is None else found + part.shared(x)


def weighed(chances: Tensor, chosen: Tensor, normalise: bool) -> Tensor:
    """The weights (T, k) of the chosen experts, of the p (T, E) of all."""
    weights = chances.gather(-1, chosen)
    return weights / weights.sum(-1, keepdim=True) if normalise else weights
