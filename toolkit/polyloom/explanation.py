"""An explanation is a tree whose every node sums.

A node has a **scale** and terms that add up on it:

    probability     p = Σ contribution
    log             ln p = Σ contribution, in nats, with − ln Z a term of its own
    logit           ln p = Σ of what each part adds to the token's logit, the bend of a soft-cap, and − logsumexp

A term may open as a child, a node of its own whose total is on its own scale: a layer that gives 0.4 of its probability
to a mix opens as *its* account of that probability.  Between two scales nothing is redistributed: a child on another
scale than its parent keeps its own numbers.  On `logit` a part of a network may open into smaller ones: its total is
then a part of the logit, and no probability; so is what one model adds to the score of another.  The total is computed
apart from the terms, so the **residual**, total − Σ terms, shows rounding and nothing else; no term is ever found by
subtraction.

    lullabies  0.214 = n-gram 0.190 + skips 0.024          each of which opens in the same way

Who may speak at all can be a decision, of a router.  It is a term that `decides`: it adds nothing, and opens into the
account of the decision, on the scale of whoever took it.

An explanation is a value: it holds no model, except that a leaf made of counts can still fetch the training lines it
counted (`Term.evidence`).
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Literal

from polyloom.errors import InputError

Scale = Literal["probability", "log", "logit"]
SMALL = 0.01  # of the whole: smaller terms are printed as one
SOFT_CAP, LOGSUMEXP = "soft-cap", "− logsumexp"  # on `logit`, what belongs to all tokens and to no part of the network


@dataclass(frozen=True)
class Passage:
    """A place in the training text: what stood before a token, the token, what came after, and in which document.

    What stands around it is as typed, with its spaces and line breaks.
    """

    before: str
    token: str
    after: str
    document: int

    def __str__(self) -> str:
        return f"… {self.before}[{self.token}]{self.after} …".replace("\n", " / ")


Finder = Callable[[int], tuple[Passage, ...]]


@dataclass(frozen=True)
class Term:
    """One summand: `contribution` on the scale of the explanation it stands in, `detail` in words, perhaps a child."""

    name: str
    contribution: float
    detail: str = ""
    child: "Explanation | None" = None
    find: Finder | None = field(default=None, repr=False, compare=False)
    decides: bool = False

    def evidence(self, limit: int = 2) -> tuple[Passage, ...]:
        """Up to `limit` training lines that this term counted; empty if it counted none.

        Raises InputError if the model did not keep its text, or if the term opens into others that did the counting.
        """
        if self.find is not None:
            return self.find(limit)
        if self.child is not None:
            raise InputError(f"The term {self.name!r} opens: ask the terms of its child for evidence.")
        return ()


@dataclass(frozen=True)
class Explanation:
    """Why a token has the probability it has: `total` (float64) on its scale, and the terms that make it up."""

    piece: str
    context: str
    scale: Scale
    terms: tuple[Term, ...]
    total: float
    against: str | None = None  # the other piece, if this explains a difference

    @property
    def residual(self) -> float:
        """What rounding left over: total − Σ terms."""
        told = math.fsum(term.contribution for term in self.terms)
        return 0.0 if told == self.total else self.total - told  # −∞ − −∞ is no number

    @property
    def probability(self) -> float:
        """The token's probability, whatever the scale; InputError for a difference and a part of a logit."""
        if self.against is not None:
            raise InputError(f"{self._what()!r} is a difference on the scale {self.scale!r}: read its total.")
        if _is_part(self):
            raise InputError(f"This is a part of the logit of {self.piece!r}: read its total.")
        return self.total if self.scale == "probability" else math.exp(self.total)

    def shares(self) -> dict[str, float]:
        """Who speaks for the token, by name of the term: parts of 1, or all 0 where nothing speaks for it.

        On `probability` the part of each term.  On `log`, where terms are exponents and no parts, the probability that
        each layer with a positive weight gives the token alone, compared with the others; where no term opens, the part
        of each positive term.  On `logit` the part of each positive term, without − logsumexp and the soft-cap.
        """
        return parts(_voices(self))

    def evidence(self, limit: int = 2) -> tuple[Passage, ...]:
        """Training lines of the largest counting term, however deep; empty if that term counted none."""
        return _strongest(self).evidence(limit) if self.terms else ()

    def __str__(self) -> str:
        lines = [f'{self._what()!r} after "{self.context}": {self._how_much()}']
        for depth, value, name, detail in _table(self):
            lines.append(f"{'  ' * depth}  {value:.6f}  {name}{': ' * bool(detail)}{detail}")
        lines.append(f"residual {abs(self.residual):.6f}")
        return "\n".join([*lines, *(f"seen: {passage}" for passage in _known_evidence(self))])

    __repr__ = __str__

    def _what(self) -> str:
        return self.piece if self.against is None else f"{self.piece} rather than {self.against}"

    def _how_much(self) -> str:
        if self.against is not None:
            return f"difference of {self.scale} {self.total:+.6f}"
        plain = self.scale == "probability" or _is_part(self)
        return f"{self.scale} {self.total:.6f}" + ("" if plain else f" (p {self.probability:.6f})")

    def _repr_html_(self) -> str:
        rows = "".join(_row(*row) for row in _table(self))
        seen = "".join(f"<li>{escape(str(passage))}</li>" for passage in _known_evidence(self))
        head = f"<b>{escape(self._what())}</b> after “{escape(self.context)}”: <b>{self._how_much()}</b>"
        foot = f"residual {abs(self.residual):.6f}" + (f"<ul>{seen}</ul>" if seen else "")
        return f"<div>{head}<table style='font-variant-numeric:tabular-nums'>{rows}</table>{foot}</div>"


def parts(voices: Mapping[str, float]) -> dict[str, float]:
    """How loud each voice is, as parts of 1; all 0 where all are silent."""
    whole = math.fsum(voices.values())
    return {name: value / whole if whole else 0.0 for name, value in voices.items()}


def difference(ours: Explanation, theirs: Explanation) -> Explanation:
    """Why one token is likelier than another: the difference of two explanations by the same model in the same place.

    Term stands against term, child against child, so it sums like the two it is made of.
    """
    terms = tuple(
        Term(
            name=a.name,
            contribution=a.contribution - b.contribution,
            detail=f"{ours.piece}: {a.detail or '-'}; {theirs.piece}: {b.detail or '-'}",
            child=difference(a.child, b.child) if a.child and b.child else None,
            find=a.find if a.contribution >= b.contribution else b.find,
            decides=a.decides,
        )
        for a, b in zip(ours.terms, theirs.terms, strict=True)
    )
    return replace(ours, against=theirs.piece, terms=terms, total=ours.total - theirs.total)


def _strongest(explanation: Explanation) -> Term:
    """The term that counts something itself and speaks loudest, below the loudest term of each node on the way.

    On `probability` that is the largest.  On `log` it is the layer that finds the token likeliest: the largest number
    there is that of whoever finds it least likely.
    """
    opened = [term for term in explanation.terms if (child := _account(term)) is not None and child.terms]
    if explanation.scale == "log" and opened:
        plain = explanation.against is None
        term = max(opened, key=lambda t: t.child.probability if plain and t.child else abs(t.contribution))
    else:
        term = max(explanation.terms, key=lambda t: abs(t.contribution) * (explanation.scale != "logit" or _speaks(t)))
    return _strongest(term.child) if term.child is not None and term.child.terms else term


def _known_evidence(explanation: Explanation) -> tuple[Passage, ...]:
    try:
        return explanation.evidence()
    except InputError:  # the model kept no text: a printed explanation then simply has no such lines
        return ()


def _voices(explanation: Explanation) -> dict[str, float]:
    if explanation.scale == "probability":
        return {term.name: term.contribution for term in explanation.terms if not term.decides}
    if explanation.scale == "logit":
        return {term.name: max(0.0, term.contribution) for term in explanation.terms if _speaks(term)}
    told = [(term, _account(term)) for term in explanation.terms]
    opened = {term.name: child.probability * (term.contribution < 0) for term, child in told if child is not None}
    return opened or {term.name: max(0.0, term.contribution) for term in explanation.terms}


def _account(term: Term) -> Explanation | None:
    """How a term accounts for a probability, if it opens into that and not into a part of a score."""
    return None if term.child is None or _is_part(term.child) else term.child


def _is_part(explanation: Explanation) -> bool:
    """Whether its total is a part of a score, which has no probability."""
    return explanation.scale == "logit" and all(term.name != LOGSUMEXP for term in explanation.terms)


def _speaks(term: Term) -> bool:
    """Whether a term on `logit` is a part of the network."""
    return term.name not in (SOFT_CAP, LOGSUMEXP)


def _whole(explanation: Explanation) -> float:
    """What a term is small beside: the total, or on `logit`, where large terms make a small total, all of them."""
    if explanation.scale != "logit":
        return abs(explanation.total)
    return math.fsum(abs(term.contribution) for term in explanation.terms)


def _table(
    explanation: Explanation, scale: float = 1.0, depth: int = 0, least: float | None = None
) -> Iterator[tuple[int, float, str, str]]:
    """Depth, number, name and detail of each term worth printing, largest first.

    Numbers are on the top's scale; where a child changes the scale they begin anew on the child's, which its first row
    says.  Terms under a hundredth of the whole are summed up in one row, so that a printed receipt fits a screen.
    """
    least = SMALL * _whole(explanation) if least is None else least
    ordered = sorted(explanation.terms, key=lambda term: -abs(term.contribution))
    large = [term for term in ordered if term.decides or abs(scale * term.contribution) >= least]
    for term in large:
        yield depth, scale * term.contribution, term.name, term.detail
        yield from _opened(explanation, term, scale, depth, least)
    small = [scale * t.contribution for t in ordered if not t.decides and abs(scale * t.contribution) < least]
    if small:
        yield depth, math.fsum(small) + 0.0, f"{len(small)} smaller term{'s' * (len(small) > 1)}", ""


def _opened(
    parent: Explanation, term: Term, scale: float, depth: int, least: float
) -> Iterator[tuple[int, float, str, str]]:
    child = term.child
    if child is None or not child.total:
        return
    if child.scale == parent.scale and not term.decides:
        yield from _table(child, scale * term.contribution / child.total, depth + 1, least)
    elif term.contribution or term.decides:
        yield depth + 1, child.total, child.scale, f"how {term.name} accounts for it, on its own scale"
        yield from _table(child, 1.0, depth + 2)


def _row(depth: int, value: float, name: str, detail: str) -> str:
    label = f"<td style='text-align:left;padding-left:{1.5 * depth + 0.5}em'>{escape(name)}</td>"
    return f"<tr>{label}<td>{value:.6f}</td><td style='text-align:left'>{escape(detail)}</td></tr>"
