"""Inverse control: which faders to move, and how little, so that a token or a text becomes as likely as wished.

    minimise ‖w − w₀‖   where   p_w(token | prompt) = probability,   or   perplexity_w(documents) = perplexity

Distances are Euclidean, between shares that sum to 1 in a linear pool and between exponents in a log pool.  The search
and what it proves stand in `nearest_weights`; here stand the question, as a mean log-likelihood, and the answer: the
mix, what had to move, and what else moved with it.  Where no weights will do, the answer is the most that they can.
"""

import math
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, cast

import numpy as np

from polyloom.compose.fitting import TRACE
from polyloom.compose.nearest_weights import Nearest, nearest_weights
from polyloom.compose.optimise import some_text
from polyloom.documents import Documents
from polyloom.errors import InputError
from polyloom.model import Prompt, Token
from polyloom.real import real

if TYPE_CHECKING:
    from polyloom.compose.fitting import Evidence
    from polyloom.compose.layered import Layered

BESIDE = 5  # effects beside the wanted one that are told
PROVED = 1e-3  # of a distance: if nothing is nearer by more, this is the smallest change
TINY = 1e-300  # the smallest probability that can be asked for
LARGE = 700.0  # nats: beyond it no float holds the exponential


@dataclass(frozen=True)
class Effect:
    """What else changed: the probability of another token, or the perplexity of one of several documents."""

    name: str
    before: float
    after: float


@dataclass(frozen=True, eq=False)
class Reach:
    """The answer of `Layered.reach`: `mix` at the nearest weights found, or at the closest ones if not `reached`.

    `target`, `before` and `after` are probabilities or perplexities, as asked; `change` is how far each layer's share
    (or exponent) moved, `distance` all of it together, and no weights nearer than `least` will do.  `most` is the
    furthest that any weights were found to come towards the target, and `bound` what none can pass.  `beside` holds the
    side effects, largest first: other likely tokens, or documents.  `box` is the range of each weight that was
    considered, None if all were.
    """

    mix: "Layered"
    what: str
    target: float
    before: float
    after: float
    reached: bool
    most: float
    bound: float
    change: dict[str, float]
    distance: float
    least: float
    beside: tuple[Effect, ...]
    box: tuple[tuple[float, float], ...] | None

    @property
    def certified(self) -> bool:
        """Whether it is proved that no smaller change will do, or that no weights will."""
        if self.reached:
            return self.distance - self.least <= PROVED * self.distance
        return (self.bound < self.target) == (self.before < self.target)

    def __str__(self) -> str:
        head = f"{self.what}: {self.before:.4g} → {self.after:.4g}, {self._said()}"
        weights = self.mix.weights
        moved = [f"  {name}  {step:+.4f} to {weights[name]:.4g}" for name, step in self.change.items() if step]
        beside = [f"  {one.name}  {one.before:.4g} → {one.after:.4g}" for one in self.beside]
        return "\n".join([head, *moved, *(["beside it", *beside] if beside else [])])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = "".join(
            _row(name, f"{step:+.4f}", f"{self.mix.weights[name]:.4g}") for name, step in self.change.items()
        )
        beside = "".join(_row(one.name, f"{one.before:.4g}", f"→ {one.after:.4g}") for one in self.beside)
        head = f"<b>{escape(self.what)}</b>: {self.before:.4g} → <b>{self.after:.4g}</b>, {escape(self._said())}"
        rows = _row("fader", "moved by", "now at") + rows
        beside = beside and _row("beside it", "before", "after") + beside
        return f"<div>{head}<table style='font-variant-numeric:tabular-nums'>{rows}{beside}</table></div>"

    def _said(self) -> str:
        if not self.reached:
            word = "most" if self.target > self.before else "least"
            what = f"unreachable{self._within()}" if self.certified else "not reached"
            return f"{self.target:.4g} is {what}: the {word} is {self.most:.4g}"
        how = "no smaller change will do" if self.certified else "no smaller change was found"
        return f"as wished; moved by {self.distance:.4f}, {how}"

    def _within(self) -> str:
        if self.box is None:
            return ""
        return f" with weights from {min(low for low, _ in self.box):g} to {max(high for _, high in self.box):g}"


def reach(mix: "Layered", text: Documents | Prompt, token: object, probability: object, perplexity: object) -> Reach:
    """See `Layered.reach`."""
    if perplexity is None and token is not None and probability is not None:
        return _token(mix, cast("Prompt", text), cast("Token", token), real("probability", probability, TINY, 1.0))
    if perplexity is not None and token is None and probability is None:
        return _text(mix, cast("Documents", text), real("perplexity", perplexity, 1.0))
    raise InputError(
        'Say what to reach: token="moon" with probability=0.3 after a prompt, or perplexity=40 of documents; '
        f"got token={token!r}, probability={probability!r}, perplexity={perplexity!r}."
    )


def _token(mix: "Layered", prompt: Prompt, token: Token, wanted: float) -> Reach:
    chosen, pieces = mix.token_id(token), mix.vocabulary.pieces
    rows = np.stack([place.distribution() for place in mix.begin(prompt).members])  # (K, V)
    found = _found(mix, mix.pooling.evidence.at(rows, chosen), math.log(wanted))
    before, after = (
        np.exp(mix.pooling.mixed([(w, row) for w, row in zip(weights.tolist(), rows, strict=True) if w]))
        for weights in (mix.factors, found.weights)
    )
    likely: list[int] = np.argsort(-np.maximum(before, after), kind="stable")[: BESIDE + 1].tolist()
    beside = [Effect(pieces[k], float(before[k]), float(after[k])) for k in likely if k != chosen]
    given = wanted, float(before[chosen]), float(after[chosen])
    return _answer(mix, found, f"p({pieces[chosen]})", given, beside[:BESIDE], 1)


def _text(mix: "Layered", documents: Documents, wanted: float) -> Reach:
    given = some_text("Reaching a perplexity", documents, mix.vocabulary)
    evidence = mix.pooling.evidence.read(list(mix.models.values()), given)
    found = _found(mix, evidence, -math.log(wanted))
    before, after = evidence.scores(mix.factors), evidence.scores(found.weights)
    cuts = np.cumsum([len(ids) for ids in given])[:-1]
    parts = zip(*(np.split(one, cuts) for one in (before, after)), strict=True)
    means = [(-float(b.mean()), -float(a.mean())) for b, a in parts]
    moved = sorted(enumerate(means, 1), key=lambda one: -abs(one[1][1] - one[1][0]))[:BESIDE]
    beside = [Effect(f"document {n}", _exp(b), _exp(a)) for n, (b, a) in moved] if len(means) > 1 else []
    return _answer(
        mix, found, "perplexity", (wanted, _exp(-float(before.mean())), _exp(-float(after.mean()))), beside, -1
    )


def _found(mix: "Layered", evidence: "Evidence", target: float) -> Nearest:
    found = nearest_weights(evidence.judge, mix.factors, target, evidence.region(mix.factors), evidence.flat)
    return found if found.weights.any() else replace(found, weights=np.full_like(found.weights, TRACE))


def _answer(
    mix: "Layered", found: Nearest, what: str, values: tuple[float, float, float], beside: list[Effect], sign: int
) -> Reach:
    """The search's answer in the caller's terms; `sign` −1 where what is asked falls as F rises."""
    target, before, after = values
    weights = mix.pooling.like(found.weights, list(mix.weights.values())).tolist()
    return Reach(
        mix=mix.with_weights(dict(zip(mix.layers, weights, strict=True))),
        what=what,
        target=target,
        before=before,
        after=after,
        reached=found.reached,
        most=_exp(sign * found.most),
        bound=_exp(sign * found.bound),
        change=dict(zip(mix.layers, (found.weights - mix.factors).tolist(), strict=True)),
        distance=found.distance,
        least=found.least,
        beside=tuple(beside),
        box=mix.pooling.evidence.box(mix.factors),
    )


def _exp(value: float) -> float:
    return math.exp(value) if value < LARGE else math.inf


def _row(name: str, value: str, rest: str) -> str:
    return f"<tr><th style='text-align:left'>{escape(name)}</th><td>{value}</td><td>{rest}</td></tr>"
