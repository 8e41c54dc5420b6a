"""Held-out text as the desk needs it: one number for each layer and position, from which every mix is judged.

A linear mix of K layers over N positions needs nothing but p_k(token_t), K × N numbers, so a moved fader costs one
matrix product however large the models are.

    perplexity = exp(−mean_t ln Σ_k v_k p_k(t))
    change against the pinned mix = exp(−mean_t d_t) − 1,        d_t = ln p_now(t) − ln p_pinned(t)

The 95 % interval of the change takes the *document* as its unit, since tokens of one document are not independent:
se² = Σ_documents (Σ_{t in document} (d_t − mean d))² / N², and the half width is 1.96 · se on the logarithm.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from operator import is_
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from polyloom.compose.layered import Layered
from polyloom.documents import Documents, Ids, encoded
from polyloom.model import Floats, LanguageModel

SAMPLE = 4096  # positions that travel to a live page; Python holds them all


@dataclass(frozen=True)
class HeldOut:
    """Documents end to end in named slices, with the probability each layer gave each token."""

    models: tuple[LanguageModel, ...]
    names: tuple[str, ...]
    bounds: tuple[tuple[int, int], ...]  # of each slice
    documents: tuple[Ids, ...]
    blocks: NDArray[np.int32]  # (N,) document number of each position
    chance: Floats  # (K, N)

    @classmethod
    def of(cls, mix: Layered, held_out: "Documents | HeldOut | None") -> "HeldOut":
        """Score the documents under every layer; a mapping gives one slice for each name.

        What another desk's models have scored already is taken as it is if this mix is made of the same ones, and
        scored anew if not.
        """
        models = tuple(mix.models.values())
        if isinstance(held_out, HeldOut):
            if len(models) == len(held_out.models) and all(map(is_, models, held_out.models)):
                return held_out
            held_out = held_out.named()
        named = cast("Mapping[str, Documents]", held_out) if isinstance(held_out, Mapping) else {"held out": held_out}
        documents: list[Ids] = []
        bounds: list[tuple[int, int]] = []
        start = 0
        for given in named.values():
            found = [] if given is None else [tokens for tokens in encoded(given, mix.vocabulary) if len(tokens)]
            stop = start + sum(map(len, found))
            documents += found
            bounds.append((start, stop))
            start = stop
        sizes = [len(tokens) for tokens in documents]
        rows = [np.exp(mix.member_log_likelihoods(tokens)) for tokens in documents]
        chance = np.concatenate(rows, axis=1) if rows else np.empty((len(mix.layers), 0))
        return cls(
            models,
            tuple(named),
            tuple(bounds),
            tuple(documents),
            np.repeat(np.arange(len(sizes)), sizes).astype(np.int32),
            chance,
        )

    def named(self) -> dict[str, list[Ids]]:
        """The documents of each slice."""
        stops = np.cumsum([len(tokens) for tokens in self.documents])
        slices = zip(self.names, self.bounds, strict=True)
        return {
            name: [tokens for tokens, stop in zip(self.documents, stops, strict=True) if start < stop <= end]
            for name, (start, end) in slices
        }

    def __len__(self) -> int:
        return self.chance.shape[1]

    def place(self, position: int) -> tuple[Ids, int]:
        """The tokens of its document before a position, and the token there."""
        document = int(self.blocks[position])
        start = int(np.searchsorted(self.blocks, document))
        tokens = self.documents[document]
        return tokens[: position - start], int(tokens[position - start])

    def sample(self, size: int = SAMPLE) -> NDArray[np.int64]:
        """Positions of whole documents, evenly chosen, about `size` of them; all if there are no more."""
        if len(self) <= size:
            return np.arange(len(self))
        every = int(np.ceil(len(self) / size))
        return np.flatnonzero(self.blocks % every == 0)[:size]

    def sliced(self, positions: NDArray[np.int64]) -> list[dict[str, Any]]:
        """Name, start and stop of each slice among some positions; empty slices are left out."""
        edges = [
            (name, *np.searchsorted(positions, pair).tolist())
            for name, pair in zip(self.names, self.bounds, strict=True)
        ]
        return [{"name": name, "start": start, "stop": stop} for name, start, stop in edges if stop > start]

    def figures(self, now: Floats, pinned: Floats) -> dict[str, Any]:
        """Perplexity of the mix in proportions `now` against `pinned`, whole and by slice; float64, all positions."""
        ours, theirs = np.log(now @ self.chance), np.log(pinned @ self.chance)
        gained = ours - theirs
        ratio = float(np.exp(-gained.mean()))
        spread = np.bincount(self.blocks, gained - gained.mean())
        error = float(np.sqrt((spread**2).sum())) / len(self)
        slices = [
            {"name": name, "now": _perplexity(ours[a:b]), "pinned": _perplexity(theirs[a:b])}
            for name, (a, b) in zip(self.names, self.bounds, strict=True)
            if b > a
        ]
        return {
            "perplexity": _perplexity(ours),
            "pinned_perplexity": _perplexity(theirs),
            "change": 100 * (ratio - 1),
            "half": 1.96 * error * ratio * 100,
            "slices": slices,
        }


def _perplexity(log_likelihoods: Floats) -> float:
    return float(np.exp(-log_likelihoods.mean()))
