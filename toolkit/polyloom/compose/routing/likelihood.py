"""Routing by likelihood: which member may have written the text so far?

Suppose that one of the K members writes, and that before each token the pen passes with probability α to another, each
as likely.  What is then known of the writer after some text is a posterior, and the exact filter of that hidden Markov
model is the fixed-share rule of Herbster and Warmuth ("Tracking the best expert", 1998):

    v_k = w_k · p_k(token) / Z,   Z = Σ_k w_k · p_k(token)                 who wrote the token that was read
    w_k ← (1 − α) · v_k + α / (K − 1) · (1 − v_k)                          who writes the next one

The scores are w, which sum to 1; where all members speak as loudly as that, p(y) = Σ_k w_k p_k(y) is the exact
prediction of that model, and Σ ln Z its likelihood.  It needs from each member nothing but ln p of the tokens read.

A text of T tokens takes about 3 √T steps of NumPy: products of transitions in all of √T chunks at once, the chunks one
after the other, and then the filter in all chunks at once.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, cast, final

import numpy as np

from polyloom.compose.routing.chooser import Chooser, Judged, Stand, Where, known
from polyloom.documents import Documents, Ids, encoded
from polyloom.errors import InputError
from polyloom.explanation import Explanation, Term
from polyloom.model import Arrays, Floats, LanguageModel, Manifest
from polyloom.real import number

SHOWN = 12  # tokens whose part in the posterior an account shows
HOPELESS = -700.0  # nats behind the likeliest: after such a token, a member is believed only because the pen may pass
LEAST, MOST = 1e-6, 0.9  # α that a fit considers
GRID, GOLDEN, PRECISE = 33, (math.sqrt(5) - 1) / 2, 1e-4  # of ln α


@final
class ByLikelihood(Chooser):
    """The posterior over the members: `Routed(ByLikelihood(switch=0.01), members)`.

    `switch` is α, more than 0 and less than 1: one in so many tokens is written by another member than the one before.
    `prior` is what is believed of each member where a text begins, by name, in proportions of more than 0; by default
    all are as likely.  Raises InputError for what is neither.
    """

    kind = "likelihood"
    remembers = True

    def __init__(self, switch: float = 0.01, prior: Mapping[str, float] | None = None) -> None:
        if not 0 < number(switch) < 1:
            raise InputError(f"switch must lie between 0 and 1, both excluded, got {switch!r}.")
        self.switch = float(switch)
        self.prior = None if prior is None else _proportions(prior)

    def check(self, names: Sequence[str]) -> None:
        """The prior must be one of exactly these members."""
        if self.prior is not None:
            known("The prior", list(self.prior), names)
            if missing := [name for name in names if name not in self.prior]:
                raise InputError(f"The prior says nothing of {missing[0]!r}; it needs a number for each member.")

    def along(self, models: Mapping[str, LanguageModel], ids: Ids) -> Judged:
        """The posterior before each token."""
        told = np.stack([model.log_likelihood(ids) for model in models.values()], axis=-1)
        return Judged(filtered(self.first(list(models)), told, self.switch)[:-1], told)

    def told(self, where: Where, token: int) -> Floats:
        """ln p of the token under each member, float64 (K,)."""
        return np.array([float(member.distribution()[token]) for member in where.members.values()])

    def at(self, where: Where, before: Floats | None, told: Floats | None) -> Floats:
        """The posterior after one more token; the prior where the text begins."""
        if before is None or told is None:
            return self.first(list(where.members))
        return _passed(_written(before, np.exp(_scaled(told))), self.switch)

    def first(self, names: Sequence[str]) -> Floats:
        """The prior, float64 (K,) summing to 1."""
        if self.prior is None:
            return np.full(len(names), 1 / len(names))
        found = np.array([self.prior[name] for name in names])
        return found / found.sum()

    def explain(self, where: Where, way: Sequence[Stand]) -> Explanation:
        """1 = Σ posterior; each opens into ln posterior = ln prior + ln-likelihood + switching − ln Z.

        The prior is what was believed a few tokens before, or where a member last gave a token as good as no chance.
        The likelihood of the likeliest opens into those of the tokens.
        """
        way = way[-1 - SHOWN :]
        read = where.tokens[len(where.tokens) - (len(way) - 1) :]
        vocabulary = where.vocabulary
        pieces: list[str] = [vocabulary.pieces[token] for token in read.tolist()]
        context = vocabulary.decode(read)
        posterior = way[-1].scores
        terms = tuple(
            Term(name, p, "posterior", _account(k, name, way, pieces, context, self.switch))
            for k, (name, p) in enumerate(zip(where.members, posterior.tolist(), strict=True))
        )
        return Explanation("who writes", context, "probability", terms, float(posterior.sum()))

    def fit_switch(self, members: Mapping[str, LanguageModel], documents: Documents) -> "ByLikelihood":
        """The same under the α, from one in a million to 0.9, that makes `documents` likeliest under these members.

        By golden section around the best of a grid, never worse than the α it has.  Raises InputError if there is no
        token, or one that no member gives any chance.
        """
        vocabulary = next(iter(members.values())).vocabulary
        told = [
            np.stack([m.log_likelihood(ids) for m in members.values()], -1) for ids in encoded(documents, vocabulary)
        ]
        if not sum(map(len, told)):
            raise InputError("Fitting the switch needs at least one token; the documents hold none.")
        if not all(np.isfinite(one.max(-1)).all() for one in told):
            raise InputError("The text holds a token that no member gives any chance: no switch can explain it.")
        first = self.first(list(members))

        def judged(switch: float) -> float:
            return sum(float(likelihood(first, one, switch).sum()) for one in told)

        grid = np.geomspace(LEAST, MOST, GRID)
        best = int(np.argmax([judged(float(switch)) for switch in grid]))
        inside = _peak(
            lambda x: judged(math.exp(x)), *np.log(grid[[max(0, best - 1), min(GRID - 1, best + 1)]]).tolist()
        )
        tried = [math.exp(inside), float(grid[best]), self.switch]
        return ByLikelihood(max(tried, key=judged), self.prior)

    def state(self) -> tuple[Manifest, Arrays]:
        """Switch and prior."""
        return {"kind": self.kind, "switch": self.switch, "prior": self.prior and list(self.prior.items())}, {}

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays) -> Self:
        """As `state` gave it."""
        del arrays
        prior: list[Any] | None = manifest["prior"]
        return cls(manifest["switch"], None if prior is None else dict(prior))

    def __repr__(self) -> str:
        return f"ByLikelihood(switch={self.switch:.3g}{'' if self.prior is None else f', prior={self.prior}'})"


def filtered(first: Floats, told: Floats, switch: float) -> Floats:
    """The posterior before each token and after the last, float64 (T + 1, K), of ln p (T, K) and the prior (K,)."""
    places, members = told.shape
    length = max(1, math.isqrt(places))
    chunks = -(-places // length)
    chances = np.ones((chunks * length, members))  # what is past the end tells nothing
    chances[:places] = np.exp(_scaled(told))
    chances = chances.reshape(chunks, length, members)
    believed = np.empty((chunks, length + 1, members))
    believed[:, 0] = _beginnings(first, chances, switch)
    for at in range(length):
        believed[:, at + 1] = _passed(_written(believed[:, at], chances[:, at]), switch)
    found = np.empty((places + 1, members))
    found[:places] = believed[:, :-1].reshape(-1, members)[:places]
    found[places] = believed.reshape(-1, members)[_last(places, length)] if places else first
    return found


def likelihood(first: Floats, told: Floats, switch: float) -> Floats:
    """ln Z of each token, float64 (T,)."""
    believed, most = filtered(first, told, switch)[:-1], told.max(-1, initial=-np.inf)
    return np.log((believed * np.exp(_scaled(told))).sum(-1)) + most


def _last(places: int, length: int) -> int:
    """Where the posterior after the last token stands among chunks of length + 1."""
    chunk = (places - 1) // length
    return chunk * (length + 1) + places - chunk * length


def _beginnings(first: Floats, chances: Floats, switch: float) -> Floats:
    """The posterior where each chunk begins, float64 (chunks, K): over products of the transitions in each."""
    chunks, length, members = chances.shape
    product = np.broadcast_to(np.eye(members), (chunks, members, members))
    for at in range(length):
        product = product * chances[:, at, None, :]
        product = _stayed(product, product.sum(-1, keepdims=True), switch)
        product /= product.max((1, 2), keepdims=True)
    found = np.empty((chunks, members))
    for chunk in range(chunks):
        found[chunk] = first
        first = first @ product[chunk]
        first = first / first.sum()
    return found


def _scaled(told: Floats) -> Floats:
    """ln p beside that of the likeliest member; a token that nobody gives any chance tells nothing."""
    most: Floats = np.asarray(told.max(-1, keepdims=True))
    nobody = most == -np.inf
    return np.where(nobody, 0.0, told - np.where(nobody, 0.0, most))


def _written(believed: Floats, chances: Floats) -> Floats:
    """Who wrote the token, float64 (…, K)."""
    joint = believed * chances
    return joint / joint.sum(-1, keepdims=True)


def _passed(wrote: Floats, switch: float) -> Floats:
    """Who writes the next one, float64 (…, K); normalised, since rounding would add up over a long text."""
    found = _stayed(wrote, 1.0, switch)
    return found / found.sum(-1, keepdims=True)


def _stayed(wrote: Floats, whole: Floats | float, switch: float) -> Floats:
    others = wrote.shape[-1] - 1
    return wrote if not others else (1 - switch) * wrote + switch / others * (whole - wrote)


def _account(
    k: int, name: str, way: Sequence[Stand], pieces: Sequence[str], context: str, switch: float
) -> Explanation:
    """ln posterior of one member, on the log scale."""
    told = [np.zeros_like(way[0].scores) if stand.told is None else stand.told for stand in way[1:]]
    start = max((n for n, one in enumerate(told, 1) if float(one[k]) - float(one.max()) < HOPELESS), default=0)
    steps = [_step(before.scores, one, k, switch) for before, one in zip(way[start:], told[start:], strict=False)]
    said = tuple(Term(piece, own) for piece, (own, _, _) in zip(pieces[start:], steps, strict=True))
    many = f"of the last {len(said)} token{'s' * (len(said) != 1)}"
    opens = said and k == int(way[-1].scores.argmax())  # for the others it would be a long list of little interest
    likely = Explanation(name, context, "log", said, float(sum(own for own, _, _ in steps))) if opens else None
    before = float(way[start].scores[k])
    terms = (
        Term("ln prior", math.log(before), f"believed {before:.6f} before them" if said else f"believed {before:.6f}"),
        Term("ln-likelihood", math.fsum(own for own, _, _ in steps), many, likely),
        Term(
            "switching", math.fsum(moved for _, _, moved in steps), f"the pen passes once in {1 / switch:,.0f} tokens"
        ),
        Term("−ln Z", -math.fsum(z for _, z, _ in steps), "what all expected of the same tokens"),
    )
    return Explanation(name, context, "log", terms, math.log(float(way[-1].scores[k])))


def _step(believed: Floats, told: Floats, k: int, switch: float) -> tuple[float, float, float]:
    """ln p of a token under member k, ln Z, and how much the chance that the pen passes moved ln w."""
    if np.isneginf(told).all():
        told = np.zeros_like(told)
    joint = believed * np.exp(told - told.max())
    z = math.log(float(joint.sum())) + float(told.max())
    wrote = float(joint[k] / joint.sum())
    others = len(told) - 1
    moved = math.log1p(-switch + switch / others * (1 - wrote) / wrote) if others else 0.0
    return float(told[k]), z, moved


def _peak(judged: Callable[[float], float], low: float, high: float) -> float:
    """Where a function has its peak between two numbers, if it has one there (Kiefer, 1953)."""
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = judged(left), judged(right)
    while high - low > PRECISE:
        if at_left >= at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = judged(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = judged(right)
    return (low + high) / 2


def _proportions(prior: object) -> dict[str, float]:
    if not isinstance(prior, Mapping) or not prior:
        raise InputError(f'Expected a prior by name, such as {{"sea": 2, "law": 1}}, got {prior!r}.')
    found: dict[str, float] = {}
    for name, weight in cast("Mapping[object, object]", prior).items():
        if not isinstance(name, str) or not 0 < number(weight) < math.inf:
            raise InputError(f"The prior of {name!r} must be a finite number above 0, got {weight!r}.")
        found[name] = number(weight)
    return found
