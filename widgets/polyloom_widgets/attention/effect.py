"""What a model says next with some of its heads silenced, beside what it says with all of them.

    loss      mean of −ln p(token) over the text, nats; `change` is what silencing the heads costs
    rows      the likeliest next tokens under either, each with both probabilities

The heads are taken out of a copy that shares every weight (`TransformerModel.ablate`): nobody else hears the silence.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from polyloom.errors import InputError
from polyloom.explanation import Explanation
from polyloom.model import Floats, LanguageModel, Prompt
from polyloom_widgets.attention.reading import places

ROWS = 8  # tokens that are shown of each


def effect(model: Any, text: Prompt, heads: Sequence[tuple[int, int]]) -> dict[str, Any]:
    """Next tokens and loss without `heads`, (layer, head) each; with none of them, both sides are the same."""
    return compared(model, model.ablate(heads=list(heads)) if heads else model, text)


def compared(model: LanguageModel, other: LanguageModel, text: Prompt) -> dict[str, Any]:
    """What two models of one vocabulary say next, likeliest first; the loss of the first, how the other's differs."""
    before, loss = _said(model, text)
    after, hurt = _said(other, text) if other is not model else (before, loss)
    order = dict.fromkeys([*np.argsort(-before)[:ROWS].tolist(), *np.argsort(-after)[:ROWS].tolist()])
    shown = sorted(order, key=lambda token: -max(before[token], after[token]))[:ROWS]
    chances = [(token, model.vocabulary.display(token), float(before[token]), float(after[token])) for token in shown]
    rows = [dict(zip(("token", "piece", "before", "after"), one, strict=True)) for one in chances]
    return {"rows": rows, "loss": loss, "change": None if loss is None or hurt is None else hurt - loss}


def _said(model: LanguageModel, text: Prompt) -> tuple[Floats, float | None]:
    """The next token's probabilities, and the loss of the text: None for one of no token."""
    ids = model.ids(text)
    loss = -float(np.mean(model.log_likelihood(ids))) if len(ids) else None
    return np.exp(model.begin(ids).distribution()), loss


def attribution(capture: Any, token: int | None, position: int) -> dict[str, Any]:
    """What each part of the network added to the logit of what follows `position`: the token itself, by default."""
    count = len(capture.tokens)
    if not 0 <= position < count:
        raise InputError(f"There is no token {position}: they are 0 … {count - 1}.")
    if token is None:
        follows = capture.tokens[position + 1] if position + 1 < count else None
        token = int(capture.logit_lens(1).tokens[-1, position, 0] if follows is None else follows)
    told: Explanation = capture.attribution(token, position)
    terms = [{"name": term.name, "value": float(term.contribution)} for term in told.terms]
    return {
        "piece": capture.model.vocabulary.display(token), "position": position, "terms": terms,
        "total": float(told.total), "residual": float(told.residual), "scale": told.scale,
    }  # fmt: skip


def lens(capture: Any, position: int) -> dict[str, Any]:
    """What the model would say after `position` if it stopped at each depth: three pieces a depth."""
    places("token", [position], range(len(capture.tokens)))
    found = capture.logit_lens(3)
    rows = [
        {"depth": depth, "said": [{"piece": piece, "p": float(p)} for piece, p in found.pieces(n, position)]}
        for n, depth in enumerate(found.depths)
    ]
    return {"position": position, "rows": rows}
