"""How sure a model is of its own guesses at a place: two numbers that any distribution gives.

    −Σ_y p(y) ln p(y)      its entropy in nats: how widely it spreads its guesses
    max_y ln p(y)          how much it makes of the best one

They say nothing of which tokens these are.  Most models have to be asked for their whole row, float64 (V,); association
models know both from the tokens that their rows name and the unigrams below.
"""

import numpy as np

from polyloom.association.continuation import AssociationContinuation
from polyloom.association.model import AssociationModel
from polyloom.documents import Ids
from polyloom.model import Continuation, Floats, LanguageModel

STRIP = 2**18  # bytes of rows that are read together: they should stay in the processor's cache


def of_rows(rows: Floats) -> Floats:
    """Both numbers, float64 (n, 2), of log-probabilities (n, V)."""
    found, step = np.empty((len(rows), 2)), max(1, STRIP // (8 * rows.shape[1]))
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        with np.errstate(invalid="ignore"):
            parts = np.exp(some) * some
        if np.isneginf(some.min()):
            np.nan_to_num(parts, copy=False, nan=0.0)  # 0 · ln 0, of what is impossible
        found[start : start + step, 0], found[start : start + step, 1] = -parts.sum(-1), some.max(-1)
    return found


def at_place(place: Continuation) -> Floats:
    """Both numbers of what may come next, float64 (2,)."""
    if isinstance(place, AssociationContinuation):
        found = place.model.panel.confidence(place.tokens, place.seen()[None])
        if found is not None:
            return found
    return of_rows(place.distribution()[None])[0]


def along(model: LanguageModel, ids: Ids) -> tuple[Floats, Floats]:
    """ln p of each token, float64 (T,), and both numbers before it, float64 (T, 2)."""
    if isinstance(model, AssociationModel):
        return model.log_likelihood(ids), _counted(model, ids)
    scores, found, start = np.empty(len(ids)), np.empty((len(ids), 2)), 0
    for rows in model.log_probs(ids):
        part = slice(start, start + len(rows))
        scores[part], found[part] = rows[np.arange(len(rows)), ids[part]], of_rows(rows)
        start += len(rows)
    return scores, found


def _counted(model: AssociationModel, ids: Ids) -> Floats:
    seen, found = np.ascontiguousarray(model.seen(ids).T), np.empty((len(ids), 2))  # (T, levels)
    for at in range(len(ids)):
        known = model.panel.confidence(ids[:at], seen[at : at + 1])
        found[at] = at_place(model.begin(ids[:at])) if known is None else known
    return found
