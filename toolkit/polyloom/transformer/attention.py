"""Attention: each head looks back over the text and brings something forward.

    q, k, v = x W_q, x W_k, x W_v        heads of size h; several query heads may share one key and value head
    z       = softmax(q kᵀ / √h + mask) v
    out     = Σ_head z_head W_o[head] + b

The brick projects and puts together; *where* keys and values come from is a `Memory`'s business: the text itself while
training, a cache while reading on.  `look` is the exact definition, with the pattern; `looked` the fast way, and tests
hold them equal.  Shapes: B texts, T tokens, H query heads, K key and value heads, S tokens looked at.
"""

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import Tensor, nn

from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.norm import norm
from polyloom.transformer.position import Turning


class Memory(ABC):
    """Where the heads of a layer look."""

    @abstractmethod
    def look(self, layer: int, q: Tensor, k: Tensor, v: Tensor, window: int | None) -> Tensor:
        """What each head of (B, H, T, h) brings, of keys and values (B, K, T, h) and whatever came before."""


@final
class Attention(nn.Module):
    """Multi-head or grouped-query attention of one layer."""

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        given = config.attention
        self.layer, self.heads, self.kv_heads, self.size = layer, given.heads, given.kv_heads, given.head_size
        self.window = None if layer < given.full_layers else given.window
        self.q = nn.Linear(config.width, self.heads * self.size, bias=given.bias)
        self.k = nn.Linear(config.width, self.kv_heads * self.size, bias=given.bias)
        self.v = nn.Linear(config.width, self.kv_heads * self.size, bias=given.bias)
        self.q_norm = norm(config.norm, self.size) if given.qk_norm else nn.Identity()
        self.k_norm = norm(config.norm, self.size) if given.qk_norm else nn.Identity()
        self.o = nn.Linear(self.heads * self.size, config.width, bias=given.output_bias)

    def forward(self, x: Tensor, turning: Turning, memory: Memory) -> Tensor:
        """What attention adds to the stream, (B, T, d)."""
        return self.join(memory.look(self.layer, *self.project(x, turning), self.window))

    def project(self, x: Tensor, turning: Turning) -> tuple[Tensor, Tensor, Tensor]:
        """Queries (B, H, T, h), keys and values (B, K, T, h), turned by their places."""
        q = self.q_norm(self._split(self.q(x)))
        k = self.k_norm(self._split(self.k(x)))
        return turning.turn(q.transpose(1, 2)), turning.turn(k.transpose(1, 2)), self._split(self.v(x)).transpose(1, 2)

    def join(self, z: Tensor) -> Tensor:
        """What the heads bring, (B, H, T, h), as one addition to the stream, (B, T, d)."""
        joined: Tensor = self.o(z.transpose(1, 2).flatten(2))
        return joined

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:-1], -1, self.size)  # (B, T, heads, h)


@final
class Itself(Memory):
    """The text itself and nothing before it: `seen`, bool (B, T, S), says who may look where; None is causal.

    `places`, int64 (B, T), are what a window counts; None, one after the other.
    """

    def __init__(self, seen: Tensor | None = None, places: Tensor | None = None) -> None:
        self.seen = None if seen is None else seen[:, None]
        self.apart = None if places is None else (places[:, :, None] - places[:, None])[:, None]  # (B, 1, T, S)

    def look(self, layer: int, q: Tensor, k: Tensor, v: Tensor, window: int | None) -> Tensor:
        """What each head brings, (B, H, T, h)."""
        del layer
        seen = self.seen
        if window is not None and window < k.shape[2]:
            near = visible(q.shape[2], k.shape[2], window, q.device) if self.apart is None else self.apart < window
            seen = near if seen is None else seen & near
        return looked(q, k, v, seen)


def looked(q: Tensor, k: Tensor, v: Tensor, seen: Tensor | None) -> Tensor:
    """Scaled dot-product attention; `seen` bool (…, T, S), None for causal among T = S tokens, or for one query."""
    grouped = q.shape[1] != k.shape[1]
    causal = seen is None and q.shape[2] > 1
    attend = nn.functional.scaled_dot_product_attention
    return attend(q, k, v, attn_mask=seen, is_causal=causal, enable_gqa=grouped)


def look(q: Tensor, k: Tensor, v: Tensor, seen: Tensor) -> tuple[Tensor, Tensor]:
    """The definition: what each head brings (B, H, T, h), and its pattern (B, H, T, S), which sums to 1 over S."""
    shared = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(shared, 1), v.repeat_interleave(shared, 1)
    scores = (q @ k.transpose(-1, -2)) * q.shape[-1] ** -0.5
    pattern = scores.masked_fill(~seen, float("-inf")).softmax(-1)
    return pattern @ v, pattern


def visible(queries: int, keys: int, window: int | None, device: torch.device) -> Tensor:
    """What the last `queries` of `keys` places may look at, bool (T, S): nothing later, nothing beyond the window."""
    to = torch.arange(keys, device=device)
    at = torch.arange(keys - queries, keys, device=device)[:, None]
    return (to <= at) if window is None else (to <= at) & (to > at - window)
