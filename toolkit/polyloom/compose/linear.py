"""A linear mix where the layers stand: Σ_k v_k p_k(y), for every token or for the likeliest alone.

Association models are asked together, and say of most tokens nothing but a bound; any other layer gives its whole row
of log-probabilities.  The likeliest tokens of the sum come from few candidates.  Let n be the number of summands: all
association models as one, and each row.  If k tokens have at least L from one summand alone, each of the k best sums is
at least L, and so is n times its largest summand: it is among the tokens to which one of them gives L / n.

Both ways add the same numbers in the same order, so they agree to the last bit.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from polyloom.association import together
from polyloom.compose.composite import CompositeContinuation
from polyloom.model import Candidates, Continuation, Floats, best
from polyloom.whole import whole

T = TypeVar("T")
Voices = list[tuple[float, T]]

ROUNDED = 1 - 1e-9  # of a bound: more than rounding can add to a sum
FAINT = 1e-300  # a bound below this has no parts
SPARSE = 8  # if more than one token in so many is a candidate, the whole row is read


def opened(voices: Voices[Continuation]) -> Voices[Continuation]:
    """The same mix with members in the place of a composite that is a linear mix itself: a mean of means is a mean."""
    found: Voices[Continuation] = []
    for factor, place in voices:
        inner = place.summed() if isinstance(place, CompositeContinuation) else None
        found += [(factor, place)] if inner is None else [(factor * share, member) for share, member in inner]
    return [(factor, place) for factor, place in found if factor]  # a product may be too small for a float


def mixed(voices: Sequence[tuple[float | Floats, Floats]]) -> Floats:
    """ln Σ_k v_k p_k of log-probabilities (…, V), element by element: of one token as well as of all."""
    total = np.zeros_like(voices[0][1])
    for share, row in voices:
        total += share * np.exp(row)
    with np.errstate(divide="ignore"):  # of what is impossible, and of shares that are 0 at some of many places
        found = np.log(total)
        lost = total == 0  # too small for a float, though its logarithm is not
        if lost.any():
            found[lost] = np.logaddexp.reduce([(np.log(share) + row)[lost] for share, row in voices])
    return found


def distributions(voices: Voices[Continuation]) -> Voices[Floats]:
    """What each layer says comes next."""
    return [(factor, place.distribution()) for factor, place in voices]


def distribution(voices: Voices[Continuation]) -> Floats:
    """The log-probabilities of the mix, float64 (V,)."""
    voices = opened(voices)
    asked, others = together.apart(voices)
    if not asked:
        return mixed(distributions(voices))
    total = _added(together.chances(asked), distributions(others))
    return np.log(total) if total.all() else mixed(distributions(voices))


def top(voices: Voices[Continuation], k: int) -> Candidates:
    """The k likeliest tokens."""
    k = whole("k", k, 1)
    asked, others = together.apart(opened(voices))
    if asked and not others:
        alone = together.likeliest(asked, k)
        found = None if alone is None else Candidates(alone[0], np.log(alone[1]))
    else:
        found = _among_candidates(asked, others, k) if asked else None
    return best(distribution(voices), k) if found is None else found


def _among_candidates(asked: Sequence[together.Place], others: Voices[Continuation], k: int) -> Candidates | None:
    """The k likeliest, by looking at few; None if it is better to look at all."""
    rows = distributions(others)
    size, part = len(rows[0][1]), ROUNDED / (1 + len(rows))
    least = max(share * math.exp(np.partition(row, size - k)[size - k]) for share, row in rows) if k <= size else 0.0
    if least < FAINT:
        return None
    wanted = np.concatenate([np.flatnonzero(row >= math.log(part * least / share)) for share, row in rows])
    found = together.above(asked, k, (least, part), wanted) if SPARSE * len(wanted) <= size else None
    if found is None:
        return None
    tokens, at = np.unique(found[0], return_index=True)
    log_probs = np.log(_added(found[1][at], [(share, row[tokens]) for share, row in rows]))
    order = np.lexsort((tokens, -log_probs))[:k]
    return Candidates(tokens[order], log_probs[order])


def _added(total: Floats, rows: Voices[Floats]) -> Floats:
    """Σ v p on top of a sum, in its place."""
    for share, row in rows:
        total += share * np.exp(row)
    return total
