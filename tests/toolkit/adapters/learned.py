"""Adapters that change something, without any training."""

import torch

from polyloom.adapters.adapter import Adapter
from polyloom.adapters.method import Method
from polyloom.transformer.model import TransformerModel


def learned(method: Method, base: TransformerModel, seed: int = 1, by: float = 0.2) -> Adapter:
    """An adapter that changes something."""
    dice = torch.Generator().manual_seed(seed)
    updates = {
        name: update.of(
            {
                n: x + by * torch.randn(x.shape, generator=dice, dtype=torch.float64)
                for n, x in update.tensors().items()
            },
            update.numbers(),
        )
        for name, update in Adapter.first(method, base).updates.items()
    }
    return Adapter(method, updates)
