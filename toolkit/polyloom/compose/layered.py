"""Layers under faders: a linear mixture of models on one vocabulary.

    p(y | text) = Σ_k w_k · p_k(y | text) / Σ_k w_k              w_k ≥ 0, not all zero

The base is an ordinary first layer.  Only the proportions of the weights matter, so a fader can be moved without the
others.  Sums run over the whole vocabulary, never over truncated lists.  A `Layered` is a value: `with_weights` gives
another one that shares the members.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Self

import numpy as np

from polyloom.buffer import TokenBuffer
from polyloom.documents import Documents, Ids, encoded
from polyloom.em import mixture_weights
from polyloom.errors import InputError, VocabularyMismatch
from polyloom.explanation import Explanation, Term
from polyloom.model import Arrays, Continuation, Floats, LanguageModel, Manifest, Prompt

SILENT = 1e-6  # a fitted share below this is 0: a fader that far down is off


@dataclass(frozen=True)
class Layer:
    """A model and how loudly it speaks: a finite weight of 0 or more."""

    model: LanguageModel
    weight: float = 1.0


class Layered(LanguageModel):
    """Mix `base` with named layers: `Layered(model, {"poems": Layer(other, 0.4)})`.

    `name` and `weight` are those of the base.  Raises VocabularyMismatch if a layer speaks another vocabulary,
    InputError for a weight that is negative or not finite, for weights that are all zero, and for a repeated name.
    """

    def __init__(
        self,
        base: LanguageModel,
        layers: Mapping[str, Layer],
        pool: str = "linear",
        *,
        name: str = "base",
        weight: float = 1.0,
    ) -> None:
        if pool != "linear":
            raise InputError(f"Unknown pool {pool!r}; known is 'linear'.")
        if not isinstance(base, LanguageModel):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
            raise InputError(f"Expected a model as the base, got {type(base).__name__}.")
        if name in layers:
            raise InputError(f"The base is called {name!r} already; give the layer of that name another one.")
        self.vocabulary = base.vocabulary
        self.layers: Mapping[str, Layer] = {name: Layer(base, weight), **layers}
        for other, layer in self.layers.items():
            _check(other, layer, base)
        if not sum(layer.weight for layer in self.layers.values()):
            raise InputError(f"All weights are zero ({', '.join(self.layers)}): raise at least one.")

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each layer, the base first."""
        return {name: float(layer.weight) for name, layer in self.layers.items()}

    @property
    def models(self) -> dict[str, LanguageModel]:
        """The model of each layer, the base first."""
        return {name: layer.model for name, layer in self.layers.items()}

    @property
    def proportions(self) -> Floats:
        """The weights divided by their sum, float64 (K,)."""
        weights = np.array(list(self.weights.values()))
        weights = weights / weights.max()  # first, since the sum of very large ones would not be finite
        return weights / weights.sum()

    def with_weights(self, weights: Mapping[str, float] | None = None, /, **named: float) -> "Layered":
        """The same layers, some weights changed: `mix.with_weights(sea=2.0)` or `mix.with_weights({"my sea": 2.0})`.

        Raises InputError for a name that is not a layer, and for a weight that is not finite and 0 or more.
        """
        weights = {**(weights or {}), **named}
        unknown = [name for name in weights if name not in self.layers]
        if unknown:
            raise InputError(f"No layer {unknown[0]!r}; the layers are {', '.join(self.layers)}.")
        (name, base), *others = ((n, Layer(x.model, weights.get(n, x.weight))) for n, x in self.layers.items())
        return Layered(base.model, dict(others), name=name, weight=base.weight)

    def fit_weights(self, documents: Documents) -> "Layered":
        """The same layers with the weights that make `documents` likeliest, the largest set to 1.

        The optimum over all weights, by expectation–maximisation.  Fit on text that no layer was trained on.
        Raises InputError if the documents hold no token.
        """
        likelihoods = [self.member_log_likelihoods(tokens) for tokens in encoded(documents, self.vocabulary)]
        if not sum(found.shape[1] for found in likelihoods):
            raise InputError("Fitting weights needs at least one token; the documents hold none.")
        fitted = mixture_weights(np.concatenate(likelihoods, axis=1))
        fitted = np.where(fitted < SILENT, 0.0, fitted) / fitted.max()
        return self.with_weights(dict(zip(self.layers, fitted.tolist(), strict=True)))

    def member_log_likelihoods(self, tokens: Prompt) -> Floats:
        """ln p_k(token_t | tokens before t) of every layer, float64 (K, T): all that weights need to be judged by."""
        ids = self.ids(tokens)
        return np.stack([model.log_likelihood(ids) for model in self.models.values()])

    def begin(self, prompt: Prompt = ()) -> "LayeredContinuation":
        """A place in a text: after `prompt`, a str or token ids."""
        return self.replay(prompt, {})

    def replay(self, tokens: Prompt, known: Mapping[int, Continuation]) -> "LayeredContinuation":
        """`begin(tokens)`, taking over the states of members that `known` (by `id` of the model) holds."""
        ids = self.ids(tokens)
        return LayeredContinuation(self, ids, [model.replay(ids, known) for model in self.models.values()])

    def log_probs(self, tokens: Prompt) -> Iterator[Floats]:
        """Teacher-forced log-probabilities in blocks (n, V) of at most 64 MB; row t is given tokens before t."""
        ids = self.ids(tokens)
        for blocks in zip(*(model.log_probs(ids) for model in self.models.values()), strict=True):
            yield _mixed(self.proportions, blocks)

    def log_likelihood(self, tokens: Prompt) -> Floats:
        """ln p(token_t | tokens before t), float64 of shape (T,), without reading the whole vocabulary."""
        return _mixed(self.proportions, list(self.member_log_likelihoods(tokens)))

    def state(self) -> tuple[Manifest, Arrays]:
        """All that this model is: names, weights, and the members in order, their arrays under `0/`, `1/` …"""
        members: list[Manifest] = []
        arrays: Arrays = {}
        for n, model in enumerate(self.models.values()):
            member, held = model.state()
            members.append(member)
            arrays |= {f"{n}/{key}": array for key, array in held.items()}
        weights = [[name, weight] for name, weight in self.weights.items()]
        return {"kind": "layered", "pool": "linear", "weights": weights, "members": members}, arrays

    @classmethod
    def from_state(cls, manifest: Manifest, members: Sequence[LanguageModel]) -> "Layered":
        """The mix that `state` described, of members that were restored already; InputError if it is none."""
        names = [name for name, _ in manifest["weights"]]
        if len(set(names)) != len(members):
            raise InputError(f"The mix names {len(set(names))} layers and holds {len(members)}.")
        layers = [Layer(model, weight) for model, (_, weight) in zip(members, manifest["weights"], strict=True)]
        others = dict(zip(names[1:], layers[1:], strict=True))
        return cls(layers[0].model, others, manifest["pool"], name=names[0], weight=layers[0].weight)

    def __repr__(self) -> str:
        return f"<Layered {', '.join(f'{name} {weight:g}' for name, weight in self.weights.items())}>"


class LayeredContinuation(Continuation):
    """One state for each layer, all at the same place."""

    model: Layered

    def __init__(
        self, model: Layered, tokens: Ids, members: list[Continuation], buffer: TokenBuffer | None = None
    ) -> None:
        super().__init__(model, tokens, buffer)
        self.members = members

    def distribution(self) -> Floats:
        """Log-probabilities of the next token, float64 of shape (V,)."""
        return _mixed(self.model.proportions, [member.distribution() for member in self.members])

    def advance(self, token: int | str) -> None:
        """Append one token to the text, for every layer."""
        super().advance(token)
        for member in self.members:
            member.advance(token)

    def fork(self) -> Self:
        """The same place again; the states of the members are forked."""
        return type(self)(self.model, self.tokens, [member.fork() for member in self.members], self._buffer)

    def states(self) -> Iterator[Continuation]:
        """The mix's own state, then those of the layers."""
        yield self
        for member in self.members:
            yield from member.states()

    def _explain(self, token: int) -> Explanation:
        children = [member.explain(token) for member in self.members]
        named = zip(self.model.layers, self.model.proportions.tolist(), children, strict=True)
        terms = tuple(Term(n, w * child.total, f"{w:.3f} × {child.total:.6f}", child) for n, w, child in named)
        total = float(np.exp(self.distribution()[token]))
        return Explanation(self.model.vocabulary.pieces[token], children[0].context, "probability", terms, total)


def _mixed(proportions: Floats, log_probs: "list[Floats] | tuple[Floats, ...]") -> Floats:
    """ln Σ_k v_k p_k, element by element; a layer of weight zero is not read."""
    mixed = np.zeros_like(log_probs[0])
    for share, member in zip(proportions.tolist(), log_probs, strict=True):
        if share:
            mixed += share * np.exp(member)
    return np.log(mixed)


def _check(name: str, layer: object, base: LanguageModel) -> None:
    if not isinstance(layer, Layer):
        raise InputError(f"Layer {name!r} is a {type(layer).__name__}; expected Layer(model, weight).")
    if not (isinstance(layer.weight, Real) and math.isfinite(layer.weight) and layer.weight >= 0):
        raise InputError(f"The weight of {name!r} must be a finite number of 0 or more, got {layer.weight!r}.")
    if layer.model.vocabulary != base.vocabulary:
        raise VocabularyMismatch(
            f"Layer {name!r} speaks {layer.model.vocabulary!r}, the base speaks {base.vocabulary!r}. "
            f"Train both on one vocabulary: polyloom.weave does, and ByteVocabulary fits any text."
        )
