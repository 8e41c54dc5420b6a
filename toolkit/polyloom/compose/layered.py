"""Layers under faders: a mixture of models on one vocabulary.

    linear    p(y | text) = Σ_k w_k · p_k(y | text) / Σ_k w_k        w_k ≥ 0, not all zero
    log       p(y | text) = Π_k p_k(y | text)^w_k / Z                w_k finite, not all zero

The base is an ordinary first layer.  Sums run over the whole vocabulary, never over truncated lists.  What the pools do
and promise stands in `pool`; nothing here knows which of them it has.  A `Layered` is a value: `with_weights`, `add`,
`remove`, `activate`, `fit_weights` and `prune` give another one that shares the members.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from polyloom.compose import optimise
from polyloom.compose.certificate import Certificate
from polyloom.compose.composite import check_member
from polyloom.compose.lane import Lane
from polyloom.compose.layered_place import LayeredContinuation
from polyloom.compose.linear import Voices
from polyloom.compose.pool import pool_of, sounding
from polyloom.compose.pooled_place import Pooled
from polyloom.compose.reach import Reach, reach
from polyloom.compose.shapley import Shapley, shapley
from polyloom.documents import Documents, Ids
from polyloom.errors import InputError
from polyloom.model import Arrays, Continuation, Floats, LanguageModel, Manifest, Prompt, Token

if TYPE_CHECKING:
    from polyloom.compose.laned import Laned


@dataclass(frozen=True)
class Layer:
    """A model and how loudly it speaks: a finite weight, of 0 or more in a linear pool."""

    model: LanguageModel
    weight: float = 1.0


class Layered(Pooled[LayeredContinuation]):
    """Mix `base` with named layers: `Layered(model, {"poems": Layer(other, 0.4)})`.

    `pool` is "linear" or "log"; `name` and `weight` are those of the base; `certificate` is what `fit_weights` found,
    or None.  Raises VocabularyMismatch if a layer speaks another vocabulary, InputError for an unknown pool, for a
    weight that it cannot use, for weights that are all zero, and for a repeated name.
    """

    def __init__(
        self,
        base: LanguageModel,
        layers: Mapping[str, Layer],
        pool: str = "linear",
        *,
        name: str = "base",
        weight: float = 1.0,
        certificate: Certificate | None = None,
    ) -> None:
        self.pooling = pool_of(pool)
        if not isinstance(base, LanguageModel):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
            raise InputError(f"Expected a model as the base, got {type(base).__name__}.")
        if not isinstance(layers, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f'Expected layers by name, such as {{"poems": Layer(model, 0.4)}}, got {layers!r}.')
        if name in layers:
            raise InputError(f"The base is called {name!r} already; give the layer of that name another one.")
        self.vocabulary = base.vocabulary
        self.layers: Mapping[str, Layer] = {name: Layer(base, weight), **layers}
        for other, layer in self.layers.items():
            _check(other, layer, base)
        self.pooling.check({name: layer.weight for name, layer in self.layers.items()})
        self.certificate = certificate

    @property
    def pool(self) -> str:
        """How the layers are mixed: "linear" or "log"."""
        return self.pooling.name

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each layer, the base first."""
        return {name: float(layer.weight) for name, layer in self.layers.items()}

    @property
    def models(self) -> dict[str, LanguageModel]:
        """The model of each layer, the base first."""
        return {name: layer.model for name, layer in self.layers.items()}

    @cached_property
    def factors(self) -> Floats:
        """What multiplies each layer, float64 (K,): shares that sum to 1 in a linear pool, the weights in a log one."""
        return self.pooling.factors(list(self.weights.values()))

    def with_weights(self, weights: Mapping[str, float] | None = None, /, **named: float) -> "Layered":
        """The same layers, some weights changed: `mix.with_weights(sea=2.0)` or `mix.with_weights({"my sea": 2.0})`.

        Raises InputError for a name that is not a layer, and for a weight that the pool cannot use.
        """
        if not isinstance(weights, Mapping | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f'Expected weights by layer, such as {{"poems": 0.7}}, got {weights!r}.')
        weights = {**(weights or {}), **named}
        self._known(*weights)
        return self._of({name: Layer(x.model, weights.get(name, x.weight)) for name, x in self.layers.items()})

    def add(self, name: str, model: LanguageModel | Layer, weight: float | None = None) -> "Layered":
        """The mix with one more layer, last: a model at `weight` (1 by default), or a `Layer`, which brings its own.

        Raises InputError if the name is taken, VocabularyMismatch if the model speaks another vocabulary.
        """
        if name in self.layers:
            raise InputError(f"There is a layer {name!r} already: choose another name, or remove({name!r}) first.")
        if isinstance(model, Layer) and weight is not None:
            raise InputError(f"Layer {name!r} brings its weight, {model.weight!r}: give the model or no weight.")
        layer = model if isinstance(model, Layer) else Layer(model, 1.0 if weight is None else weight)
        return self._of({**self.layers, name: layer})

    def remove(self, name: str) -> "Layered":
        """The mix without one layer; if that is the base, the next one is the first.

        Raises InputError for a name that is not a layer, for the only layer, and if those that stay all have weight 0.
        """
        self._known(name)
        left = {other: layer for other, layer in self.layers.items() if other != name}
        if not left:
            raise InputError(f"{name!r} is the only layer, and a mix needs one. First mix.add(name, model).")
        return self._of(left)

    def activate(self, *names: str) -> "Layered":
        """Only these layers speak: all others stay in the mix, at weight 0.

        Those named keep their weight, or get 1 if it was 0.  `with_weights(mix.weights)` of the mix before is the way
        back.  Raises InputError for a name that is not a layer, and if none is given.
        """
        if not names:
            raise InputError(f"Name at least one layer that shall speak; the layers are {', '.join(self.layers)}.")
        self._known(*names)
        return self.with_weights({name: (old or 1.0) * (name in names) for name, old in self.weights.items()})

    def with_lanes(self, lanes: Mapping[str, Lane]) -> "Laned":
        """The same layers under weights that change along the text: `{"poems": Lane([(0, 0.0), (200, 1.0)])}`.

        Layers of a mix in the mix have paths, such as "poems/base".  Raises InputError for a path that leads to no
        layer, for values that the pool cannot use, and where all weights would be zero.
        """
        from polyloom.compose.laned import Laned

        return Laned(self, lanes)

    def fit_weights(self, documents: Documents) -> "Layered":
        """The same layers with the weights that make `documents` likeliest, and a `certificate` of how good they are.

        The optimum over all weights in a linear pool, where the largest is set to 1; in a log pool the optimum over
        weights from 0 to 10, or as far as those of this mix if they lie beyond, which reads the whole vocabulary at
        each token in every round.  Never worse than the weights of this mix.  Fit on text that no layer was trained on.
        Raises InputError if the documents hold no token, and for what is no text.
        """
        return self._chosen(*optimise.fit(self, documents))

    def prune(self, documents: Documents, loss: float = 0.001) -> "Layered":
        """As few of the layers as will do: `documents` lose at most `loss` nats a token to the best weights of all.

        Each time the one is left out that is missed least once the others have their best weights.  The `certificate`
        says who was dropped and what that costs.  Raises InputError as `fit_weights` does.
        """
        return self._chosen(*optimise.prune(self, documents, loss))

    def reach(
        self, text: Documents | Prompt, *, token: Token | None = None, probability: float | None = None,
        perplexity: float | None = None,
    ) -> Reach:  # fmt: skip
        """The weights nearest to these under which something comes true, or how far any weights come towards it.

        `reach(prompt, token="moon", probability=0.3)` asks for the probability of a token after a prompt,
        `reach(texts, perplexity=40)` for the perplexity of documents.  Distances are those of shares in a linear pool,
        whose weights keep their sum, and of exponents in a log pool, within the box of `fit_weights`.  Raises
        InputError for any other combination, and for numbers that are no probability or perplexity.
        """
        return reach(self, text, token, probability, perplexity)

    def shapley(self, documents: Documents) -> Shapley:
        """What each layer adds to the likelihood of `documents`, in nats a token, by Shapley values: exact, they sum.

        Worth is how much likelier than uniform a set of layers makes the text, at the weights of this mix; all 2^K sets
        are asked.  A log pool reads the whole vocabulary at each token.  Raises InputError for more than 16 layers, for
        no token, and where a set of layers finds a token impossible.
        """
        return shapley(self, documents)

    def member_log_likelihoods(self, tokens: Prompt) -> Floats:
        """ln p_k(token_t | tokens before t) of every layer, float64 (K, T): all that weights need to be judged by."""
        ids = self.ids(tokens)
        return np.stack([model.log_likelihood(ids) for model in self.models.values()])

    def place(self, ids: Ids, members: Sequence[Continuation]) -> LayeredContinuation:
        """A place in a text after these tokens, from the states of all members there."""
        return LayeredContinuation(self, ids, members)

    def log_probs(self, tokens: Prompt) -> Iterator[Floats]:
        """Teacher-forced log-probabilities in blocks (n, V) of at most 64 MB; row t is given tokens before t."""
        ids, voices = self.ids(tokens), self._voices()
        factors = [factor for factor, _ in voices]
        for blocks in zip(*(model.log_probs(ids) for _, model in voices), strict=True):
            yield self.pooling.mixed(list(zip(factors, blocks, strict=True)))

    def log_likelihood(self, tokens: Prompt) -> Floats:
        """ln p(token_t | tokens before t), float64 of shape (T,); a linear pool need not read the whole vocabulary."""
        return self.pooling.log_likelihood(self._voices(), self.ids(tokens))

    def manifest(self) -> tuple[Manifest, Arrays]:
        """Names and weights."""
        return {"kind": "layered", "pool": self.pool, "weights": [list(pair) for pair in self.weights.items()]}, {}

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays, members: Sequence[LanguageModel]) -> "Layered":
        """The mix that `state` described, of members that were restored already; InputError if it is none."""
        del arrays
        names = [name for name, _ in manifest["weights"]]
        if len(set(names)) != len(members):
            raise InputError(f"The mix names {len(set(names))} layers and holds {len(members)}.")
        layers = [Layer(model, weight) for model, (_, weight) in zip(members, manifest["weights"], strict=True)]
        others = dict(zip(names[1:], layers[1:], strict=True))
        return cls(layers[0].model, others, manifest["pool"], name=names[0], weight=layers[0].weight)

    def __repr__(self) -> str:
        named = ", ".join(f"{name} {weight:g}" for name, weight in self.weights.items())
        return f"<Layered {'' if self.pool == 'linear' else f'{self.pool} pool: '}{named}>"

    def _of(self, layers: Mapping[str, Layer], certificate: Certificate | None = None) -> "Layered":
        """Other layers, or the same at other weights, in the same pool."""
        (name, base), *others = layers.items()
        return Layered(base.model, dict(others), self.pool, name=name, weight=base.weight, certificate=certificate)

    def _chosen(self, weights: Mapping[str, float], certificate: Certificate) -> "Layered":
        """Some layers at the weights that a text chose for them."""
        return self._of({name: Layer(self.layers[name].model, weight) for name, weight in weights.items()}, certificate)

    def _known(self, *names: str) -> None:
        unknown = [name for name in names if name not in list(self.layers)]  # a list, since some names have no hash
        if unknown:
            raise InputError(f"No layer {unknown[0]!r}; the layers are {', '.join(self.layers)}.")

    def _voices(self) -> Voices[LanguageModel]:
        return sounding(self.factors, self.models.values())


def _check(name: object, layer: object, base: LanguageModel) -> None:
    if not isinstance(name, str):
        raise InputError(f"Expected the name of a layer as text, got {name!r}.")
    if not isinstance(layer, Layer):
        raise InputError(f"Layer {name!r} is a {type(layer).__name__}; expected Layer(model, weight).")
    check_member(f"Layer {name!r}", layer.model, base, "the base")
