"""What may stand between two texts, by a model that reads from left to right.

    p(m | left, right)  =  p(m | left) · p(right | left, m) / Z        Z = Σ_m p(m | left) · p(right | left, m)

Both factors are the model's own, at temperature 1.  For a gap of one token the sum runs over the whole vocabulary, and
the answer is exact.  The middles of a longer gap are too many: a beam finds some (see `beam`), their two factors are
exact, and Z is the sum over what was found, marked ≈.  Of several lengths each counts as likely beforehand.

Each side is encoded alone, so a gap begins and ends between tokens and never inside a word.  All of the right side
counts, and every token of it costs a reading for each middle: a sentence is usually enough.

A model that was trained to fill in (`polyloom.train.FillInTheMiddle`) can be asked in the form that it knows.  It then
reads both sides first: p(m | left, right) is what it says itself, and `log_after` is that it ends the middle there.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.generate.beam import Found, beam, single
from polyloom.generate.told import closing, told
from polyloom.model import Floats, Prompt
from polyloom.protocols import Begins, Judges, Marks
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.whole import whole

WIDTH = 32  # beginnings that a beam goes on with
Lengths = int | Iterable[int]


@dataclass(frozen=True)
class Filling:
    """One middle: its tokens, their pieces and text, and how likely it is.

    `probability` is that among all middles that were looked at, `least` what is certain whatever the others may be;
    they are equal where all were.  `log_before` is ln p(m | left), `log_after` ln p(right | left, m).
    """

    tokens: tuple[int, ...]
    pieces: tuple[str, ...]
    text: str
    probability: float
    least: float
    log_before: float
    log_after: float


@dataclass(frozen=True)
class Middle:
    """The likeliest middles, best first, of `visited` that were looked at.

    `exact` says that these were all there are.  `log_normaliser` is ln Z over them.  All others together have at most
    `unseen` after the left side, and so would add at most that to Z: a bound that is sure, and often far too high.
    """

    candidates: tuple[Filling, ...]
    exact: bool
    visited: int
    log_normaliser: float
    unseen: float

    def __str__(self) -> str:
        sign = "=" if self.exact else "≈"
        lines = [f"{one.text!r:24} {sign} {one.probability:.4f}" for one in self.candidates]
        told = f"of all {self.visited:,}" if self.exact else f"of {self.visited:,} that were looked at"
        return "\n".join([*lines, told])


@dataclass(frozen=True, eq=False)
class Posterior:
    """All that was looked at, length by length; ln p(m | left) + ln p(right | left, m) float64 (n,), and ln Z."""

    parts: Sequence[Found]
    joint: Floats
    log_normaliser: float

    @property
    def exact(self) -> bool:
        """Whether these are all there are."""
        return all(part.complete for part in self.parts)

    @property
    def unseen(self) -> float:
        """A bound on what all others would add to Z."""
        return math.fsum(part.unseen for part in self.parts)

    def tokens(self, n: int) -> tuple[int, ...]:
        """The n-th middle."""
        part, at = self._where(n)
        return tuple(part.middles[at].tolist())

    def filling(self, n: int, vocabulary: Vocabulary) -> Filling:
        """The n-th middle, with all that is known of it."""
        part, at = self._where(n)
        tokens, log_prob = self.tokens(n), float(self.joint[n])
        pieces, text = tuple(vocabulary.pieces[token] for token in tokens), vocabulary.decode(tokens)
        probability = math.exp(log_prob - self.log_normaliser)
        least = math.exp(log_prob - np.logaddexp(self.log_normaliser, _log(self.unseen)))
        return Filling(tokens, pieces, text, probability, least, float(part.before[at]), float(part.after[at]))

    def _where(self, n: int) -> tuple[Found, int]:
        for part in self.parts:
            if n < len(part.before):
                return part, n
            n -= len(part.before)
        raise IndexError(n)


def predict_middle(
    model: Begins,
    left: Prompt,
    right: Prompt,
    k: int = 10,
    length: Lengths = 1,
    exact: bool = True,
    width: int = WIDTH,
    infill: Marks | None = None,
    form: str = "psm",
) -> Middle:
    """The k likeliest middles of `length` tokens, or of several lengths; see `LanguageModel.predict_middle`."""
    k = whole("k", k, 1)
    found = posterior(model, left, right, length, exact, width, infill, form)
    order = np.argsort(-found.joint, kind="stable")[:k]
    candidates = tuple(found.filling(n, model.vocabulary) for n in cast("list[int]", order.tolist()))
    return Middle(candidates, found.exact, len(found.joint), found.log_normaliser, found.unseen)


def posterior(
    model: Begins,
    left: Prompt,
    right: Prompt,
    length: Lengths,
    exact: bool,
    width: int,
    infill: Marks | None,
    form: str,
) -> Posterior:
    """All middles that are looked at; InputError if none of them is possible."""
    lengths, width = _lengths(length), whole("width", width, 1)
    before, after = side(model, left, "left"), side(model, right, "right")
    if infill is not None:
        before, after = told(model, before, after, infill, form, lengths[-1]), closing(model, infill)
    place = model.begin(before)
    parts = [_looked(place, after, n, exact, width) for n in lengths]
    joint = np.concatenate([part.before + part.after for part in parts])
    normaliser = float(np.logaddexp.reduce(joint))
    if normaliser == -math.inf:
        raise InputError("No middle is possible: the model gives the right side no chance, whatever comes before it.")
    return Posterior(parts, joint, normaliser)


def side(model: Begins, text: Prompt, name: str) -> Ids:
    """The ids of one side; InputError for text of which nothing is left as tokens."""
    ids = model.ids(text)
    if isinstance(text, str) and text and not len(ids):
        raise InputError(f'The {name} side {text!r} has no token in this vocabulary: give "" if nothing stands there.')
    return ids


def _looked(place: Judges, right: Ids, length: int, exact: bool, width: int) -> Found:
    if length == 1:
        return single(place, right, None if exact else width)
    return beam(place, right, length, width, exact)


def _lengths(length: Lengths) -> list[int]:
    """The lengths asked for, rising, each once."""
    given = list(length) if isinstance(length, Iterable) and not isinstance(length, str) else [length]
    if not given:
        raise InputError("length must be a number of tokens, or several; got none.")
    return sorted({whole("length", one, 1) for one in given})


def _log(value: float) -> float:
    return math.log(value) if value else -math.inf
