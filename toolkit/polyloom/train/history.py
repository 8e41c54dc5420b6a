"""What happened in a training: a line for each step and for each evaluation, and what a watcher is told.

`Step` and `Evaluation` are what the history keeps; `Progress` is what callbacks get after every step, with a little
more for people: how fast, how long still, a text that the model writes.  Losses are in nats a token.  Seconds count
training from its first step, without the time between an interruption and what resumed it; they alone differ between
two runs of the same settings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """Step `number` (from 1) learned at `rate` times the learning rates; `tokens` counts all so far."""

    number: int
    tokens: int
    loss: float  # of its batch, before it learned from it
    gradient: float  # the length of the gradient, before it was clipped
    rate: float
    seconds: float


@dataclass(frozen=True)
class Evaluation:
    """The held-out loss after step `step`, and how the experts shared the work: float64 (layers, experts) or None."""

    step: int
    tokens: int
    loss: float
    seconds: float
    load: Floats | None = field(default=None, compare=False)

    @property
    def utilisation(self) -> float | None:
        """The share of the experts that got at least a tenth of an even share; None without experts."""
        return None if self.load is None else float((self.load * self.load.shape[-1] >= 0.1).mean())

    @property
    def max_violation(self) -> float | None:
        """How far the busiest expert of a layer is above an even share, a mean over layers (Wang et al. 2024)."""
        return None if self.load is None else float((self.load.max(-1) * self.load.shape[-1] - 1).mean())


@dataclass(frozen=True)
class Progress:
    """How a training stands after a step, an evaluation, or at its end (`stopped` says then why).

    `validation` is the loss of the latest evaluation, `evaluated` whether it is of this very step.  `share` of the
    training is done; `left` are seconds that it may still take, None until that can be told.
    """

    step: int
    steps: int | None
    share: float
    loss: float
    validation: float | None
    evaluated: bool
    best: float | None
    rate: float
    gradient: float
    tokens: int
    tokens_per_second: float
    seconds: float
    left: float | None
    sample: str | None = None
    load: Floats | None = field(default=None, compare=False)
    stopped: str | None = None


Callback: TypeAlias = Callable[[Progress], object]


class Log(Protocol):
    """Anything that keeps numbers by step, as wandb and trackio do."""

    def log(self, data: dict[str, Any], *, step: int) -> object:
        """Keep these numbers."""


@dataclass
class History:
    """All steps and evaluations so far, in order."""

    steps: list[Step] = field(default_factory=list[Step])
    evaluations: list[Evaluation] = field(default_factory=list[Evaluation])

    @property
    def best(self) -> Evaluation | None:
        """The first of the evaluations with the smallest loss."""
        return min(self.evaluations, key=lambda one: one.loss, default=None)

    @property
    def since_best(self) -> int:
        """How many evaluations came after the best one."""
        best = self.best
        return 0 if best is None else sum(one.step > best.step for one in self.evaluations)

    def column(self, name: str) -> Floats:
        """One number of every step, such as "loss" or "seconds", float64 (steps,)."""
        return np.array([getattr(step, name) for step in self.steps], np.float64)

    def validation(self, against: str = "step") -> tuple[Floats, Floats]:
        """The curve of the held-out loss: where ("step", "tokens" or "seconds"), and how large, float64 each."""
        at = [getattr(one, against) for one in self.evaluations]
        return np.array(at, np.float64), np.array([one.loss for one in self.evaluations], np.float64)

    def arrays(self) -> dict[str, Floats]:
        """What a file keeps: a matrix of steps, one of evaluations, and the loads."""
        loads = [one.load for one in self.evaluations if one.load is not None]
        names, marks = [entry.name for entry in fields(Step)], ["step", "tokens", "loss", "seconds"]
        return {
            "steps": _matrix(self.steps, names),
            "evaluations": _matrix(self.evaluations, marks),
            "loads": np.stack(loads) if loads else np.empty((0, 0, 0)),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> "History":
        """The history of such arrays; ValueError or KeyError if they are none."""
        steps = [Step(int(n), int(t), *rest) for n, t, *rest in arrays["steps"].tolist()]
        loads = list(np.array(arrays["loads"])) or [None] * len(arrays["evaluations"])
        found = zip(arrays["evaluations"].tolist(), loads, strict=True)
        return cls(steps, [Evaluation(int(n), int(t), loss, s, load) for (n, t, loss, s), load in found])


def _matrix(rows: list[Any], names: list[str]) -> Floats:
    return np.array([[getattr(row, name) for name in names] for row in rows], np.float64).reshape(-1, len(names))
