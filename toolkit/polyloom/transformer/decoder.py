"""The decoder: bricks in a row around one stream.

    x₀ = embedding + position
    x ← x + attention(norm x)
    x ← x + feed-forward(norm x)         for each block
    logits = cap(output(norm x))

`Decoder` wires what `build` gives it, and knows neither files nor vocabularies.  Three ways through it:

- `forward(tokens, documents)`: whole texts, packed or not, for training.
- `read(tokens, places, length, memory)`: tokens that follow on others, which the memory holds.
- `embed`, `blocks`, `norm` and `head` one by one, for whoever wants to look inside.
"""

from collections.abc import Sequence
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint  # pyright: ignore[reportUnknownVariableType] - untyped

from polyloom.transformer.attention import Attention, Itself, Memory
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.experts import Mixture, Route
from polyloom.transformer.feed_forward import Plain, SwiGLU
from polyloom.transformer.norm import Normalisation
from polyloom.transformer.position import Positions, Turning
from polyloom.transformer.soft import SoftEmbedding

FOR_ALL = -1 << 62  # the number of what stands before every document of a row


@final
class SoftCap(nn.Module):
    """c · tanh(x / c): logits never beyond ±c."""

    def __init__(self, cap: float) -> None:
        super().__init__()
        self.cap = cap

    def forward(self, x: Tensor) -> Tensor:
        """The capped logits."""
        return self.cap * torch.tanh(x / self.cap)


@final
class Block(nn.Module):
    """Attention, then feed-forward, each reading a norm of the stream and adding to it."""

    def __init__(
        self,
        attention_norm: Normalisation,
        attention: Attention,
        feed_forward_norm: Normalisation,
        feed_forward: SwiGLU | Plain | Mixture,
        dropout: nn.Module,
    ) -> None:
        super().__init__()
        self.attention_norm, self.attention = attention_norm, attention
        self.feed_forward_norm, self.feed_forward = feed_forward_norm, feed_forward
        self.dropout = dropout

    def forward(self, x: Tensor, turning: Turning, memory: Memory, routes: list[Route] | None) -> Tensor:
        """The stream (B, T, d) after this block."""
        x = x + self.dropout(self.attention(self.attention_norm(x), turning, memory))
        return x + self.dropout(self.think(self.feed_forward_norm(x), routes))

    def think(self, x: Tensor, routes: list[Route] | None) -> Tensor:
        """The feed-forward of a normalised stream; a mixture says where its tokens went."""
        inner = self.feed_forward
        return inner(x, routes) if isinstance(inner, Mixture) else inner(x)


@final
class Decoder(nn.Module):
    """A decoder-only transformer; see `build`."""

    def __init__(
        self,
        config: TransformerConfig,
        *,
        embedding: nn.Embedding,
        positions: Positions,
        blocks: Sequence[Block],
        norm: Normalisation,
        output: nn.Linear,
        cap: nn.Module,
        dropout: nn.Module,
    ) -> None:
        super().__init__()
        self.config = config
        self.embedding, self.positions, self.dropout = embedding, positions, dropout
        self.blocks = nn.ModuleList(blocks)
        self.norm, self.output, self.cap = norm, output, cap
        self.recompute = False  # blocks anew in the backward pass, which halves the memory of training

    @property
    def begin(self) -> int | None:
        """The id that is put before every text in training, or None."""
        return self.config.begin

    @property
    def soft(self) -> tuple[int, ...]:
        """The ids of a soft prompt, which stands before all else; none without one."""
        embedding = cast("nn.Module", self.embedding)
        return embedding.ids if isinstance(embedding, SoftEmbedding) else ()

    @property
    def layers(self) -> list[Block]:
        """The blocks, first to last."""
        return cast("list[Block]", list(self.blocks))

    @property
    def mixtures(self) -> dict[int, Mixture]:
        """The mixtures of experts, by layer."""
        parts = ((n, block.feed_forward) for n, block in enumerate(self.layers))
        return {n: part for n, part in parts if isinstance(part, Mixture)}

    def forward(self, tokens: Tensor, documents: Tensor | None = None, routes: list[Route] | None = None) -> Tensor:
        """Logits (B, T, rows) of texts (B, T), each place given the tokens up to it.

        `documents`, int64 (B, T), numbers the documents that stand in a row: none looks into another, and places count
        from each one's start.  What is numbered `FOR_ALL`, first in its row, stands before each of them.
        """
        return self.head(self.stream(tokens, documents, routes))

    def stream(self, tokens: Tensor, documents: Tensor | None = None, routes: list[Route] | None = None) -> Tensor:
        """The stream (B, T, d) after the last block, of which `forward` gives the logits."""
        places, memory = whole(tokens, documents)
        turning = self.positions.turning(places, tokens.shape[1])
        x = self.embed(tokens, places)
        for block in self.layers:
            if self.recompute and torch.is_grad_enabled():
                x = cast("Tensor", checkpoint(block, x, turning, memory, routes, use_reentrant=False))
            else:
                x = block(x, turning, memory, routes)
        return x

    def read(self, tokens: Tensor, places: Tensor, length: int, memory: Memory) -> Tensor:
        """The stream (B, n, d) after the last block, of tokens (B, n) that stand at `places` (B, n)."""
        turning = self.positions.turning(places, length)
        x = self.embed(tokens, places)
        for block in self.layers:
            x = block(x, turning, memory, None)
        return x

    def embed(self, tokens: Tensor, places: Tensor) -> Tensor:
        """The stream before the first block, (B, T, d)."""
        return self.dropout(self.positions.embed(self.embedding(tokens), places))

    def head(self, x: Tensor) -> Tensor:
        """The logits (…, rows) of a stream (…, d)."""
        return self.cap(self.output(self.norm(x)))

    @torch.no_grad()
    def rebalance(self, routes: Sequence[Route], factor: float = 1.0) -> None:
        """Move the bias of every gate against its load in `routes`, once for each step of training.

        `factor` is that of the learning rates: as they go down, so do the steps of the bias, and it comes to rest.
        """
        for layer, mixture in self.mixtures.items():
            loads = [route.load() for route in routes if route.layer == layer]
            if loads:
                mixture.router.rebalance(torch.stack(loads).mean(0), factor)


def whole(tokens: Tensor, documents: Tensor | None) -> tuple[Tensor, Memory]:
    """Places (B or 1, T) and what may be seen, of whole texts (B, T)."""
    steps = torch.arange(tokens.shape[1], device=tokens.device)
    if documents is None:
        return steps[None], Itself()
    opened = torch.ones_like(documents, dtype=torch.bool)
    opened[:, 1:] = documents[:, 1:] != documents[:, :-1]
    starts = torch.where(opened, steps, 0).cummax(1).values  # (B, T): where the document of each place began
    front = documents == FOR_ALL
    seen = ((starts[:, :, None] <= steps) | front[:, None]) & (steps <= steps[:, None])  # (B, T, S)
    places = steps - starts + torch.where(front, 0, front.sum(1, keepdim=True))
    return places, Itself(seen, places)
