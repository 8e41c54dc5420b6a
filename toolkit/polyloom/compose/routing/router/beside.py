"""Witnesses beside words: what something else that reads texts, a `Source`, makes of them.

    s_k(text) = Σ_j (x_kj − centre_kj) · weight_kj

x, float64 (K, J), or (1, J) where it is the same for each expert, is what the source sees of a text.  Centre and
weights are fitted to texts that are each of an expert, and scaled so that s has a standard deviation of 1 over them
and all K experts: so a source may speak in any unit.  The centre is that of the experts, however many texts each has.

A file holds what was fitted and never the source, which must be given again.  What a file keeps to know it by is its
`mark`.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.model import Arrays, Floats


class Source(ABC):
    """Reads texts; `name` is what its term is called, `usual` the weight it has as a witness before anything is fitted,
    and `wide` the standard deviation of that.
    """

    kind: ClassVar[str]
    name: ClassVar[str]
    usual: ClassVar[float]
    wide: ClassVar[float]

    @abstractmethod
    def see(self, texts: Sequence[str]) -> Floats:
        """x of some texts, float64 (n, K or 1, J)."""

    @abstractmethod
    def directions(self, means: Floats) -> Floats:
        """Weights up to their scale, (K, J) or (K, 1), of the mean x of each expert's texts, less the centre."""

    @abstractmethod
    def parts(self) -> tuple[str, ...]:
        """What each of the J is called, if a person would want to see it; else empty."""

    @abstractmethod
    def mark(self) -> object:
        """What a file knows it by, as JSON."""

    @abstractmethod
    def check(self, mark: Any) -> None:
        """FileError unless it is the source whose mark that is."""


@final
@dataclass(frozen=True)
class Beside:
    """A source and what was fitted to it: `centre` (K or 1, J) and `weights` (K, J or 1), float64."""

    source: Source
    centre: Floats
    weights: Floats

    @classmethod
    def fit(cls, source: Source, seen: Floats, of: Ids, experts: int) -> "Beside":
        """Fitted to what was seen of texts (n, K or 1, J), each `of` an expert, and every expert has one."""
        means = np.stack([seen[of == expert].mean(0) for expert in range(experts)])  # (K, K or 1, J)
        centre = means.mean(0)
        raw = cls(source, centre, source.directions(means - centre))
        spread = float(np.std([raw.scores(x) for x in seen]))
        return cls(source, centre, raw.weights / spread if spread > 0 else np.zeros_like(raw.weights))

    def see(self, text: str) -> Floats:
        """x of a text, (K or 1, J); InputError if the source sees something else than it did."""
        (found,) = self.source.see([text])
        if found.shape != self.centre.shape:
            raise InputError(
                f"For {self.source.name} this router knows what has the shape {self.centre.shape}, not {found.shape}."
            )
        return found

    def scores(self, seen: Floats) -> Floats:
        """s of each expert, float64 (K,)."""
        return ((seen - self.centre) * self.weights).sum(-1)

    def terms(self, seen: Floats, expert: int) -> list[tuple[str, float]]:
        """What each part adds to the score of an expert, if they have names."""
        names = self.source.parts()
        each = ((seen - self.centre) * self.weights)[expert] if names else np.empty(0)
        return list(zip(names, each.tolist(), strict=True))

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """What was fitted, and the mark of the source."""
        kind = self.source.kind
        held = {f"{kind}.centre": self.centre, f"{kind}.weights": self.weights}
        return {"kind": kind, "mark": self.source.mark()}, held

    @classmethod
    def from_state(cls, manifest: dict[str, Any], arrays: Arrays, source: Source, experts: int) -> "Beside":
        """As `state` gave it, with its source; FileError if it is another, InputError for what was never fitted."""
        found = cls(source, arrays[f"{source.kind}.centre"], arrays[f"{source.kind}.weights"])
        shape = np.broadcast_shapes(found.centre.shape, found.weights.shape)
        if len(shape) != 2 or shape[0] != experts or shape[1] != found.centre.shape[1]:
            raise InputError(f"What was fitted to {source.name} is of another number of experts.")
        source.check(manifest["mark"])
        return found
