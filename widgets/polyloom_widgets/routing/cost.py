"""What another choice would have cost: nats a token on the text that is shown, and on held-out text.

mixture     the gate chooses with other biases (`surgery.steer`); an expert that is forced has +∞
members     one member speaks alone
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from polyloom.compose.routed import Routed
from polyloom.documents import Documents, Ids
from polyloom.errors import InputError
from polyloom.model import LanguageModel
from polyloom_widgets.routing.choices import Choices


class Judge:
    """The losses of a model as it is, kept, and of what it would be with another choice."""

    def __init__(self, model: LanguageModel, text: Ids, held_out: Documents | None) -> None:
        self.model = model
        self.texts: dict[str, Sequence[Ids]] = {"text": [text]} if len(text) else {}
        if held_out is not None:
            self.texts["held_out"] = [ids for one in held_out if len(ids := model.ids(one))]
        self.base = self._losses(model)

    def moved(self, table: Choices, biases: Mapping[int, float]) -> dict[str, Any]:
        """The change with so much added to the biases of a mixture's experts; also the part of choices that changed."""
        from polyloom.transformer.surgery import steer

        if table.kind != "mixture":
            raise InputError("Biases are moved in the gate of a mixture of experts.")
        steered: Any = steer(self.model, {(table.layer, n): bias for n, bias in biases.items()})  # type: ignore[arg-type]
        offsets = np.zeros(len(table.experts), np.float32)
        for n, bias in biases.items():
            offsets[n] = bias
        before, after = table.chosen(), table.chosen(offsets)
        return self._change(steered) | {"rerouted": float((before & ~after).sum() / max(1, before.sum()))}

    def alone(self, table: Choices, number: int) -> dict[str, Any]:
        """The change if one member spoke alone, or one expert read every token."""
        if not 0 <= number < len(table.experts):
            raise InputError(f"There is no expert {number}: they are 0 … {len(table.experts) - 1}.")
        if isinstance(self.model, Routed):
            return self._change(self.model.models[table.experts[number]])
        return self.moved(table, {number: float("inf")})

    def _change(self, other: LanguageModel) -> dict[str, Any]:
        losses = self._losses(other)
        return {name: losses[name] - loss for name, loss in self.base.items()}

    def _losses(self, model: LanguageModel) -> dict[str, float]:
        return {name: _loss(model, texts) for name, texts in self.texts.items() if texts}


def _loss(model: LanguageModel, texts: Sequence[Ids]) -> float:
    """Mean of −ln p(token), nats."""
    return -float(np.concatenate([model.log_likelihood(ids) for ids in texts]).mean())
