"""A soft prompt: learned vectors that stand before every text, where words would have embeddings (Lester et al. 2021).

The vectors are rows behind the embedding's own: their ids are no pieces, are never said, and `Network.front` puts them
before whatever is read.
"""

from typing import final

import torch
from torch import Tensor, nn


@final
class SoftEmbedding(nn.Module):
    """An embedding (rows, d) with `vectors` (n, d) behind it; `ids` are theirs."""

    def __init__(self, embedding: nn.Embedding, vectors: Tensor) -> None:
        super().__init__()
        self.embedding, self.vectors = embedding, vectors
        rows = embedding.num_embeddings
        self.ids = tuple(range(rows, rows + len(vectors)))

    @property
    def weight(self) -> Tensor:
        """The rows of the words, (rows, d)."""
        return self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """The vectors (…, d) of tokens (…)."""
        rows = self.embedding.num_embeddings
        word = tokens < rows
        soft = self.vectors.to(self.weight.dtype)[torch.where(word, 0, tokens - rows)]
        return torch.where(word[..., None], self.embedding(torch.where(word, tokens, 0)), soft)
