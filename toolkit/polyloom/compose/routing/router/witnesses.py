"""All witnesses together: what each says of a text, and of what that is the sum."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from polyloom.compose.routing.router.association import Association
from polyloom.compose.routing.router.beside import Beside, Source
from polyloom.compose.routing.router.declared import Declared
from polyloom.compose.routing.router.expert import Expert
from polyloom.compose.routing.router.features import Features, Read, Vector, read, words
from polyloom.compose.routing.router.linear import Linear
from polyloom.compose.routing.router.sources import wanted
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.model import Arrays, Floats

WITNESSES = ("words and parts of words", "likeness to its texts", "keywords")  # then those beside words
BORDER = "where the border lies"  # of no feature: every text has it
Parts = list[tuple[str, float]]


class Seen(NamedTuple):
    """What the witnesses say: of each expert, float64 (K, A); how many of its keywords forbid it, float64 (K,).

    `beside` is what those beside words saw.
    """

    judged: Floats
    barred: Floats
    vector: Vector
    called: list[tuple[str, int]]
    beside: Sequence[Floats]


@dataclass(frozen=True)
class Witnesses:
    """What was learned of K experts; its witnesses stand in the order of `names`."""

    features: Features
    linear: Linear
    association: Association
    called: Declared
    forbidden: Declared
    beside: tuple[Beside, ...] = ()

    def __post_init__(self) -> None:
        shape = (len(self.features.names), len(self.association.unseen))
        several = {len(self.called.phrases), len(self.forbidden.phrases), shape[1]}
        if self.linear.weights.shape != shape or len(several) > 1:
            raise InputError(f"The witnesses are of {several} experts and {self.linear.weights.shape} weights.")
        if len(self.association.starts) != self.features.wholes + 1:
            raise InputError("The association ratios are of other features than the linear weights.")

    @classmethod
    def fit(
        cls, texts: Sequence[Read], of: Ids, experts: Sequence[Expert], beside: Sequence[tuple[Source, Floats]] = ()
    ) -> "Witnesses":
        """Fitted to texts that are each `of` an expert, and to what sources saw of them; every expert needs one."""
        features = Features.of(texts)
        vectors, many = [features.vector(one, learned=True) for one in texts], len(experts)
        return cls(
            features,
            Linear.fit(vectors, of, many, len(features.names)),
            Association.fit(vectors, of, many, features.wholes),
            Declared(tuple(expert.keywords for expert in experts)),
            Declared(tuple(expert.excluded for expert in experts)),
            tuple(Beside.fit(source, seen, of, many) for source, seen in beside),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """What the A witnesses are called."""
        return (*WITNESSES, *(one.source.name for one in self.beside))

    def judge(self, text: str, beside: Sequence[Floats] | None = None) -> Seen:
        """What they say of a text; `beside` is what the sources saw of it, if they did already."""
        vector, spelt = self.features.vector(read(text)), words(text)
        heard = [one.see(text) for one in self.beside] if beside is None else beside
        called = self.called.found(spelt)
        further = [one.scores(x) for one, x in zip(self.beside, heard, strict=True)]
        scores = (self.linear.scores(vector), self.association.scores(vector), self.called.counts(called), *further)
        barred = self.forbidden.counts(self.forbidden.found(spelt))
        return Seen(np.stack(scores, -1), barred, vector, called, heard)

    def terms(self, seen: Seen, expert: int) -> tuple[Parts, ...]:
        """What each witness says of an expert, feature by feature: each sums to its score, unless it has none."""
        shown = [self.features.shown(feature) for feature in seen.vector.ids.tolist()]
        linear = self.linear.terms(seen.vector, expert).tolist()
        alike = self.association.terms(seen.vector, expert).tolist()
        return (
            [(BORDER, float(self.linear.bias[expert])), *zip(shown, linear, strict=True)],
            list(zip(shown, alike, strict=False)),
            [(phrase, 1.0) for phrase, own in seen.called if own == expert],
            *(one.terms(x, expert) for one, x in zip(self.beside, seen.beside, strict=True)),
        )

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """All of it."""
        manifest, arrays = self.features.state()
        declared = {"called": self.called.phrases, "forbidden": self.forbidden.phrases}
        told: dict[str, Any] = {what: [list(phrases) for phrases in each] for what, each in declared.items()}
        further = [one.state() for one in self.beside]
        told["beside"] = [one for one, _ in further]
        arrays |= {name: array for _, held in further for name, array in held.items()}
        return {**manifest, **told}, {**arrays, **self.linear.state(), **self.association.state()}

    @classmethod
    def from_state(cls, manifest: dict[str, Any], arrays: Arrays, sources: Sequence[Source] = ()) -> "Witnesses":
        """As `state` gave it, with its sources; FileError if they are others."""
        many = len(manifest["called"])
        further = tuple(Beside.from_state(one, arrays, source, many) for one, source in wanted(manifest, sources))
        called, forbidden = (Declared(tuple(map(tuple, manifest[what]))) for what in ("called", "forbidden"))
        return cls(
            Features.from_state(manifest, arrays), Linear.from_state(arrays), Association.from_state(arrays),
            called, forbidden, further,
        )  # fmt: skip
