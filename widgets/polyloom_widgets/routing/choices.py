"""Who was chosen: one table of scores for each thing that chooses, whatever it is.

    mixture     a layer of a transformer: p of every expert for each token; k are chosen by p + bias
    members     a `Routed` mix: the share of every member before each token; whoever has a share speaks
    router      a `Router`: one row, the probability of every expert for the whole text; below a threshold none

    margin      how much the last one chosen leads the best one passed over: the flip distance, in units of the score
    load        each one's part in all choices (mixture) or in all shares; it sums to 1
    entropy     of a row's scores, made to sum to 1, in bits

Shapes: Q rows, E experts.
"""

from dataclasses import dataclass
from typing import Any, Literal, cast, final

import numpy as np
from numpy.typing import NDArray

from polyloom.compose.routed import Routed
from polyloom.compose.routing.router.router import Router
from polyloom.errors import InputError
from polyloom.model import Prompt
from polyloom.tokens.spans import spans

Floats = NDArray[np.float32]
Kind = Literal["mixture", "members", "router"]


@final
@dataclass(frozen=True, eq=False)
class Choices:
    """See the module; `layer` is that of a mixture, `active` how many it chooses (0: all that have a share)."""

    kind: Kind
    name: str
    experts: tuple[str, ...]
    scores: Floats  # (Q, E)
    biases: Floats  # (E,)
    active: int = 0
    layer: int = -1
    threshold: float = 0.0

    def chosen(self, moved: Floats | None = None) -> NDArray[np.bool_]:
        """Who speaks in each row, (Q, E), with so much added to the biases."""
        if not self.active:
            return self.scores > 0
        wanted = self.scores + self.biases + (0 if moved is None else moved)
        ranks = np.argsort(np.argsort(-wanted, axis=1, kind="stable"), axis=1)
        return ranks < self.active

    @property
    def load(self) -> Floats:
        """(E,), sums to 1."""
        parts = self.chosen() if self.active else self.scores
        return (parts.sum(0) / max(float(parts.sum()), 1e-30)).astype(np.float32)

    @property
    def margins(self) -> Floats:
        """(Q,), infinite where nobody was passed over."""
        wanted: Floats = -np.sort(-(self.scores + self.biases), axis=1)
        last = self.active or 1
        if last >= wanted.shape[1]:
            return np.full(len(wanted), np.inf, np.float32)
        return wanted[:, last - 1] - wanted[:, last]

    @property
    def entropy(self) -> Floats:
        """(Q,), bits."""
        whole = self.scores / np.maximum(self.scores.sum(1, keepdims=True), 1e-30)
        return -(whole * np.log2(np.maximum(whole, 1e-30))).sum(1).astype(np.float32)


def choices(model: Any, text: Prompt) -> tuple[tuple[str, ...], list[Choices]]:
    """The tokens of a text, and the tables of what chose while it was read; InputError where nothing chooses."""
    if isinstance(model, Router):
        return _of_router(model, text)
    if isinstance(model, Routed):
        return _of_members(model, text)
    if not hasattr(model, "capture"):
        raise InputError(
            f"Nothing chooses in {type(model).__name__}: expected a transformer with experts, a Routed mix or a Router."
        )
    return _of_mixtures(model, text)


def _of_mixtures(model: Any, text: Prompt) -> tuple[tuple[str, ...], list[Choices]]:
    captured = model.capture(text)
    if not captured.routing:
        raise InputError("This transformer has no mixture of experts: every token goes through all of it.")
    tables = [
        Choices(
            "mixture", f"layer {one.layer}", tuple(f"expert {n}" for n in range(one.probabilities.shape[1])),
            one.probabilities.astype(np.float32), _biases(model, one.layer), one.chosen.shape[1], one.layer,
        )
        for one in captured.routing
    ]  # fmt: skip
    return captured.pieces, tables


def _biases(model: Any, layer: int) -> Floats:
    return cast("Floats", model.decoder.mixtures[layer].router.bias.detach().cpu().numpy().astype(np.float32))


def _of_members(model: Routed, text: Prompt) -> tuple[tuple[str, ...], list[Choices]]:
    ids = model.ids(text)
    if not len(ids):
        raise InputError("There is nothing to route: the text is empty.")
    shares, names = model.spoken(ids).astype(np.float32), tuple(model.models)
    table = Choices("members", "members", names, shares, np.zeros(len(names), np.float32))
    return tuple(spans(model.vocabulary, ids.tolist())), [table]


def _of_router(router: Router, text: Prompt) -> tuple[tuple[str, ...], list[Choices]]:
    if not isinstance(text, str):
        raise InputError(f"A router reads text, got {type(text).__name__}.")
    found = router.route(text)
    scores = np.array([list(found.scores.values())], np.float32)
    none = np.zeros(scores.shape[1], np.float32)
    return (text,), [Choices("router", "router", tuple(found.scores), scores, none, threshold=router.threshold)]
