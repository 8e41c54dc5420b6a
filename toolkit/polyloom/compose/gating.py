"""What a gate between models goes by, and how it is fitted to text.

    shares = (1 − floor) · softmax(φ · weights) + floor / K

φ is 1 and, of each of the K members, how sure it is of its own guesses here: the two numbers of `confidence`.  Gate and
fit are those of association models (`polyloom.association.gate`), with members for components.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from polyloom.association.gate import ENOUGH, FLOOR, Gate
from polyloom.compose.certificate import GateCertificate
from polyloom.compose.confidence import along
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.mixture import mixture_weights
from polyloom.model import Floats, LanguageModel

PIECE, ASIDE = 64, 51  # tokens that are kept aside together or not at all; how many pieces are, of 256
STEADY = 1e-6  # what varies by less is the same everywhere
FAINT = 1e-300  # beside the likeliest member: as good as nothing, and it has a logarithm


def numbers(members: int) -> int:
    """How many numbers φ has."""
    return 1 + 2 * members


def features(confidences: Sequence[Floats]) -> Floats:
    """φ at each place, float64 (n, 1 + 2 K), of the members' confidence, each (n, 2)."""
    return np.concatenate([np.ones((len(confidences[0]), 1)), *confidences], axis=1)


def even(members: int) -> Gate:
    """The gate under which all members speak equally loudly everywhere."""
    return Gate.constant(numbers(members), np.full(members, 1 / members))


def evidence(models: Sequence[LanguageModel], ids: Ids) -> tuple[Floats, Floats]:
    """ln p of each token under each member, float64 (K, T), and φ at its place, float64 (T, 1 + 2 K)."""
    scores, confidences = zip(*(along(model, ids) for model in models), strict=True)
    return np.stack(scores), features(confidences)


def fitted(models: Sequence[LanguageModel], documents: Sequence[Ids], unknown: int) -> tuple[Gate, GateCertificate]:
    """The gate that makes documents likely, and how good it is.

    It is one that depends on φ if such a gate, fitted to four fifths of the text, is better on the rest than the best
    shares that are the same everywhere; else it has such shares.  The rest is chosen by its content.
    """
    found = [evidence(models, ids) for ids in documents]
    scores, known = np.concatenate([s for s, _ in found], axis=1), np.concatenate([k for _, k in found])
    best = scores.max(0)
    if not np.isfinite(best).all():
        raise InputError("The text holds a token that no member gives any chance: no gate can explain it.")
    parts = np.maximum(np.exp(scores - best), FAINT)  # (K, T), each place scaled by its likeliest member
    aside = np.concatenate([_aside(ids) for ids in documents])

    def judged(gate: Gate, where: NDArray[np.bool_]) -> float:
        return float((np.log((gate.shares(known[where]).T * parts[:, where]).sum(0)) + best[where]).mean())

    everywhere, trial = np.ones_like(aside), None
    if min(np.count_nonzero(aside), np.count_nonzero(~aside)) >= ENOUGH:
        fixed, free = _fits(parts[:, ~aside], known[~aside])
        trial = judged(fixed, aside), judged(free, aside)
    fixed, free = _fits(parts, known)
    before, after = judged(fixed, everywhere), judged(free, everywhere)
    kept = trial is not None and trial[1] > trial[0] and after > before
    certificate = GateCertificate(after if kept else before, before, trial, len(best), int(aside.sum()), unknown)
    return free if kept else fixed, certificate


def _aside(ids: Ids) -> NDArray[np.bool_]:
    """Which tokens a trial is judged by, by the content of the piece in which they stand."""
    pieces = [ids[start : start + PIECE] for start in range(0, len(ids), PIECE)]
    chosen = [hashlib.sha256(piece.tobytes()).digest()[0] < ASIDE for piece in pieces]
    return np.repeat(np.array(chosen, np.bool_), [len(piece) for piece in pieces])


def _fits(parts: Floats, known: Floats) -> tuple[Gate, Gate]:
    """The best gate whose shares are the same everywhere, and one whose shares depend on φ."""
    shares = (1 - FLOOR) * mixture_weights(np.log(parts)) + FLOOR / len(parts)
    fixed = Gate.constant(known.shape[1], shares)
    middle, width = known.mean(0), known.std(0)
    middle[0], width[width < STEADY] = 0.0, 1.0
    free = fixed.fit(parts, (known - middle) / width)
    weights = free.weights / width[:, None]
    weights[0] -= middle @ weights
    return fixed, replace(free, weights=weights)
