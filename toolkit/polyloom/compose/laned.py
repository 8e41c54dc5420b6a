"""A mix whose faders move along the text, each on its lane.

    linear    p(y | text) = Σ_k w_k(t) · p_k(y | text) / Σ_k w_k(t)        t = tokens since the prompt ended
    log       p(y | text) = Π_k p_k(y | text)^w_k(t) / Z

The value of a lane at t predicts token t; layers without a lane keep their weight.  What the weights are follows from
how long prompt and text are, so a text that is judged and the same text as it is written have the same numbers, and a
lane that is constant is a weight.  A mix in the mix has lanes of its own, by path: "poems/base" is the layer "base" of
the mix that is the layer "poems".
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import cast

import numpy as np

from polyloom.compose.lane import Lane
from polyloom.compose.layered import Layer, Layered
from polyloom.compose.moving import Moving
from polyloom.compose.pooled_place import PooledContinuation
from polyloom.compose.silence import silence
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.explanation import Explanation, Term
from polyloom.model import Arrays, Continuation, Floats, LanguageModel, Manifest
from polyloom.whole import whole

LONGEST = 2**52  # tokens of a text: farther on, floats could not tell one from the next
AHEAD = 64  # places whose weights are found together: one at a time, a lane costs as much as a model of counts


class Laned(Moving["LanedContinuation"]):
    """`mix` under lanes, by the paths of its layers: what `mix.with_lanes(lanes)` gives.

    Raises InputError for a path that leads to no layer, for what is no lane, for values that the pool cannot use, and
    if all weights are zero for some token, which the message names.
    """

    def __init__(self, mix: Layered, lanes: Mapping[str, Lane]) -> None:
        own, inner = _sorted(mix, lanes)
        for name, lane in own.items():
            for _, value in lane.points:
                mix.pooling.check_weight(name, value)
        _check_heard({**mix.weights, **own})
        layers = {name: Layer(inner.get(name, layer.model), layer.weight) for name, layer in mix.layers.items()}
        (name, base), *others = layers.items()
        self.mix = Layered(base.model, dict(others), mix.pool, name=name, weight=base.weight)
        self.vocabulary, self.pooling, self._own = mix.vocabulary, mix.pooling, own

    @property
    def models(self) -> dict[str, LanguageModel]:
        """The model of each layer, the base first; a mix with lanes of its own is a `Laned`."""
        return self.mix.models

    @cached_property
    def lanes(self) -> dict[str, Lane]:
        """The lane of each path that has one."""
        found = dict(self._own)
        for name, model in self.models.items():
            if isinstance(model, Laned):
                found |= {f"{name}/{path}": lane for path, lane in model.lanes.items()}
        return found

    def with_lanes(self, lanes: Mapping[str, Lane]) -> "Laned":
        """The same mix, some lanes changed or added."""
        return Laned(self.mix, {**self._own, **lanes})

    def at(self, t: int, prompt: int = 0) -> Layered:
        """The mix that predicts token t after a prompt of so many tokens: the same layers under fixed weights."""
        place = whole("t", t, 0, LONGEST) + whole("prompt", prompt, 0, LONGEST)
        weights = self.weights(np.array([place]), prompt)[0].tolist()
        still = {n: m.at(t, prompt) if isinstance(m, Laned) else m for n, m in self.models.items()}
        (name, base), *others = zip(still, map(Layer, still.values(), weights), strict=True)
        return Layered(base.model, dict(others), self.mix.pool, name=name, weight=base.weight)

    def weights(self, places: Ids, prompt: int) -> Floats:
        """The weight of each layer after so many tokens of a text, of which `prompt` are one, float64 (n, K)."""
        found = np.empty((len(places), len(self.mix.layers)))
        for k, (name, weight) in enumerate(self.mix.weights.items()):
            lane = self._own.get(name)
            found[:, k] = weight if lane is None else lane.at(_clock(lane, places, prompt))
        return found

    def along(self, ids: Ids) -> Floats:
        """What multiplies each layer before each token of a text without a prompt, float64 (T, K)."""
        return self.pooling.factors(self.weights(np.arange(len(ids)), 0))

    def place(self, ids: Ids, members: Sequence[Continuation]) -> "LanedContinuation":
        """A place in a text after these tokens, from the states of all members there."""
        return LanedContinuation(self, ids, members)

    def manifest(self) -> tuple[Manifest, Arrays]:
        """That of the mix, and its own lanes; those of a mix in the mix stand there."""
        told, arrays = self.mix.manifest()
        return {**told, "kind": "laned", "lanes": {name: lane.to_json() for name, lane in self._own.items()}}, arrays

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays, members: Sequence[LanguageModel]) -> "Laned":
        """The mix that `state` described, of members that were restored already; InputError if it is none."""
        mix = Layered.from_state(manifest, arrays, members)
        return cls(mix, {name: Lane.from_json(lane) for name, lane in manifest["lanes"].items()})

    def __repr__(self) -> str:
        told = {name: f"{weight:g}" for name, weight in self.mix.weights.items()}
        told |= {name: " … ".join(f"{value:g}" for _, value in lane.points) for name, lane in self._own.items()}
        named = ", ".join(f"{name} {what}" for name, what in told.items())
        return f"<Laned {'' if self.mix.pool == 'linear' else f'{self.mix.pool} pool: '}{named}>"


class LanedContinuation(PooledContinuation):
    """One state for each layer, all at the same place."""

    model: "Laned"  # pyright: ignore[reportIncompatibleVariableOverride] - of all that pool, this one
    _known: tuple[int, int, Floats] | None = None  # origin, a place, and the factors from there on, (some, K)

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each layer here."""
        here = self.model.weights(np.array([self._length]), self.origin)[0]
        return dict(zip(self.model.models, here.tolist(), strict=True))

    def factors(self, n: int = 1) -> Floats:
        """What multiplies each layer at the last n places, float64 (n, K): the last row is for the next token."""
        first, origin = self._length - n + 1, self.origin
        known, start, found = self._known or (-1, 0, np.empty((0, 0)))
        if known != origin or not start <= first <= start + len(found) - n:
            places = np.arange(first, first + max(n, AHEAD))
            start, found = first, self.model.pooling.factors(self.model.weights(places, origin))
            self._known = origin, start, found
        return found[first - start : first - start + n]

    def _explain(self, token: int) -> Explanation:
        found = super()._explain(token)
        told = tuple(self._told(term, name) for term, name in zip(found.terms, self.model.models, strict=False))
        return replace(found, terms=(*told, *found.terms[len(told) :]))  # in a log pool one more, of the normaliser

    def _told(self, term: Term, name: str) -> Term:
        """A layer's term, which says besides where its lane is."""
        lane = self.model.lanes.get(name)
        if lane is None:
            return term
        t = _clock(lane, self._length, self.origin)
        where = f"t = {t}" + " of the text" * (lane.origin == "text")
        return replace(term, detail=f"{term.detail}; lane {lane.at(t):g} at {where}")


def _clock(lane: Lane, places: int | Ids, prompt: int) -> int | Ids:
    """The t of a lane after so many tokens, of which `prompt` are one."""
    return places if lane.origin == "text" else places - prompt


def _sorted(mix: Layered, lanes: Mapping[str, Lane]) -> tuple[dict[str, Lane], dict[str, "Laned"]]:
    """The lanes of the layers themselves, and those layers that are mixes with lanes inside."""
    if not isinstance(mix, Layered):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
        raise InputError(
            f"Expected a Layered as the mix, got a {type(mix).__name__}. mix.with_lanes(lanes) gives lanes to a mix, "
            "also to one that has some."
        )
    if not isinstance(lanes, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
        raise InputError(f'Expected lanes by layer, such as {{"poems": Lane([(0, 0.0), (200, 1.0)])}}, got {lanes!r}.')
    known, own, inside = _paths(mix), dict[str, Lane](), dict[str, dict[str, Lane]]()
    for path, lane in lanes.items():
        if path not in known:
            raise InputError(f"No layer {path!r}; the layers are {', '.join(known)}.")
        if not isinstance(lane, Lane):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
            raise InputError(f"The lane of {path!r} is a {type(lane).__name__}; expected Lane([(t, weight), …]).")
        name, rest = known[path]
        if rest is None:
            own[name] = lane
        else:
            inside.setdefault(name, {})[rest] = lane
    return own, {name: _inner(mix, name).with_lanes(some) for name, some in inside.items()}


def _paths(mix: "Layered | Laned") -> dict[str, tuple[str, str | None]]:
    """Every path through mixes to a layer: the layer it begins with, and the rest; a layer's whole name comes first."""
    found: dict[str, tuple[str, str | None]] = {name: (name, None) for name in mix.models}
    for name, model in mix.models.items():
        for rest in _paths(model) if isinstance(model, Layered | Laned) else ():
            found.setdefault(f"{name}/{rest}", (name, rest))
    return found


def _inner(mix: Layered, name: str) -> "Layered | Laned":
    return cast("Layered | Laned", mix.layers[name].model)  # since there is a path through it


def _check_heard(weights: Mapping[str, float | Lane]) -> None:
    """InputError if all weights are zero for some token after some prompt."""
    lanes = [weight for weight in weights.values() if isinstance(weight, Lane)]
    if not lanes or any(weight for weight in weights.values() if not isinstance(weight, Lane)):
        return
    found = silence(lanes)
    if found is not None:
        where = f"t = {found[0]}" + (f" after a prompt of length {found[1]}" if found[1] else "")
        raise InputError(f"All weights are zero at {where} ({', '.join(weights)}): raise at least one there.")
