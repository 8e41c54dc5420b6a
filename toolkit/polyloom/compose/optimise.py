"""Weights that a text chooses: the best of all layers, and of as few as will do.

    fit      the weights under which the text is likeliest
    prune    the fewest layers, found one by one, under whose best weights it is nearly as likely

Pruning leaves out the layer without which the best weights of the others lose least, then the next, as long as the text
loses no more than was allowed: backward elimination.  What it lost is certain, since the best weights of all layers are
known to within their duality gap; that no other choice would have kept even fewer layers is not.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from polyloom.compose.certificate import Certificate, PruneCertificate
from polyloom.compose.fitting import Evidence, Fit
from polyloom.concave import TOLERANCE
from polyloom.documents import Documents, Ids, encoded
from polyloom.errors import InputError
from polyloom.model import Floats
from polyloom.progress import Meter
from polyloom.real import real
from polyloom.tokens.vocabulary import Vocabulary

if TYPE_CHECKING:
    from polyloom.compose.layered import Layered

Found = tuple[dict[str, float], Certificate]  # weights by layer, in order


def fit(mix: "Layered", documents: Documents) -> Found:
    """The weights of all layers that make documents likeliest; see `Layered.fit_weights`."""
    given = some_text("Fitting weights", documents, mix.vocabulary)
    found = mix.pooling.evidence.read(list(mix.models.values()), given).fit(mix.factors)
    certificate = Certificate(found.objective, found.gain, *_counts(given, mix), found.rounds, found.box)
    return dict(zip(mix.layers, found.weights.tolist(), strict=True)), certificate


def prune(mix: "Layered", documents: Documents, loss: float) -> Found:
    """The weights of the layers that stay; see `Layered.prune`."""
    given = some_text("Pruning", documents, mix.vocabulary)
    allowed = real("loss", loss, 0.0)
    evidence = mix.pooling.evidence.read(list(mix.models.values()), given)
    full = evidence.fit(mix.factors)
    kept, best = _fewest(evidence, mix.factors, full, allowed)
    names = list(mix.layers)
    certificate = PruneCertificate(
        best.objective, best.gain, *_counts(given, mix), best.rounds, best.box,
        dropped=tuple(name for k, name in enumerate(names) if k not in kept),
        cost=max(0.0, full.objective + full.gain - best.objective),
    )  # fmt: skip
    return dict(zip([names[k] for k in kept], best.weights.tolist(), strict=True)), certificate


def some_text(what: str, documents: Documents, vocabulary: Vocabulary) -> list[Ids]:
    """The documents that hold a token; InputError if there is none."""
    given = [ids for ids in encoded(documents, vocabulary) if len(ids)]
    if not given:
        raise InputError(f"{what} needs at least one token; the documents hold none.")
    return given


def _fewest(evidence: Evidence, start: Floats, full: Fit, allowed: float) -> tuple[list[int], Fit]:
    """The layers that stay, and their best weights."""
    kept, best = list(range(len(start))), full
    least = full.objective - allowed - TOLERANCE
    with Meter("fits") as meter:
        while len(kept) > 1:
            fewer = _without(kept, best)
            tried = [(fewer, _refit(evidence, fewer, start))] if len(fewer) < len(kept) else []
            for layer in kept if not tried else []:
                others = [k for k in kept if k != layer]
                tried.append((others, _refit(evidence, others, start)))
                meter.add(1)
            others, found = max(tried, key=lambda one: one[1].objective)
            if found.objective < least:
                break
            kept, best = others, found
    return kept, best


def _without(kept: Sequence[int], best: Fit) -> list[int]:
    """Those that have a weight: the others can go at once."""
    return [layer for layer, weight in zip(kept, best.weights.tolist(), strict=True) if weight]


def _refit(evidence: Evidence, layers: Sequence[int], start: Floats) -> Fit:
    """The best weights of some layers; the search begins where they stood, or evenly if all of them were silent."""
    some = evidence.only(layers)
    weights = start[list(layers)]
    return some.fit(weights if weights.any() else np.ones(len(weights)) / len(weights))


def _counts(given: Sequence[Ids], mix: "Layered") -> tuple[int, int]:
    """How many tokens, and how many of them are `<unk>`."""
    return sum(map(len, given)), sum(int(np.count_nonzero(ids == mix.vocabulary.unknown)) for ids in given)
