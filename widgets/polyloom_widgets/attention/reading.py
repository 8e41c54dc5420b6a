"""A reading: where each head of each layer looked while a text was read, whoever computed it.

    reading.weights     float32 (L, H, Q, K)  what head h of layer l took from key k for query q; rows sum to 1 or less
    reading.queries     Q texts, reading.keys K texts: the same tokens in self-attention
    reading.layers      L numbers, as people call the layers

A reading comes from a model of Polyloom, or from bare arrays in the shape in which Hugging Face and bertviz hand them
around: a sequence of (1, H, Q, K), one for each layer, of any library.  Nothing here imports torch.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
from numpy.typing import NDArray

from polyloom.errors import InputError

Weights = NDArray[np.float32]
SLACK = 1e-3  # of a row's sum above 1: half precision


@final
@dataclass(frozen=True, eq=False)
class Reading:
    """See the module."""

    name: str
    queries: tuple[str, ...]
    keys: tuple[str, ...]
    layers: tuple[int, ...]
    weights: Weights

    def __post_init__(self) -> None:
        expected = (len(self.layers), self.weights.shape[1], len(self.queries), len(self.keys))
        if self.weights.shape != expected or 0 in expected:
            raise InputError(
                f"{self.name}: expected attention (layers, heads, queries, keys) for {len(self.queries)} and "
                f"{len(self.keys)} tokens, got {self.weights.shape}."
            )
        rows = self.weights.sum(-1)
        if not np.isfinite(rows).all() or self.weights.min() < 0 or rows.max() > 1 + SLACK:
            raise InputError(f"{self.name}: attention must be shares of 1: none negative, no row's sum above 1.")

    @property
    def heads(self) -> int:
        """H."""
        return self.weights.shape[1]

    @property
    def itself(self) -> bool:
        """Whether tokens look at tokens of the same text."""
        return self.queries == self.keys

    def part(self, name: str, queries: slice, keys: slice) -> "Reading":
        """What some queries took from some keys; rows then sum to less than 1."""
        return Reading(name, self.queries[queries], self.keys[keys], self.layers, self.weights[:, :, queries, keys])

    def chosen(self, layers: Sequence[int] | None, heads: Sequence[int] | None) -> "Reading":
        """Some layers and heads alone, in the order of the reading; InputError for one that there is not."""
        at = places("layer", layers, self.layers)
        which = places("head", heads, range(self.heads))
        return Reading(
            self.name, self.queries, self.keys, tuple(self.layers[n] for n in at), self.weights[at][:, which]
        )


def read(model: Any, text: Any, name: str) -> Reading:
    """What a model of Polyloom looked at while it read `text`; InputError for a model without attention."""
    capture = getattr(model, "capture", None)
    if capture is None:
        raise InputError(
            f"Expected a model with attention, such as a TransformerModel, got {type(model).__name__}. "
            f"For arrays there is head_view(attention, tokens)."
        )
    found = capture(text)
    return Reading(name, found.pieces, found.pieces, found.layers, found.attention.astype(np.float32))


def from_arrays(name: str, attention: Any, queries: Sequence[str], keys: Sequence[str] | None = None) -> Reading:
    """A reading from arrays: (L, H, Q, K), or a sequence of (1, H, Q, K) or (H, Q, K) for the layers."""
    layers = [_layer(name, one) for one in cast("Iterable[Any]", attention)]
    if not layers or len({one.shape for one in layers}) != 1:
        shapes = ", ".join(str(one.shape) for one in layers[:4]) or "none"
        raise InputError(f"{name}: expected layers of one shape, at least one; got {shapes}.")
    weights = np.stack(layers)
    rows, columns = tuple(queries), tuple(queries if keys is None else keys)
    return Reading(name, rows, columns, tuple(range(len(layers))), weights)


def _layer(name: str, array: Any) -> Weights:
    """One layer as float32 (H, Q, K)."""
    if array is None:
        raise InputError(f"{name}: a layer's attention is None. Ask the model for it: output_attentions=True.")
    try:
        found = np.asarray(_near(array), np.float32)
    except (TypeError, ValueError):
        raise InputError(f"{name}: expected arrays of numbers, got {type(array).__name__}.") from None
    if found.ndim == 4:
        if len(found) != 1:
            raise InputError(f"{name}: expected one text, got a batch of {len(found)}. Take one: attention[:, i].")
        found = found[0]
    if found.ndim != 3:
        raise InputError(f"{name}: expected (heads, queries, keys) for each layer, got {found.shape}.")
    return found


def _near(array: Any) -> Any:
    """The array where NumPy can read it.  Of torch: off the graph, out of bfloat16, off the GPU; of CuPy: off that."""
    for step in ("detach", "float", "cpu", "get"):
        array = getattr(array, step, lambda same=array: same)()
    return array


def places(what: str, wanted: Sequence[int] | None, there: Sequence[int]) -> list[int]:
    """Where the wanted ones stand among those that there are, each once, in their order."""
    if wanted is None:
        return list(range(len(there)))
    if strange := [one for one in wanted if one not in there]:
        raise InputError(f"There is no {what} {strange[0]}: they are {there[0]} … {there[-1]}.")
    found = [n for n, one in enumerate(there) if one in set(wanted)]
    if not found:
        raise InputError(f"Expected at least one {what}; there are {len(there)}.")
    return found
