"""What a cascade brings and what it costs, measured: the quality and the speed at each threshold.

A text is read token by token, as it would be written; what is asked at each place is the distribution.  The same pass
gives all three figures, so none of them is about another way of asking than the others.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from polyloom.compose.composite import named_members
from polyloom.compose.routed import Routed
from polyloom.compose.routing.cascade import Cascade
from polyloom.documents import Documents, Ids, encoded
from polyloom.errors import InputError
from polyloom.model import LanguageModel


@dataclass(frozen=True)
class CascadePoint:
    """One threshold, in nats: the share of the tokens that the large one spoke for; nats and seconds a token."""

    threshold: float
    share: float
    loss: float
    seconds: float

    def __str__(self) -> str:
        return (
            f"above {self.threshold:.3f} nats: {self.share:6.1%} to the large one, {self.loss:.4f} nats a token, "
            f"{1e6 * self.seconds:,.0f} µs a token"
        )


def cascade_curve(
    members: Mapping[str, LanguageModel], documents: Documents, thresholds: Iterable[float]
) -> list[CascadePoint]:
    """A table of what each threshold gives on this text; the members are the small one and the large one, in order.

    `Cascade.fit_threshold` gives the threshold of a budget; fit it to other text than this.  Infinity is the small one
    alone.  Raises InputError unless there are two members, and if the documents hold no token.
    """
    named = named_members(members)
    if len(named) != 2:
        raise InputError(f"A cascade has a small member and a large one, in this order; got {', '.join(named)}.")
    small, large = named
    texts = list(encoded(documents, named[small].vocabulary))
    if not sum(map(len, texts)):
        raise InputError("The curve needs at least one token; the documents hold none.")
    return [
        _point(Routed(Cascade(small, large, threshold), named), large, threshold, texts) for threshold in thresholds
    ]


def _point(model: Routed, large: str, threshold: float, texts: Iterable[Ids]) -> CascadePoint:
    spoken: list[float] = []
    scores: list[float] = []
    started = time.process_time()
    for ids in texts:
        place = model.begin()
        for token in ids.tolist():
            scores.append(float(place.distribution()[token]))
            spoken.append(place.weights[large])
            place.advance(token)
    seconds = time.process_time() - started
    return CascadePoint(threshold, float(np.mean(spoken)), -float(np.mean(scores)), seconds / len(scores))
