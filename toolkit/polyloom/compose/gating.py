"""What a gate between models goes by, and how it is fitted to text.

    shares = (1 − floor) · softmax(φ · weights) + floor / K

φ is 1 and, of each of the K members, two numbers that any model's own distribution gives: its entropy in nats (how
widely it spreads its guesses) and the logarithm of its largest probability (how much it makes of the best one).  They
say who knows something *here*, and never which words it is about.  Gate and fit are those of association models
(`polyloom.association.gate`), with members for components.

Members give whole rows of log-probabilities, (n, V).  They are read in strips that stay in the processor's cache.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from polyloom.association.gate import ENOUGH, FLOOR, Gate
from polyloom.compose.certificate import GateCertificate
from polyloom.documents import Ids
from polyloom.em import mixture_weights
from polyloom.errors import InputError
from polyloom.model import Floats, LanguageModel

STRIP = 2**18  # bytes of rows that are read together
PIECE, TESTED = 64, 51  # tokens that are kept aside together or not at all; how many pieces are, of 256
STEADY = 1e-6  # what varies by less is the same everywhere
FAINT = 1e-300  # beside the likeliest member: as good as nothing, and it has a logarithm


def numbers(members: int) -> int:
    """How many numbers φ has."""
    return 1 + 2 * members


def features(rows: Sequence[Floats], chances: Sequence[Floats]) -> Floats:
    """φ at each place, float64 (n, 1 + 2 K), of each member's log-probabilities (n, V) and their exponentials."""
    found = np.ones((len(rows[0]), numbers(len(rows))))
    for n, (row, chance) in enumerate(zip(rows, chances, strict=True)):
        with np.errstate(invalid="ignore"):
            parts = chance * row
        if np.isneginf(row.min()):
            np.nan_to_num(parts, copy=False, nan=0.0)  # 0 · ln 0, of what is impossible
        found[:, 1 + 2 * n], found[:, 2 + 2 * n] = -parts.sum(-1), row.max(-1)
    return found


def strips(models: Sequence[LanguageModel], ids: Ids) -> Iterator[tuple[slice, list[Floats]]]:
    """The rows of all members for a few tokens, and which tokens these are."""
    start = 0
    for blocks in zip(*(model.log_probs(ids) for model in models), strict=True):
        size, step = len(blocks[0]), max(1, STRIP // (8 * blocks[0].shape[1]))
        for first in range(0, size, step):
            last = min(first + step, size)
            yield slice(start + first, start + last), [block[first:last] for block in blocks]
        start += size


def evidence(models: Sequence[LanguageModel], ids: Ids) -> tuple[Floats, Floats]:
    """ln p of each token under each member, float64 (K, T), and φ at its place, float64 (T, 1 + 2 K)."""
    scores, known = np.empty((len(models), len(ids))), np.empty((len(ids), numbers(len(models))))
    for part, rows in strips(models, ids):
        targets = ids[part]
        scores[:, part] = [row[np.arange(len(targets)), targets] for row in rows]
        known[part] = features(rows, [np.exp(row) for row in rows])
    return scores, known


def even(members: int) -> Gate:
    """The gate under which all members speak equally loudly everywhere."""
    return Gate.constant(numbers(members), np.full(members, 1 / members))


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
    chosen = [hashlib.sha256(piece.tobytes()).digest()[0] < TESTED for piece in pieces]
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
