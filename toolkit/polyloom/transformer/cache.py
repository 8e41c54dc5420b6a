"""Keys and values that were computed already, shared by the forks of a text.

A `Cache` is a value: a length over a growing `Store`.  Whoever stands at the end of what is written goes on in place;
whoever stands earlier, a fork whose sibling went on first, gets a copy of his part.  Keys are kept turned.

    store   (2, layers, K, capacity, h), of the dtype of the weights; on a CPU, where attention in 16 bits is slow,
            at least float32
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import final

import torch
from torch import Tensor

from polyloom.transformer.attention import Memory, looked, visible
from polyloom.transformer.decoder import Decoder
from polyloom_kernels.attend import Apart, Pages, ready

LEAST = 64  # tokens of room
SOME, MUCH = 250_000, 500_000  # keys that are worth a compiled call for all texts, and another thread


@final
class Store:
    """An append-only array of keys and values with spare room."""

    def __init__(self, data: Tensor, used: int) -> None:
        self.data, self.used, self.lock = data, used, Lock()

    @property
    def capacity(self) -> int:
        """How many tokens have room."""
        return self.data.shape[3]

    def claimed(self, length: int, more: int) -> "Store":
        """The store in which `more` tokens may be written after the first `length`: this one if that place is free."""
        with self.lock:
            if length == self.used and length + more <= self.capacity:
                self.used += more
                return self
        shape = list(self.data.shape)
        shape[3] = max(LEAST, 2 * (length + more))
        data = self.data.new_empty(shape)
        data[:, :, :, :length] = self.data[:, :, :, :length]
        return Store(data, length + more)


@final
@dataclass(frozen=True)
class Cache:
    """The first `length` tokens of a store."""

    store: Store
    length: int

    @classmethod
    def empty(cls, decoder: Decoder) -> "Cache":
        """Nothing read yet."""
        attention, weight = decoder.config.attention, decoder.embedding.weight
        narrow = weight.device.type == "cpu" and weight.dtype in (torch.bfloat16, torch.float16)
        dtype = torch.float32 if narrow else weight.dtype
        shape = (2, decoder.config.layers, attention.kv_heads, 0, attention.head_size)
        return cls(Store(torch.empty(shape, dtype=dtype, device=weight.device), 0), 0)

    def grown(self, more: int) -> "Cache":
        """With room for `more` tokens, which have yet to be written."""
        return Cache(self.store.claimed(self.length, more), self.length + more)

    def cut(self, length: int) -> "Cache":
        """Its first `length` tokens."""
        return replace(self, length=length)


@final
class Cached(Memory):
    """One text, of which the last `new` tokens are being read: writes their keys and values, and looks at all."""

    def __init__(self, cache: Cache, new: int) -> None:
        self.cache, self.new = cache, new

    def look(self, layer: int, q: Tensor, k: Tensor, v: Tensor, window: int | None) -> Tensor:
        """What each head brings, (1, H, n, h)."""
        held, stop = self.written(layer, k[0], v[0]), self.cache.length
        start = 0 if window is None else max(0, stop - window - self.new + 1)
        keys, values = held[:, None, :, start:stop].unbind(0)  # (1, K, S, h)
        near = window is not None and stop - start > window
        all_seen = self.new == 1 or (stop - start == self.new and not near)
        seen = None if all_seen else visible(self.new, stop - start, window, q.device)
        return looked(q.to(held.dtype), keys, values, seen).to(q.dtype)

    def written(self, layer: int, k: Tensor, v: Tensor) -> Tensor:
        """Keys and values of a layer, (2, K, capacity, h), after those of the new tokens, (K, n, h), were written."""
        held, stop = self.cache.store.data[:, layer], self.cache.length
        held[0, :, stop - self.new : stop], held[1, :, stop - self.new : stop] = k, v
        return held


@final
class Many(Memory):
    """One new token of each of B texts, each looking into its own cache: on a CPU all of them in one compiled call."""

    def __init__(self, caches: Sequence[Cache]) -> None:
        self.texts = [Cached(cache, 1) for cache in caches]
        self.apart = apart(caches)

    def look(self, layer: int, q: Tensor, k: Tensor, v: Tensor, window: int | None) -> Tensor:
        """What each head brings, (B, H, 1, h)."""
        if self.apart is None:
            found = [text.look(layer, q[n, None], k[n, None], v[n, None], window) for n, text in enumerate(self.texts)]
            return torch.cat(found)
        for n, text in enumerate(self.texts):
            text.written(layer, k[n], v[n])
        brought = self.apart.attend(q[:, :, 0].to(torch.float32).numpy(), layer, window=window or 0)
        return torch.as_tensor(brought)[:, :, None].to(q.dtype)


def apart(caches: Sequence[Cache]) -> Apart | None:
    """Caches as compiled code looks into them, a page a layer; None where it cannot, or is not faster."""
    stores = [cache.store.data for cache in caches]
    keys = sum(cache.length * cache.store.data[0, 0, :, 0].numel() for cache in caches)
    known = all(data.device.type == "cpu" and data.dtype == torch.float32 for data in stores)
    if not known or keys < SOME or not ready():
        return None
    pages = [Pages(*data.numpy()) for data in stores]
    return Apart(pages, [cache.length for cache in caches], threads=torch.get_num_threads() if keys > MUCH else 1)
